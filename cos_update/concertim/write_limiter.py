"""Limits concurrent writes: fewer while the app is overloaded, slowly more when it has recovered."""

from __future__ import annotations

import threading
import time
from collections import deque
from collections.abc import Callable, Hashable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from statistics import median

WINDOW = 10
"""The number of writes for measuring latency."""
LABOURING = 3.0
"""The multiple of the best latency from which the app counts as overloaded."""
LEAST_LATENCY = 0.02
"""Minimum latency in seconds to assume, so that the jitter of a fast app does not look like overload."""
RECOVERY = 30
"""The number of successful writes after which the limit grows by one."""


@dataclass(slots=True)
class Write:
    """One write in progress; its caller reports how it went."""

    began: float
    succeeded: bool = False
    refused_for_load: bool = False


class WriteLimiter:
    """A semaphore of 1 to `most` places. Thread-safe.

    The limit is halved when the app reports overload (429, 503), or when the median latency of the last writes is
    three times the best of their kind.
    """

    def __init__(self, most: int, clock: Callable[[], float] = time.monotonic) -> None:
        self._most = max(most, 1)
        self._places = self._most
        self._clock = clock
        self._taken = 0
        self._free = threading.Condition()
        self._best: dict[Hashable, float] = {}
        self._slowness: deque[float] = deque(maxlen=WINDOW)
        self._untroubled = 0
        self._halved_at = float("-inf")

    @property
    def places(self) -> int:
        """The current limit."""
        return self._places

    @contextmanager
    def enter(self, kind: Hashable) -> Iterator[Write]:
        """Waits for a place, and compares the write's latency with others of its `kind` (kinds differ in cost)."""
        with self._free:
            while self._taken >= self._places:
                self._free.wait()
            self._taken += 1
        write = Write(self._clock())
        try:
            yield write
        finally:
            with self._free:
                self._taken -= 1
                self._judge(write, kind)
                self._free.notify_all()

    def _judge(self, write: Write, kind: Hashable) -> None:
        if write.refused_for_load:
            self._halve(write)
        elif write.succeeded:
            seconds = max(self._clock() - write.began, LEAST_LATENCY)
            best = self._best[kind] = min(self._best.get(kind, seconds), seconds)
            self._slowness.append(seconds / best)
            self._untroubled += 1
            if len(self._slowness) == WINDOW and median(self._slowness) > LABOURING:
                self._halve(write)
            elif self._untroubled >= RECOVERY:
                self._places = min(self._places + 1, self._most)
                self._untroubled = 0

    def _halve(self, write: Write) -> None:
        # Writes already in flight at the last halving suffered from the same load and must not count twice.
        if write.began >= self._halved_at:
            self._places = max(self._places // 2, 1)
            self._halved_at = self._clock()
        self._slowness.clear()
        self._untroubled = 0
