"""Stops writing while every write fails: an app without its database or its Redis makes a mess of what it is sent.

A 500 is usually a complaint about one object. After a few in a row a trial write tells which it is: the app as a
whole (then nothing more is sent for a while), or those objects. Apart from `write_limiter`, which is about speed.
"""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable

from cos_update.model.errors import Unavailable
from cos_update.retry import Backoff

FEW = 3
"""Failed writes in a row after which a trial is made."""
BACKOFF = Backoff(5.0, 60.0)
"""Until the next trial after one that failed."""
HINT = "See Concertim's log: its database or its Redis may be down."

Trial = Callable[[], bool | None]
"""Makes a write that changes nothing, and says whether the app could; None when there is nothing to try it on."""

log = logging.getLogger(__name__)


class WriteBrake:
    """Thread-safe. `trial` is made by one thread at a time; its own write must not come here."""

    def __init__(self, trial: Trial, clock: Callable[[], float] = time.monotonic) -> None:
        self._trial = trial
        self._clock = clock
        self._lock = threading.RLock()
        self._failures = 0
        self._reason = ""
        self._closed_until = float("-inf")
        self._trials = 1

    def admit(self) -> None:
        """Lets a write through. Raises Unavailable while the app fails whatever it is sent."""
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
                log.warning("Nothing is written to Concertim for %g s: %s", wait, self._stopped())
                raise self._stopped()
            # With nothing to try it on this write is the trial, and others wait for what becomes of it.

    def succeeded(self) -> None:
        """A write was carried out."""
        with self._lock:
            self._failures = 0
            self._closed_until = float("-inf")
            self._trials = 1

    def failed(self, reason: str) -> None:
        """The app failed (5xx) at a write."""
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
