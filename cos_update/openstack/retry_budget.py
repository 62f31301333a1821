"""How often a request may be tried: doubt about many objects must not cost the waits of each.

A service that fails for object after object (the servers of a Nova cell that is down) is asked once for each after
that, not several times with waits in between.
"""

from __future__ import annotations

import threading
import time
from collections import defaultdict, deque
from collections.abc import Callable

MOST = 3
"""After so many requests of a service that failed in all their tries, others get a single one,"""
SECONDS = 60.0
"""until so much time has passed since."""


class RetryBudget:
    """Takes note of the requests that have failed in all their tries. Thread-safe."""

    def __init__(self, monotonic: Callable[[], float] = time.monotonic) -> None:
        self._monotonic = monotonic
        self._lock = threading.Lock()
        self._lost: defaultdict[str, deque[float]] = defaultdict(lambda: deque(maxlen=MOST))

    def is_spent(self, service: str) -> bool:
        """Whether a request that fails now is not to be tried again."""
        with self._lock:
            lost = self._lost[service]
            return len(lost) == MOST and self._monotonic() - lost[0] < SECONDS

    def spend(self, service: str) -> None:
        """A request has failed in all its tries, or in the one that it got."""
        with self._lock:
            self._lost[service].append(self._monotonic())
