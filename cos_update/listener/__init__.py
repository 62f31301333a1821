"""The listener: OpenStack's notifications, coalesced into keys and processed as they come.

The queue of keys is level, not edge: a notification says which object changed, never what to show for it.
"""
