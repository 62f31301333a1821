"""Limits retries across requests, so that a failure of many objects does not cost the retry delays of each.

If a service fails for object after object (the servers of a Nova cell that is down), the requests for further objects
are no longer retried.
"""

from __future__ import annotations

import threading
import time
from collections import defaultdict, deque
from collections.abc import Callable

MOST = 3
"""The number of requests to a service that failed in spite of retries, after which others are not retried,"""
SECONDS = 60.0
"""until this many seconds have passed."""


class RetryBudget:
    """Counts the requests that failed in spite of retries. Thread-safe."""

    def __init__(self, monotonic: Callable[[], float] = time.monotonic) -> None:
        self._monotonic = monotonic
        self._lock = threading.Lock()
        self._lost: defaultdict[str, deque[float]] = defaultdict(lambda: deque(maxlen=MOST))

    def is_spent(self, service: str) -> bool:
        """Whether a failing request must not be retried now."""
        with self._lock:
            lost = self._lost[service]
            return len(lost) == MOST and self._monotonic() - lost[0] < SECONDS

    def spend(self, service: str) -> None:
        """A request has failed in all its tries, or in the one that it got."""
        with self._lock:
            self._lost[service].append(self._monotonic())
