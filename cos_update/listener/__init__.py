"""The listener: coalesces OpenStack's notifications into keys, and processes these as they come.

It is level-triggered, not edge-triggered: a notification says only which object changed, never what to show for it.
"""
