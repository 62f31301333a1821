"""Ends a process that lives but does nothing, so that its supervisor starts a fresh one."""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass

_log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Stall:
    """Something is due and has not moved for `seconds`."""

    name: str
    seconds: float


class Check:
    """One thing that must move while something is due: pure but for its clock, and free of locks.

    `due` tells whether there is anything to do; it must take no lock that the watched threads hold, else a deadlock
    among them would stop the watchdog too. `moved` is called at every sign of life, including every failed try: waiting
    for a dependency that is away is not a stall, so `patience` (seconds) must exceed the longest backoff.
    """

    def __init__(
        self, name: str, due: Callable[[], object], stuck_after: float, clock: Callable[[], float] = time.monotonic
    ) -> None:
        self.name = name
        self._due = due
        self._stuck_after = stuck_after
        self._clock = clock
        self._since = self._looked = clock()

    def moved(self) -> None:
        """A sign of life, from any thread."""
        self._since = self._clock()

    @property
    def stuck_after(self) -> float:
        """Seconds without a sign of life that make a stall."""
        return self._stuck_after

    @property
    def idle(self) -> float:
        """Seconds for which, at the last look, something had been due without a sign of life."""
        return max(0.0, self._looked - self._since)

    def look(self) -> Stall | None:
        """Judges this moment; to be called several times within the patience.

        When the process as a whole stood still since the last look (a paused container, a suspended machine), the time
        starts anew: its workers had no chance to move.
        """
        now = self._clock()
        asleep = now - self._looked > self._stuck_after / 2
        self._looked = now
        if asleep or not self._is_due():
            self._since = now
        stalled = now - self._since
        return Stall(self.name, stalled) if stalled >= self._stuck_after else None

    def _is_due(self) -> bool:
        try:
            return bool(self._due())
        except Exception:
            _log.exception("%s: the watchdog cannot tell whether anything is due", self.name)
            return True


class Watchdog:
    """A thread that looks at all checks every `interval` seconds and calls `on_stall` once, at the first stall.

    `on_stall` runs in this thread, and is expected to end the process without waiting for any other thread.
    """

    def __init__(self, checks: Sequence[Check], on_stall: Callable[[Stall], None], *, interval: float = 5.0) -> None:
        self._checks = tuple(checks)
        self._on_stall = on_stall
        self._interval = interval
        self._stopped = threading.Event()
        self._thread = threading.Thread(target=self._run, name="watchdog", daemon=True)

    def start(self) -> None:
        self._thread.start()

    def stop(self) -> None:
        """Ends watching, before an orderly shutdown makes everything stand still."""
        self._stopped.set()

    def _run(self) -> None:
        while not self._stopped.wait(self._interval):
            for check in self._checks:
                stall = check.look()
                if stall is not None:
                    _log.critical(
                        "%s: something is due, but nothing has moved for %.0f seconds", stall.name, stall.seconds
                    )
                    self._on_stall(stall)
                    return
