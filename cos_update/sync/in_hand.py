"""What must be finished before a process ends: changes of Concertim under way, and the saving of what they did."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager


class InHand:
    """Counts what is in hand. Whatever else a thread does may be left at any moment: nothing is lost by that."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._count = 0

    @contextmanager
    def one(self) -> Iterator[None]:
        """While it lasts, something is in hand."""
        with self._lock:
            self._count += 1
        try:
            yield
        finally:
            with self._lock:
                self._count -= 1

    def __bool__(self) -> bool:
        """Whether anything is. Takes no lock: whoever ends the process must not wait for one."""
        return self._count > 0
