"""The state of the consumer, for the heartbeat and the metrics."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class BrokerStatus:
    """The state of the consumer. Times are Unix times; None: not yet, or not now."""

    queue: str
    host: str | None = None
    connected_since: float | None = None
    last_message: float | None = None
    last_ack: float | None = None
    depth: int | None = None
    """Messages in the queue at the last check."""
    unacked: int = 0
    """Unacknowledged messages."""
    delivered: int = 0
    """Messages since the start, including redeliveries."""
    reconnects: int = 0
    missing_exchanges: tuple[str, ...] = ()
    error: str | None = None
    """Why there is no connection now, with a hint."""
