"""The middle, shared by all commands: what should be there, what differs, what to post. Pure, but for `apply`."""
