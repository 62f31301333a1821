"""SIGTERM and Ctrl-C: what is in hand is finished in the time there is, and a person who has no patience is let go."""

from __future__ import annotations

import contextlib
import os
import select
import signal
import sys
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from typing import NoReturn

from cos_update.cli.exits import Exit
from cos_update.observability.observer import SignsOfLife

_END, _ARM = 0, 255
"""What is written into the guard's pipe besides the numbers of signals."""
HANDLING = 0.3
"""Seconds within which the main thread handles a signal, unless it hangs."""
REPORTING = 1.0
"""Seconds that are left, when the time to stop is over, to whoever says what was not finished."""


class Stop(threading.Event, SignsOfLife):
    """Is set by SIGTERM and by Ctrl-C, so that the work in hand can be finished.

    A second Ctrl-C ends the process at once. So does any of them as long as nothing is in hand (`in_hand`), which it
    hears as an observer; `untouched` is what is said then besides.
    """

    def __init__(self, *, in_hand: bool, untouched: str = ": nothing was posted") -> None:
        super().__init__()
        SignsOfLife.__init__(self)
        self.in_hand = in_hand
        self._untouched = untouched
        self.is_interrupted = False
        """Whether Ctrl-C was pressed."""
        self.is_terminated = False
        """Whether SIGTERM came."""
        self.on_interrupt: Callable[[], None] = lambda: None
        self.before_leaving: Callable[[], None] = lambda: None
        self.arm: Callable[[], None] = lambda: None
        """Has the process end in time, though nobody has told it to stop."""
        self.hides_caret = False
        """Whether what the terminal shows of Ctrl-C itself is wiped away."""

    def planned(self, actions: int) -> None:
        """From here on there is something to finish: the view, if nothing else."""
        SignsOfLife.planned(self, actions)
        self.in_hand = True

    def interrupt(self) -> None:
        """What Ctrl-C does."""
        if self.is_interrupted:
            self.leave("Interrupted again: what was in hand is not finished.", Exit.INTERRUPTED)
        if not self.in_hand:
            self.leave(f"Interrupted{self._untouched}.", Exit.INTERRUPTED)
        self.is_interrupted = True
        self.set()
        self.on_interrupt()

    def terminate(self) -> None:
        """What SIGTERM does."""
        if not self.in_hand:
            self.leave(f"Terminated{self._untouched}.", Exit.TERMINATED)
        self.is_terminated = True
        self.set()
        self.on_interrupt()

    @property
    def word(self) -> str:
        """What has happened, for people."""
        return "Interrupted" if self.is_interrupted else "Terminated" if self.is_set() else "Given up"

    @property
    def code(self) -> Exit:
        """The exit code of what was stopped before it had done anything."""
        return Exit.INTERRUPTED if self.is_interrupted else Exit.TERMINATED

    def say(self, words: str) -> None:
        """One line on standard error."""
        say(words, below_caret=self.is_interrupted and not self.hides_caret)

    def leave(self, words: str, code: Exit) -> NoReturn:
        """Ends the process without waiting for anything that is under way."""
        with contextlib.suppress(Exception):
            self.before_leaving()
        say(words, below_caret=code is Exit.INTERRUPTED and not self.hides_caret)
        os._exit(code)


def say(words: str, *, below_caret: bool = True) -> None:
    """One line on standard error, even amid another; `below_caret` when a terminal shows ^C in the current one.

    A standard error that takes nothing more is not waited for.
    """
    start = "\n" if below_caret and sys.stderr.isatty() else ""
    with contextlib.suppress(OSError, ValueError):
        if select.select([], [2], [], 0)[1]:
            os.write(2, f"{start}{words}\n".encode())


@contextmanager
def stopping(*, within: float, in_hand: bool = True, untouched: str = ": nothing was posted") -> Iterator[Stop]:
    """What SIGTERM and Ctrl-C set; `in_hand` tells whether there is something to finish from the start.

    The process ends within `within` seconds of the first of them, whatever its threads do.
    """
    stop = Stop(in_hand=in_hand, untouched=untouched)
    actions: dict[int, Callable[[], None]] = {signal.SIGTERM: stop.terminate, signal.SIGINT: stop.interrupt}
    handled: Counter[int] = Counter()

    def handle(number: int, _: object) -> None:
        handled[number] += 1
        actions[number]()

    former = {number: signal.signal(number, handle) for number in actions}
    guard = _Guard(stop, actions, handled, within + REPORTING)
    stop.arm = guard.arm
    try:
        yield stop
    finally:
        for number, handler in former.items():
            signal.signal(number, handler)
        guard.end()


class _Guard:
    """A thread that does what the main thread should do on a signal, if that hangs, and ends what does not end.

    Python's handlers run in the main thread, between two steps of it. What the interpreter writes into a pipe at the
    very moment of the signal does not wait for that.
    """

    def __init__(
        self, stop: Stop, actions: Mapping[int, Callable[[], None]], handled: Counter[int], within: float
    ) -> None:
        self._stop = stop
        self._actions = actions
        self._handled = handled
        self._within = within
        self._is_armed = False
        self._hears, self._writes = os.pipe()
        os.set_blocking(self._writes, False)
        self._former = signal.set_wakeup_fd(self._writes, warn_on_full_buffer=False)
        self._thread = threading.Thread(target=self._run, name="signals", daemon=True)
        self._thread.start()

    def arm(self) -> None:
        """Has the process end in time, as if a signal had come."""
        os.write(self._writes, bytes([_ARM]))

    def end(self) -> None:
        """Ends the thread, unless the process is to end: then it sees to that."""
        signal.set_wakeup_fd(self._former)
        if self._is_armed:
            return
        os.write(self._writes, bytes([_END]))
        self._thread.join(REPORTING)
        if not self._thread.is_alive():
            os.close(self._hears)
            os.close(self._writes)

    def _run(self) -> None:
        came: Counter[int] = Counter()
        deadline: float | None = None
        while True:
            numbers = self._heard(deadline)
            if not numbers:
                self._stop.leave(f"{self._stop.word}: something hangs; what was in hand is not finished.", Exit.STALLED)
            if _END in numbers:
                return
            if _ARM in numbers or any(number in self._actions for number in numbers):
                self._is_armed = True
                deadline = deadline or time.monotonic() + self._within
            for number in filter(self._actions.__contains__, numbers):
                came[number] += 1
                until = time.monotonic() + HANDLING
                while self._handled[number] < came[number] and time.monotonic() < until:
                    time.sleep(HANDLING / 10)
                if self._handled[number] < came[number]:
                    self._handled[number] = came[number]
                    self._actions[number]()

    def _heard(self, deadline: float | None) -> bytes:
        """The numbers of the signals that came; none when the time is over."""
        poll = select.poll()
        poll.register(self._hears, select.POLLIN)
        left = None if deadline is None else max(0.0, deadline - time.monotonic()) * 1000
        return os.read(self._hears, 64) if poll.poll(left) else b""
