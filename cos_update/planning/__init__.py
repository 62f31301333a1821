"""What decides: what Concertim should show, how that differs from what it shows, and the plan that makes them agree.

Pure: no I/O, no clock, no logging. All commands plan here, so that one comparison holds for all of them.
"""
