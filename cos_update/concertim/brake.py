"""A circuit breaker for writes: an app without its database or its Redis processes writes only partially.

A 500 usually concerns a single object. After several in a row a trial write shows whether the app as a whole fails
(then writing stops for a while) or just those objects. Separate from `write_limiter`, which is about speed.
"""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable

from cos_update.model.errors import Unavailable
from cos_update.retry import Backoff

FEW = 3
"""The number of consecutive failed writes that triggers a trial."""
BACKOFF = Backoff(5.0, 60.0)
"""The delay of the next trial after a failed one."""
HINT = "See Concertim's log: its database or its Redis may be down."

Trial = Callable[[], bool | None]
"""Sends a write that changes nothing; returns whether the app succeeded, None if there is no object to try it on."""

log = logging.getLogger(__name__)


class WriteBrake:
    """Thread-safe. One thread at a time runs `trial`, whose own write must bypass the breaker."""

    def __init__(self, trial: Trial, clock: Callable[[], float] = time.monotonic) -> None:
        self._trial = trial
        self._clock = clock
        self._lock = threading.RLock()
        self._failures = 0
        self._reason = ""
        self._closed_until = float("-inf")
        self._trials = 1

    def admit(self) -> None:
        """Lets a write through. Raises Unavailable while all writes fail."""
        with self._lock:
            if self._failures < FEW:
                return
            if self._clock() < self._closed_until:
                raise self._stopped()
            works = self._trial()
            if works:
                self.succeeded()
                return
            self._close()
            if works is not None:
                wait = BACKOFF.after(self._trials)
                log.warning("pausing writes to Concertim for %g s: %s", wait, self._stopped())
                raise self._stopped()
            # Without an object to try, this write is the trial, and others wait for its result.

    def succeeded(self) -> None:
        """A write succeeded."""
        with self._lock:
            self._failures = 0
            self._closed_until = float("-inf")
            self._trials = 1

    def failed(self, reason: str) -> None:
        """A write failed with a 5xx."""
        with self._lock:
            self._failures += 1
            self._reason = reason

    def _close(self) -> None:
        now = self._clock()
        if self._closed_until > float("-inf"):
            self._trials += 1
        self._closed_until = now + BACKOFF.after(self._trials)

    def _stopped(self) -> Unavailable:
        text = f"not sent: Concertim failed at the last {self._failures} writes ({self._reason})"
        return Unavailable(text, HINT)
