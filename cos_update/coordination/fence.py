"""The last question before a write: is the lease that it is made under still good?

Good is a lease until a lease's life after its last refresh was asked for, less a margin in which what was let through
reaches Concertim. Asked on the clock of leases, so that a process that was stopped, or a machine that slept, writes
nothing when it wakes up.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from cos_update.model.errors import Fenced

MARGIN = 0.25
"""The part of a lease's life at its end in which nothing more is sent."""

Check = Callable[[], None]
"""Raises Fenced when a write may not be sent now."""


def good_for(lease: float) -> float:
    """Seconds for which a lease is good after its last refresh was asked for."""
    return lease * (1 - MARGIN)


class Fence:
    """What every write must pass. Thread-safe; without a word on what a write is made under, it does not pass."""

    def __init__(self, lease: float) -> None:
        self.connect_timeout = lease * MARGIN / 2
        """Seconds that a connection for a write may take: what passed reaches Concertim while the lease lasts."""
        self._local = threading.local()
        self._lock = threading.Lock()
        self._fenced = 0

    @property
    def fenced(self) -> int:
        """How many writes were not let through."""
        return self._fenced

    @contextmanager
    def writing(self, check: Check) -> Iterator[None]:
        """Writes of this thread are made under what `check` asks for, while the context lasts."""
        before = getattr(self._local, "check", None)
        self._local.check = check
        try:
            yield
        finally:
            self._local.check = before

    def ticket(self) -> Check:
        """What is to be asked in the moment in which a write of this thread is sent, by whatever thread."""
        check: Check | None = getattr(self._local, "check", None)

        def admit() -> None:
            try:
                if check is None:
                    raise Fenced("not sent: it is not known which lease it is made under")
                check()
            except Fenced:
                with self._lock:
                    self._fenced += 1
                raise

        return admit
