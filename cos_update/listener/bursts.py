"""Bursts of messages: the first message about a unit is followed at once, more of them when the burst is over.

So work begins while messages still arrive, and many messages about one unit still cause little work.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Hashable, Iterable
from typing import Generic, TypeVar

K = TypeVar("K", bound=Hashable)

WINDOW = 0.05
"""Seconds without messages after which a burst is over."""
POURING = 10
"""The number of messages within `WINDOW` seconds from which more are expected for the same objects."""
LONGEST = 2.0
"""Maximum seconds of a burst; messages that still arrive are those of the next one."""


class Bursts(Generic[K]):
    """Recognises bursts, and keeps what was processed in the current one. Thread-safe, with one thread that counts."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._lock = threading.Lock()
        self._number = 0
        self._began = self._last = float("-inf")
        self._window_began = float("-inf")
        self._count = self._before = 0
        self._processed: set[K] = set()
        self._processed_in = 0

    def count(self) -> None:
        """A message has arrived."""
        now = self._clock()
        if now - self._last >= WINDOW or now - self._began >= LONGEST:
            self._number, self._began = self._number + 1, now
        if now - self._window_began >= WINDOW:
            self._before = self._count if now - self._window_began < 2 * WINDOW else 0
            self._window_began, self._count = now, 0
        self._count += 1
        self._last = now

    def begin(self, units: Iterable[K]) -> None:
        """The processing of these units begins."""
        with self._lock:
            number = self._number
            if number != self._processed_in or not self._is_on():
                self._processed, self._processed_in = set(), number
            if self._is_on():
                self._processed.update(units)

    def holds(self, unit: K) -> bool:
        """Whether a unit was processed in the current burst, and waits for its end."""
        return self._is_on() and self._number == self._processed_in and unit in self._processed

    def _is_on(self) -> bool:
        now = self._clock()
        return now - self._last < WINDOW and now - self._began < LONGEST and max(self._count, self._before) >= POURING
