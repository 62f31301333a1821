"""The view for other services, after changes that the listener has posted: soon, and not once for each of them.

Apart from the housekeeper, whose turns are too slow for it, and which may be busy with a pass of its own.
"""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable, Mapping

from cos_update.model.concertim import Owner
from cos_update.model.errors import CosUpdateError
from cos_update.sync.services import Services

log = logging.getLogger("cos_update.listen")

EVERY = 5.0
"""Seconds within which a posted change is in the view, and in which that is written once at most."""
LAST_WAIT = 2.0
"""Seconds for which a writing under way is waited for at the end."""
LOOK = 0.2
"""Seconds between two looks for a change."""


class ViewWriter:
    """One thread, which writes the view where the disk says that others load it.

    `owners` gives those that there are by now: the last pass may not know the team of a rack that was just made.
    `clock` counts seconds.
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
        self._thread = threading.Thread(target=self._run, name="view-writer", daemon=True)

    def start(self) -> None:
        """Starts the thread. It begins by writing: a predecessor may have died between a posting and that."""
        self._thread.start()

    def turn(self, *, at_once: bool = False) -> bool:
        """Writes when something was posted and it is time to; says whether it has. Raises ViewError.

        With `at_once`, for the end, whatever the time; but a writing that hangs is not waited for.
        """
        if not self._lock.acquire(timeout=LAST_WAIT):
            log.warning("the view for other services is still being written, and not waited for")
            return False
        try:
            began = self._clock()
            if not self._services.store.layout.is_shared() or not (at_once or began >= self._not_before):
                return False
            if not self._is_something_new():
                return False
            # What is posted from here on is for the next time.
            written = self._services.publisher.publish(self._services.store, owners=self._owners())
            if written is not None:
                self._seq = written
            self._not_before = began + _pause(self._clock() - began)
            return written is not None
        finally:
            self._lock.release()

    def _is_something_new(self) -> bool:
        """Whether this process has posted what is not written yet; what others post is theirs to write."""
        if self._seq is None:
            return True
        entries = self._services.store.entries_since(self._seq)
        if any(entry.by == self._services.store.process for entry in entries):
            return True
        self._seq = entries[-1].seq if entries else self._seq
        return False

    def _run(self) -> None:
        while not self._stop.wait(LOOK):
            try:
                self.turn()
            except CosUpdateError as error:
                log.warning("%s %s", error, error.hint)
            except Exception:
                log.exception("the view for other services could not be written")


def _pause(took: float) -> float:
    """Seconds from the beginning of one writing to that of the next.

    A change that comes right after a reading is in the file when the next writing ends. One that takes long must not
    become the only thing that is done.
    """
    return max(EVERY - took, 2 * took)
