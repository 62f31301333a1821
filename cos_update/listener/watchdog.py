"""Ends a process that makes no progress, so that its supervisor restarts it."""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass

_log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Stall:
    """Work is due but has made no progress for `seconds`."""

    name: str
    seconds: float


class Check:
    """Something that must make progress while work is due: pure except for its clock, and lock-free.

    `due` tells whether there is work; it must not take locks of the watched threads, or a deadlock among them would
    stop the watchdog too. Call `moved` at every sign of life, including failed attempts: waiting for an unreachable
    dependency is not a stall, so `stuck_after` (seconds) must exceed the longest backoff. Every change of `progress`,
    for which the same holds as for `due`, is a sign of life too: one attempt may wait for many requests in turn.
    """

    def __init__(
        self,
        name: str,
        due: Callable[[], object],
        stuck_after: float,
        clock: Callable[[], float] = time.monotonic,
        progress: Callable[[], object] = lambda: None,
    ) -> None:
        self.name = name
        self._due = due
        self._progress = progress
        self._last_progress = progress()
        self._stuck_after = stuck_after
        self._clock = clock
        self._since = self._looked = clock()

    def moved(self) -> None:
        """Records a sign of life; thread-safe."""
        self._since = self._clock()

    @property
    def stuck_after(self) -> float:
        """Seconds without a sign of life that count as a stall."""
        return self._stuck_after

    @property
    def idle(self) -> float:
        """Seconds without a sign of life while work was due, as of the last check."""
        return max(0.0, self._looked - self._since)

    def look(self) -> Stall | None:
        """Checks for a stall; call it several times within `stuck_after`.

        If the whole process has been suspended since the last check (a paused container, a suspended machine), the time
        restarts: its workers had no chance to move.
        """
        now = self._clock()
        asleep = now - self._looked > self._stuck_after / 2
        self._looked = now
        before, self._last_progress = self._last_progress, self._progress()
        if asleep or before != self._last_progress or not self._is_due():
            self._since = now
        stalled = now - self._since
        return Stall(self.name, stalled) if stalled >= self._stuck_after else None

    def _is_due(self) -> bool:
        try:
            return bool(self._due())
        except Exception:
            _log.exception("%s: the watchdog cannot determine whether work is due", self.name)
            return True


class Watchdog:
    """A thread that runs all checks every `interval` seconds and calls `on_stall` once, at the first stall.

    `on_stall` runs in this thread, and should end the process without waiting for any other thread.
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
        """Stops watching, before an orderly shutdown stops everything."""
        self._stopped.set()

    def _run(self) -> None:
        while not self._stopped.wait(self._interval):
            for check in self._checks:
                stall = check.look()
                if stall is not None:
                    _log.critical("%s: work is due, but nothing has moved for %.0f seconds", stall.name, stall.seconds)
                    self._on_stall(stall)
                    return
