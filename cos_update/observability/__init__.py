"""What the daemons show of themselves: logs, heartbeat, metrics and the log of runs."""
