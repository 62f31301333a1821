"""SIGTERM and Ctrl-C: what is in hand is finished in the time there is, and a person who has no patience is let go."""

from __future__ import annotations

import contextlib
import os
import select
import signal
import sys
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from typing import NoReturn

from cos_update.cli.exits import Exit
from cos_update.observability.observer import SignsOfLife

REPORTING = 1.0
"""Seconds that are left, when the time to stop is over, to whoever says what was not finished."""


class Stop(threading.Event, SignsOfLife):
    """Is set by SIGTERM and by Ctrl-C, so that the work in hand can be finished.

    A second Ctrl-C ends the process at once. So does any of them as long as nothing is in hand (`in_hand`), which it
    hears as an observer.
    """

    def __init__(self, *, in_hand: bool) -> None:
        super().__init__()
        SignsOfLife.__init__(self)
        self.in_hand = in_hand
        self.is_interrupted = False
        """Whether Ctrl-C was pressed."""
        self.is_terminated = False
        """Whether SIGTERM came."""
        self.on_interrupt: Callable[[], None] = lambda: None
        self.before_leaving: Callable[[], None] = lambda: None
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
            self.leave("Interrupted: nothing was posted.", Exit.INTERRUPTED)
        self.is_interrupted = True
        self.set()
        self.on_interrupt()

    def terminate(self) -> None:
        """What SIGTERM does."""
        if not self.in_hand:
            self.leave("Terminated: nothing was posted.", Exit.TERMINATED)
        self.is_terminated = True
        self.set()
        self.on_interrupt()

    @property
    def word(self) -> str:
        """What has happened, for people."""
        return "Interrupted" if self.is_interrupted else "Terminated"

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
def stopping(*, within: float, in_hand: bool = True) -> Iterator[Stop]:
    """What SIGTERM and Ctrl-C set; `in_hand` tells whether there is something to finish from the start.

    The process ends within `within` seconds of the first of them, whatever its threads do.
    """
    stop = Stop(in_hand=in_hand)
    actions: dict[int, Callable[[], None]] = {signal.SIGTERM: stop.terminate, signal.SIGINT: stop.interrupt}
    with _heard(actions, lambda: _give_up(stop), within + REPORTING):
        yield stop


def _give_up(stop: Stop) -> None:
    stop.leave(f"{stop.word}: something hangs; what was in hand is not finished.", Exit.STALLED)


@contextmanager
def _heard(actions: Mapping[int, Callable[[], None]], give_up: Callable[[], None], within: float) -> Iterator[None]:
    """Has a thread carry out what signals are to do, so that they do it also when the main thread hangs.

    `give_up` is called when the context has not ended `within` seconds after the first signal.
    """
    hears, writes = os.pipe()
    os.set_blocking(writes, False)
    # Python's own handlers run in the main thread; what is written to the pipe does not wait for it.
    former = {number: signal.signal(number, lambda *_: None) for number in actions}
    former_fd = signal.set_wakeup_fd(writes, warn_on_full_buffer=False)

    def listen() -> None:
        deadline: float | None = None
        poll = select.poll()
        poll.register(hears, select.POLLIN)
        while True:
            left = None if deadline is None else max(0.0, deadline - time.monotonic()) * 1000
            if not poll.poll(left):
                give_up()
                return
            for number in os.read(hears, 64):
                if number == 0:
                    return
                if number in actions:
                    deadline = deadline or time.monotonic() + within
                    actions[number]()

    thread = threading.Thread(target=listen, name="signals", daemon=True)
    thread.start()
    try:
        yield
    finally:
        signal.set_wakeup_fd(former_fd)
        for number, handler in former.items():
            signal.signal(number, handler)
        os.write(writes, b"\0")
        thread.join(REPORTING)
        for end in (hears, writes):
            os.close(end)
