"""All decisions: the desired state of Concertim, how it differs from the actual state, and the plan to reconcile them.

Pure: no I/O, no clock, no logging. All commands plan here, so that they share one comparison.
"""
