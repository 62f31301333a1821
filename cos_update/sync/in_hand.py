"""Tracks what must be finished before a process ends: changes to Concertim, and saving their results."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager


class InHand:
    """Counts operations that must be finished. Anything else that threads do may be aborted without loss."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._count = 0

    @contextmanager
    def one(self) -> Iterator[None]:
        """Counts one operation within the context."""
        with self._lock:
            self._count += 1
        try:
            yield
        finally:
            with self._lock:
                self._count -= 1

    def __bool__(self) -> bool:
        """Whether any operation is in progress. Takes no lock, since ending the process must not wait for one."""
        return self._count > 0
