"""Logs, heartbeat, metrics and the run log of passes.

Separate from `sync`, which reports to an `Observer` and knows none of them.
"""
