"""Writes the view for other services soon after the listener's changes, but not once for each of them.

Separate from the housekeeper, whose turns are too slow for it, and which may be busy with a pass.
"""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable, Mapping

from cos_update.model.concertim import Owner
from cos_update.observability.repeats import RepeatSuppressor
from cos_update.sync.services import Services

log = logging.getLogger("cos_update.listen")

EVERY = 5.0
"""Seconds within which a change is in the view, and the minimum interval between writes."""
LAST_WAIT = 2.0
"""Seconds to wait at the end for a write in progress."""
LOOK = 0.2
"""Seconds between two checks for changes."""


class ViewWriter:
    """A thread that writes the view if, according to the disk, other services load it.

    `owners` returns the current owners: the last pass may not know the team of a new rack. `clock` is in seconds.
    """

    def __init__(
        self,
        services: Services,
        owners: Callable[[], Mapping[str, Owner]],
        stop: threading.Event,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._services = services
        self._owners = owners
        self._stop = stop
        self._clock = clock
        self._lock = threading.Lock()
        self._seq: int | None = None
        self._not_before = 0.0
        self._repeats = RepeatSuppressor(log)
        self._thread = threading.Thread(target=self._run, name="view-writer", daemon=True)

    def start(self) -> None:
        """Starts the thread. It first writes the view: a predecessor may have died before writing its last changes."""
        self._thread.start()

    def turn(self, *, at_once: bool = False) -> bool:
        """Writes the view if there are changes and it is due; returns whether it did. Raises ViewError.

        `at_once`, for the end, ignores the interval; but does not wait for a write that hangs.
        """
        if not self._lock.acquire(timeout=LAST_WAIT):
            log.warning("the view for other services is still being written; not waiting for it")
            return False
        try:
            began = self._clock()
            if not self._services.store.layout.is_shared() or not (at_once or began >= self._not_before):
                return False
            if not self._is_something_new():
                return False
            # Later changes are for the next write.
            written = self._services.publisher.publish(self._services.store, owners=self._owners())
            if written is not None:
                self._seq = written
            self._not_before = began + _pause(self._clock() - began)
            return written is not None
        finally:
            self._lock.release()

    def _is_something_new(self) -> bool:
        """Whether this process has unwritten changes; other processes write their own."""
        if self._seq is None:
            return True
        entries = self._services.store.entries_since(self._seq)
        if any(entry.by == self._services.store.process for entry in entries):
            return True
        self._seq = entries[-1].seq if entries else self._seq
        return False

    def _run(self) -> None:
        while not self._stop.wait(LOOK):
            self.look()

    def look(self) -> None:
        """A turn of the thread. Never raises: what fails again and again is logged once."""
        text = "the view for other services could not be written"
        self._repeats.attempt("turn", self.turn, text, "a view for other services that could not be written")


def _pause(took: float) -> float:
    """Seconds from the start of one write to the start of the next.

    A change right after the start of a write must wait for the end of the next one. Long writes must not take up all
    of the time.
    """
    return max(EVERY - took, 2 * took)
