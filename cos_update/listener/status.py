"""The listener's status for its heartbeat, and its figures for metrics."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence

from cos_update.listener.broker_status import BrokerStatus
from cos_update.listener.watchdog import Check
from cos_update.listener.workqueue import QueueStats
from cos_update.observability.heartbeat import DaemonStatus, moment
from cos_update.observability.observer import StatusObserver
from cos_update.observability.redaction import hidden


class ListenerStatus(StatusObserver):
    """Combines the consumer's status, the keys in the queue, and the messages set aside; `checks` are the watchdog's.

    The listener is stuck if one of the checks is; a missing connection does not count as stuck.
    """

    def __init__(
        self,
        status: Callable[[], BrokerStatus],
        keys: Callable[[], QueueStats],
        quarantined: Callable[[], int],
        checks: Sequence[Check],
    ) -> None:
        self._status = status
        self._keys = keys
        self._quarantined = quarantined
        self._checks = tuple(checks)
        self._last_event: float | None = None
        self._last_effect: float | None = None

    def event(self, kind: str, *, keys: int = 0, coalesced: int = 0) -> None:
        self._last_event = time.time()

    def effect(self, lag: float | None = None) -> None:
        self._last_effect = time.time()

    def collect(self) -> DaemonStatus:
        status, keys = self._status(), self._keys()
        worst = max(self._checks, key=lambda check: check.idle / check.stuck_after)
        return DaemonStatus(
            text=self._text(status, keys),
            idle=worst.idle,
            stuck_after=worst.stuck_after,
            details={
                "connected": status.connected_since is not None,
                "connected_since": status.connected_since,
                "host": status.host,
                "error": status.error and hidden(status.error),
                "queue": status.queue,
                "missing_exchanges": list(status.missing_exchanges),
                "queue_messages": status.depth,
                "unacked_messages": status.unacked,
                "last_message": status.last_message,
                "last_event": self._last_event,
                "last_ack": status.last_ack,
                "last_effect": self._last_effect,
                "keys_dirty": keys.queued,
                "keys_processing": keys.processing,
                "keys_waiting": keys.waiting,
                "oldest_key_seconds": keys.oldest,
            },
        )

    def figures(self) -> Mapping[str, float]:
        status, keys = self._status(), self._keys()
        found = {
            "connected": float(status.connected_since is not None),
            "unacked_messages": status.unacked,
            "messages": status.delivered,
            "reconnects": status.reconnects,
            "quarantined": self._quarantined(),
            "keys_dirty": keys.queued,
            "keys_processing": keys.processing,
            "keys_waiting": keys.waiting,
            "oldest_key_seconds": keys.oldest,
        }
        return found if status.depth is None else {**found, "queue_messages": status.depth}

    def _text(self, status: BrokerStatus, keys: QueueStats) -> str:
        if status.connected_since is not None:
            where = f"consuming {status.queue} of {status.host} since {moment(status.connected_since)}"
        else:
            where = f"no connection: {hidden(status.error)}" if status.error else "not connected yet"
        due = keys.queued + keys.processing
        text = f"{where}; {due} keys to do, {keys.waiting} waiting"
        return f"{text}; last effect at {moment(self._last_effect)}" if self._last_effect else text
