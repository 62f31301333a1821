"""The last check before each write: is the lease that it is made under still valid?

A lease is taken as valid for its duration since its last refresh was sent, minus a margin for the write to reach
Concertim. The clock of leases is used, so that a process that was stopped, or a machine that was suspended, writes
nothing when it resumes.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from cos_update.model.errors import Fenced

MARGIN = 0.25
"""The part of a lease's duration, at its end, during which nothing is sent."""

Check = Callable[[], None]
"""Raises Fenced if a write must not be sent now."""


def good_for(lease: float) -> float:
    """Seconds for which a lease is valid after its last refresh was sent."""
    return lease * (1 - MARGIN)


class Fence:
    """Checks every write. Thread-safe. A write without a declared lease is refused."""

    def __init__(self, lease: float) -> None:
        self.connect_timeout = lease * MARGIN / 2
        """Seconds that connecting for a write may take, so that it reaches Concertim while the lease lasts."""
        self._local = threading.local()
        self._lock = threading.Lock()
        self._fenced = 0

    @property
    def fenced(self) -> int:
        """How many writes were refused."""
        return self._fenced

    @contextmanager
    def writing(self, check: Check) -> Iterator[None]:
        """Declares, for this thread and while the context lasts, the check that its writes are subject to."""
        before = getattr(self._local, "check", None)
        self._local.check = check
        try:
            yield
        finally:
            self._local.check = before

    def ticket(self) -> Check:
        """The check to make, in any thread, at the moment when a write of this thread is sent."""
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
