"""SIGTERM, SIGHUP and Ctrl-C: what is in hand is finished, and a person who has no patience is let go."""

from __future__ import annotations

import contextlib
import os
import signal
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from types import FrameType
from typing import NoReturn

from cos_update.cli.exits import Exit
from cos_update.observability.observer import Observer


class Stop(threading.Event, Observer):
    """Is set by SIGTERM, by SIGHUP and by Ctrl-C, so that the work in hand can be finished.

    A second Ctrl-C ends the process at once. So does the first one as long as nothing is in hand (`in_hand`), which it
    hears as a watcher.
    """

    def __init__(self, *, in_hand: bool) -> None:
        super().__init__()
        self.in_hand = in_hand
        self.is_interrupted = False
        """Whether Ctrl-C was pressed."""
        self.on_interrupt: Callable[[], None] = lambda: None
        self.before_leaving: Callable[[], None] = lambda: None
        self.hides_caret = False
        """Whether what the terminal shows of Ctrl-C itself is wiped away."""

    def planned(self, actions: int) -> None:
        """From here on there is something to finish: the view, if nothing else."""
        self.in_hand = True

    def interrupt(self) -> None:
        """What Ctrl-C does."""
        if self.is_interrupted:
            self._leave("Interrupted again: what was in hand is not finished.")
        if not self.in_hand:
            self._leave("Interrupted: nothing was posted.")
        self.is_interrupted = True
        self.set()
        self.on_interrupt()

    def say(self, words: str) -> None:
        """One line on standard error."""
        say(words, below_caret=not self.hides_caret)

    def _leave(self, words: str) -> NoReturn:
        """Ends the process without waiting for the requests in flight, which may take as long as they may."""
        with contextlib.suppress(Exception):
            self.before_leaving()
        say(words, below_caret=not self.hides_caret)
        os._exit(Exit.INTERRUPTED)


def say(words: str, *, below_caret: bool = True) -> None:
    """One line on standard error, even amid another; `below_caret` when a terminal shows ^C in the current one."""
    start = "\n" if below_caret and sys.stderr.isatty() else ""
    with contextlib.suppress(OSError):
        os.write(2, f"{start}{words}\n".encode())


def _handler(action: Callable[[], None]) -> Callable[[int, FrameType | None], None]:
    return lambda *_: action()


@contextmanager
def stopping(*, in_hand: bool = True) -> Iterator[Stop]:
    """What SIGTERM, SIGHUP and Ctrl-C set; `in_hand` tells whether there is something to finish from the start.

    A SIGHUP that is ignored, as under nohup, stays so.
    """
    stop = Stop(in_hand=in_hand)
    actions: dict[signal.Signals, Callable[[], None]] = {signal.SIGTERM: stop.set, signal.SIGINT: stop.interrupt}
    if signal.getsignal(signal.SIGHUP) is not signal.SIG_IGN:
        actions[signal.SIGHUP] = stop.set
    former = {number: signal.signal(number, _handler(action)) for number, action in actions.items()}
    try:
        yield stop
    finally:
        for number, handler in former.items():
            signal.signal(number, handler)
