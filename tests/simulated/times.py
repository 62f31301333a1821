"""Simulated time: strands of which one runs at a time, and that wait without any time going by.

Strands are greenlets, which product code can wait in at any depth; threads would be at the mercy of the machine's load.
"""

from __future__ import annotations

import heapq
import itertools
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, field

from greenlet import getcurrent, greenlet


class DiedError(BaseException):
    """Ends a strand whose process is killed; not an Exception, so that nothing handles it."""


class Strand(greenlet):
    """One flow of control of a process."""

    def __init__(self, process: Process, function: Callable[[], None]) -> None:
        super().__init__(function)
        self.process = process


@dataclass(eq=False)
class Process:
    """Several strands that are stopped, or killed, together."""

    name: str
    is_stopped: bool = False
    is_dead: bool = False
    strands: list[Strand] = field(default_factory=list)
    late: list[Callable[[], object]] = field(default_factory=list)
    """What was due while it was stopped."""


class Times:
    """The clock, and what is due when."""

    def __init__(self) -> None:
        self.now = 1000.0
        self._due: list[tuple[float, int, Process | None, Callable[[], object]]] = []
        self._numbers = itertools.count()
        self._main = getcurrent()

    def at(self, when: float, what: Callable[[], object]) -> None:
        """Has something done at that time, which must not sleep."""
        self._add(when, None, what)

    def spawn(self, process: Process, function: Callable[[], None]) -> None:
        """A strand of a process, which begins now."""

        def run() -> None:
            with suppress(DiedError):
                function()

        strand = Strand(process, run)
        process.strands.append(strand)
        self._add(self.now, process, strand.switch)

    def sleep(self, seconds: float) -> None:
        """Of a strand: goes on after that time, unless its process is killed."""
        strand = getcurrent()
        assert isinstance(strand, Strand)
        self._add(self.now + seconds, strand.process, strand.switch)
        self._main.switch()

    def run(self, until: float) -> None:
        """Time goes by until then. Raises what a strand raises."""
        while self._due and self._due[0][0] <= until:
            when, _, process, what = heapq.heappop(self._due)
            self.now = max(self.now, when)
            if process is not None and process.is_stopped:
                process.late.append(what)
            elif process is None or not process.is_dead:
                what()
        self.now = max(self.now, until)

    def go_on(self, process: Process) -> None:
        """A stopped process goes on."""
        process.is_stopped = False
        for what in process.late:
            self._add(self.now, process, what)
        process.late.clear()

    def kill(self, process: Process) -> None:
        """Ends a process at once, also a stopped one."""
        process.is_dead = True
        for strand in process.strands:
            with suppress(DiedError):  # of one that has not begun
                strand.throw(DiedError)

    def _add(self, when: float, process: Process | None, what: Callable[[], object]) -> None:
        heapq.heappush(self._due, (max(when, self.now), next(self._numbers), process, what))
