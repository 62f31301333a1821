"""The queue of dirty keys, modelled on `util/workqueue` of Kubernetes' client-go.

A key is in `dirty` from the moment it is added until a worker takes it, and in `processing` while a worker has it.
These two sets make it safe: a key added many times is processed once, a key added while it is being processed is
processed again afterwards, and no two workers ever hold the same key.
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
    """The length of the queue. `oldest` is the age in seconds of the key that has waited longest, 0.0 for none."""

    queued: int
    processing: int
    waiting: int
    """Keys that are delayed: in backoff, or scheduled for later."""
    oldest: float

    @property
    def idle(self) -> bool:
        """Whether no key is dirty, in process or delayed."""
        return not (self.queued or self.processing or self.waiting)


@dataclass(slots=True)
class _Waiting:
    """A key that comes back at `ready`; `since` is when it first became dirty."""

    ready: float
    since: float


class WorkQueue(Generic[K]):
    """A coalescing queue of keys for several workers; thread-safe.

    A worker calls `get`, works, then calls either `forget` (success) or `add_rate_limited` (failure, retry later), and
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
        """Marks a key dirty. Does nothing if it already is, or if the queue was shut down."""
        with self._lock:
            if not self._shut:
                self._mark(key, self._clock())

    def add_after(self, key: K, delay: float) -> None:
        """Marks a key dirty `delay` seconds from now; of several calls for one key the earliest time counts."""
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
                # All of them, since the one that watches the clock may be busy by then.
                self._available.notify_all()

    def add_rate_limited(self, key: K) -> float:
        """Marks a failed key dirty after its own backoff, which doubles with every failure up to the maximum delay.

        A key that was added again during its backoff and failed again waits for the original time: new events must not
        increase the backoff faster. Returns the delay in seconds.
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
        """Resets a key's backoff: its next failure counts as the first."""
        with self._lock:
            self._failures.pop(key, None)

    def failures(self, key: K) -> int:
        """How often the key has failed since it was last forgotten."""
        return self._failures.get(key, 0)

    def get(self, timeout: float | None = None) -> K | None:
        """Takes the key that has waited longest, blocking up to `timeout` seconds (None: forever).

        Returns None after the timeout, or if the queue was shut down and is empty.
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
        """Takes up to `limit` more queued keys that are `wanted`, for one worker to process together."""
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
        """Accepts no more keys and drops delayed ones.

        Queued keys are still handed out, unless `discard`; then only keys in process are finished. Since messages are
        acknowledged only after their keys are done, the broker keeps those of discarded keys.
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
        """Waits up to `timeout` seconds until no key is queued, in process or delayed; returns whether that is so."""
        deadline = time.monotonic() + timeout
        with self._lock:
            while self._order or self._processing or self._waiting:
                remaining = deadline - time.monotonic()
                if remaining <= 0:
                    return False
                self._settled.wait(remaining)
            return True

    def due(self) -> int:
        """The number of keys that should be processed now. Takes no lock, so that a watchdog can always call it."""
        try:
            overdue = 1 if self._heap[0][0] <= self._clock() else 0
        except IndexError:
            overdue = 0
        return len(self._order) + len(self._processing) + overdue

    def stats(self) -> QueueStats:
        """The current length of the queue."""
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
        """How long a worker may sleep: until the next key is due or its timeout expires."""
        until = [moment for moment in (deadline, self._heap[0][0] if self._heap else None) if moment is not None]
        return max(0.0, min(until) - now) if until else None
