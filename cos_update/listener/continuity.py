"""Detects whether messages may have been lost, and decides when to report that.

A broker can drop messages without a trace: an operator's policy sets a `message-ttl` or a `max-length` for our queue,
or the queue is purged, or deleted and recreated, while nobody is connected. AMQP shows neither the policy nor the loss.
But it preserves order. Where the oldest message is dropped first, the oldest one that was unacknowledged when the
connection ended is a witness: if it is redelivered, all later ones still exist. Without a witness nothing is proven.
"""

from __future__ import annotations

from cos_update.listener.delivery import Fingerprint

LONGEST_WAIT = 60.0
"""Seconds after which a loss is reported even while the connection keeps breaking."""


class Continuity:
    """A possible loss that is not reported yet. Pure: times are seconds of any one clock; used by one thread.

    An unstable connection counts as one loss: it is reported when a connection has lasted for `settle` seconds; at
    once on the first connection, and on one that has lasted that long.
    """

    def __init__(self, settle: float) -> None:
        self._settle = settle
        self._reason = ""
        self._since = 0.0
        self._stands_at = 0.0
        self._is_first = True
        self._witness: Fingerprint | None = None
        self._is_awaited = False

    @property
    def is_whole(self) -> bool:
        """Whether there is no unreported loss, as far as is known now."""
        return not self._reason and not self._is_awaited

    def doubt(self, reason: str, now: float) -> None:
        """Messages may have been lost up to now. The first reason is kept until reported; "" means no loss."""
        if reason and not self._reason:
            self._reason, self._since = reason, now

    def connected(self, now: float, *, provable: bool) -> None:
        """The queue is about to be consumed; `provable`: whether a witness would prove anything."""
        if self._is_first:
            self._is_first = False
            self._stands_at = now
            return
        self._stands_at = now + self._settle
        self._is_awaited = provable and self._witness is not None
        if not self._is_awaited:
            self._unproven(now)

    def disconnected(self, oldest: Fingerprint | None, now: float) -> None:
        """The connection ended; `oldest` is the oldest unacknowledged message, if any."""
        if self._is_awaited:
            self._unproven(now)
        self._witness = oldest

    def delivered(self, fingerprint: Fingerprint, now: float, *, redelivered: bool) -> None:
        """A message arrived. Only messages whose ack was lost may be redelivered before the witness."""
        if not self._is_awaited:
            return
        if redelivered and fingerprint == self._witness:
            self._is_awaited = False
        elif not redelivered:
            self._unproven(now)

    def due(self, now: float) -> str:
        """The reason to report now, or ""; it stays due until `reported` is called."""
        stands = now >= self._stands_at
        if self._is_awaited and stands:
            self._unproven(now)
        return self._reason if stands or now - self._since >= LONGEST_WAIT else ""

    def reported(self) -> None:
        """The due reason has been reported."""
        self._reason = ""

    def _unproven(self, now: float) -> None:
        self._is_awaited = False
        self.doubt("the connection was lost, and possibly messages meanwhile", now)
