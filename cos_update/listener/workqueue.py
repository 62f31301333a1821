"""The set of dirty keys, shaped after `util/workqueue` of Kubernetes' client-go.

A key is in `dirty` from the moment it is added until a worker takes it, and in `processing` while a worker has it.
Two sets instead of one flag per key are what makes it safe: a key added many times is processed once, a key added
while it is being processed is processed again afterwards, and no two workers ever hold one key.
"""

from __future__ import annotations

import heapq
import itertools
import threading
import time
from collections import deque
from collections.abc import Callable, Hashable
from dataclasses import dataclass
from typing import Generic, TypeVar

from cos_update.retry import Backoff

K = TypeVar("K", bound=Hashable)


@dataclass(frozen=True, slots=True)
class QueueStats:
    """How much is to do. `oldest` is the age in seconds of the key that has waited longest, 0.0 when none does."""

    queued: int
    processing: int
    waiting: int
    """Keys that wait for their time: in backoff, or asked to be looked at later."""
    oldest: float

    @property
    def idle(self) -> bool:
        """True when nothing is dirty, in hand or waiting."""
        return not (self.queued or self.processing or self.waiting)


@dataclass(slots=True)
class _Waiting:
    """A key that comes back at `ready`; `since` is when it first became dirty."""

    ready: float
    since: float


