"""Whether messages may have been lost, and when that is to be reported.

A broker drops messages without a trace: an operator's policy gives our queue a `message-ttl` or a `max-length`, or the
queue is purged, or deleted and made anew, while nobody is connected. AMQP shows neither the policy nor the loss. What
it does show is order. Where the oldest is dropped first, the oldest message that was in our hands when the connection
ended is a witness: when it is delivered again, everything behind it is still there. Without one nothing is proven.
"""

from __future__ import annotations

from cos_update.listener.delivery import Fingerprint

LONGEST_WAIT = 60.0
"""Seconds after which a loss is reported also while the connection keeps breaking."""


class Continuity:
    """What may have been lost and is not reported yet. Pure: times are seconds of any one clock; used by one thread.

    A connection that comes and goes is one loss, not one for each time: it is reported when a connection has
    stood for `settle` seconds; at once on the first connection, and on one that has stood for so long.
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
        """Whether nothing was lost that is not reported yet, as far as can be known now."""
        return not self._reason and not self._is_awaited

    def doubt(self, reason: str, now: float) -> None:
        """Messages may have been lost up to now. The first reason stays until it is reported; "" is none."""
        if reason and not self._reason:
            self._reason, self._since = reason, now

    def connected(self, now: float, *, provable: bool) -> None:
        """The queue is about to be consumed; `provable` tells whether a witness would prove anything."""
        if self._is_first:
            self._is_first = False
            self._stands_at = now
            return
        self._stands_at = now + self._settle
        self._is_awaited = provable and self._witness is not None
        if not self._is_awaited:
            self._unproven(now)

    def disconnected(self, oldest: Fingerprint | None, now: float) -> None:
        """The connection ended; `oldest` is the oldest message that was in our hands, if there was one."""
        if self._is_awaited:
            self._unproven(now)
        self._witness = oldest

    def delivered(self, fingerprint: Fingerprint, now: float, *, redelivered: bool) -> None:
        """A message came. Before the witness may come again what was acknowledged in vain, and nothing else."""
        if not self._is_awaited:
            return
        if redelivered and fingerprint == self._witness:
            self._is_awaited = False
        elif not redelivered:
            self._unproven(now)

    def due(self, now: float) -> str:
        """What is to be reported now, or ""; it stays due until `reported` is called."""
        stands = now >= self._stands_at
        if self._is_awaited and stands:
            self._unproven(now)
        return self._reason if stands or now - self._since >= LONGEST_WAIT else ""

    def reported(self) -> None:
        """What was due has been reported."""
        self._reason = ""

    def _unproven(self, now: float) -> None:
        self._is_awaited = False
        self.doubt("the connection was lost, and what came meanwhile may be", now)
