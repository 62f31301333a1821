"""How many writes may be under way: fewer while the app labours, slowly more when it has recovered."""

from __future__ import annotations

import threading
import time
from collections import deque
from collections.abc import Callable, Hashable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from statistics import median

WINDOW = 10
"""Writes over which latency is judged."""
LABOURING = 3.0
"""Times the best latency from which on the app is taken to labour."""
LEAST_LATENCY = 0.02
"""Seconds; a faster answer counts as this, so that the jitter of a quick app is not mistaken for labour."""
RECOVERY = 30
"""Writes without trouble after which one more is let through at a time."""


@dataclass(slots=True)
class Write:
    """One write under way; whoever makes it says how it went."""

    began: float
    succeeded: bool = False
    refused_for_load: bool = False


class WriteLimiter:
    """A semaphore of 1 to `most` places. Thread-safe.

    It halves when the app says that it has too much to do (429, 503), and when the median of the last writes took
    three times as long as the best of their kind.
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
        """How many writes may be under way now."""
        return self._places

    @contextmanager
    def enter(self, kind: Hashable) -> Iterator[Write]:
        """Waits for a place and judges the write inside against others of its `kind` (kinds differ in cost)."""
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
        # What was already under way at the last halving suffered from the same load: it is not held against us twice.
        if write.began >= self._halved_at:
            self._places = max(self._places // 2, 1)
            self._halved_at = self._clock()
        self._slowness.clear()
        self._untroubled = 0