class WorkQueue(Generic[K]):
    """A coalescing queue of keys for several workers; every method may be called from any thread.

    A worker calls `get`, works, then calls either `forget` (done) or `add_rate_limited` (failed, try again later), and
    in both cases `done`. Times are those of `clock`, in seconds.
    """

    def __init__(
        self, *, base_delay: float = 0.5, max_delay: float = 60.0, clock: Callable[[], float] = time.monotonic
    ) -> None:
        self._backoff = Backoff(base_delay, max_delay)
        self._clock = clock
        self._lock = threading.RLock()
        self._available = threading.Condition(self._lock)
        self._settled = threading.Condition(self._lock)
        self._order: deque[K] = deque()
        self._dirty: dict[K, float] = {}
        self._processing: dict[K, float] = {}
        self._waiting: dict[K, _Waiting] = {}
        self._heap: list[tuple[float, int, K]] = []
        self._ticket = itertools.count()
        self._failures: dict[K, int] = {}
        self._shut = False

    def add(self, key: K) -> None:
        """Marks a key dirty. Nothing happens when it already is, or when the queue was shut down."""
        with self._lock:
            if not self._shut:
                self._mark(key, self._clock())

    def add_after(self, key: K, delay: float) -> None:
        """Marks a key dirty `delay` seconds from now; of several such wishes for one key the earliest counts."""
        with self._lock:
            if self._shut:
                return
            now = self._clock()
            since = self._processing.get(key, now)
            if delay <= 0:
                self._mark(key, since)
                return
            known = self._waiting.get(key)
            if known is None or now + delay < known.ready:
                self._waiting[key] = _Waiting(now + delay, min(since, known.since) if known else since)
                heapq.heappush(self._heap, (now + delay, next(self._ticket), key))
                # All of them, for whichever watches the clock may be busy when the time comes.
                self._available.notify_all()

    def add_rate_limited(self, key: K) -> float:
        """Marks a failed key dirty after its own backoff, which doubles with every failure up to the greatest delay.

        One that had news before its time and failed again still waits for that time: news are no reason to count
        faster. Returns the delay in seconds.
        """
        with self._lock:
            known = self._waiting.get(key)
            if known is not None:
                return max(0.0, known.ready - self._clock())
            failures = self._failures[key] = self._failures.get(key, 0) + 1
            delay = self._backoff.after(failures)
            self.add_after(key, delay)
            return delay

    def forget(self, key: K) -> None:
        """Ends a key's backoff: its next failure counts as its first."""
        with self._lock:
            self._failures.pop(key, None)

    def failures(self, key: K) -> int:
        """How often the key has failed since it was last forgotten."""
        return self._failures.get(key, 0)

    def get(self, timeout: float | None = None) -> K | None:
        """Takes the key that waits longest, blocking up to `timeout` seconds (None: without end).

        Returns None when the time is over, or when the queue was shut down and nothing is left in it.
        """
        with self._lock:
            deadline = None if timeout is None else self._clock() + timeout
            while True:
                now = self._clock()
                self._wake_the_due(now)
                if self._order:
                    return self._take()
                if self._shut or (deadline is not None and now >= deadline):
                    return None
                self._available.wait(self._stuck_after(now, deadline))

    def get_more(self, wanted: Callable[[K], bool], limit: int) -> list[K]:
        """Takes up to `limit` more keys that are `wanted` and wait already, for one worker to do together."""
        with self._lock:
            self._wake_the_due(self._clock())
            chosen = set(itertools.islice((key for key in self._order if wanted(key)), limit))
            taken = [key for key in self._order if key in chosen]
            if taken:
                self._order = deque(key for key in self._order if key not in chosen)
            for key in taken:
                self._processing[key] = self._dirty.pop(key)
            return taken

    def done(self, key: K) -> None:
        """Gives a key back. If it became dirty again in the meantime, it is queued again now."""
        with self._lock:
            self._processing.pop(key, None)
            if key in self._dirty:
                self._order.append(key)
                self._available.notify()
            self._settled.notify_all()

    def shut_down(self, *, discard: bool = False) -> None:
        """Accepts no more keys and forgets those that wait for their time.

        What is queued is still handed out, unless `discard`; then only what is in hand is finished. When a key's
        messages are acknowledged only after the key is done, the broker keeps what is discarded.
        """
        with self._lock:
            self._shut = True
            self._waiting.clear()
            self._heap.clear()
            if discard:
                self._order.clear()
                self._dirty.clear()
            self._available.notify_all()
            self._settled.notify_all()

    def wait_idle(self, timeout: float) -> bool:
        """Waits up to `timeout` seconds until nothing is queued, in hand or waiting; says whether that was reached."""
        deadline = time.monotonic() + timeout
        with self._lock:
            while self._order or self._processing or self._waiting:
                remaining = deadline - time.monotonic()
                if remaining <= 0:
                    return False
                self._settled.wait(remaining)
            return True

    def due(self) -> int:
        """Keys that somebody should be working on now. Takes no lock, so that a watchdog can always ask."""
        try:
            overdue = 1 if self._heap[0][0] <= self._clock() else 0
        except IndexError:
            overdue = 0
        return len(self._order) + len(self._processing) + overdue

    def stats(self) -> QueueStats:
        """How much is to do, at this moment."""
        with self._lock:
            waiting = (entry.since for entry in self._waiting.values())
            since = min(itertools.chain(self._dirty.values(), self._processing.values(), waiting), default=None)
            oldest = 0.0 if since is None else max(0.0, self._clock() - since)
            return QueueStats(len(self._order), len(self._processing), len(self._waiting), oldest)

    def __len__(self) -> int:
        """The number of keys that are dirty."""
        return len(self._dirty)

    def _mark(self, key: K, since: float) -> None:
        if key in self._dirty:
            return
        self._dirty[key] = since
        if key not in self._processing:
            self._order.append(key)
            self._available.notify()

    def _take(self) -> K:
        key = self._order.popleft()
        self._processing[key] = self._dirty.pop(key)
        return key

    def _wake_the_due(self, now: float) -> None:
        while self._heap and self._heap[0][0] <= now:
            ready, _, key = heapq.heappop(self._heap)
            entry = self._waiting.get(key)
            if entry is not None and entry.ready == ready:
                del self._waiting[key]
                self._mark(key, entry.since)

    def _stuck_after(self, now: float, deadline: float | None) -> float | None:
        """How long a worker may sleep: until the next key is due or its own time is over."""
        until = [moment for moment in (deadline, self._heap[0][0] if self._heap else None) if moment is not None]
        return max(0.0, min(until) - now) if until else None
