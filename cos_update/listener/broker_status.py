"""How the consumer fares, for the heartbeat and the metrics."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class BrokerStatus:
    """How the consumer fares. Points in time are seconds since the epoch; None: not yet, or not now."""

    queue: str
    host: str | None = None
    connected_since: float | None = None
    last_message: float | None = None
    last_ack: float | None = None
    depth: int | None = None
    """Messages waiting in the queue when last looked at."""
    unacked: int = 0
    """Messages in our hands."""
    delivered: int = 0
    """Messages since the start, redelivered ones included."""
    reconnects: int = 0
    missing_exchanges: tuple[str, ...] = ()
    error: str | None = None
    """Why there is no connection now, with what to do about it."""
