"""What the daemons show of themselves: logs, heartbeat, metrics and the log of passes.

Apart from `sync`, which reports to an `Observer` and knows none of them.
"""
