"""Signals while something is in hand: it is finished, and a person who has no patience is let go."""

from __future__ import annotations

import contextlib
import os
import signal
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import NoReturn

from cos_update.cli.signals import say
from cos_update.model.exit_codes import ExitCode
from cos_update.observability.observer import Observer

_ENDS = {
    signal.SIGTERM: ("Terminated", ExitCode.TERMINATED),
    signal.SIGHUP: ("The terminal went away", ExitCode.HUNG_UP),
}


class Stop(threading.Event, Observer):
    """Is set by SIGTERM, SIGHUP and Ctrl-C, so that the work in hand can be finished.

    As long as nothing is in hand (`in_hand`), which it learns as an observer, they end the process at once; so does a
    second Ctrl-C.
    """

    def __init__(self, *, in_hand: bool) -> None:
        super().__init__()
        self.in_hand = in_hand
        self.is_interrupted = False
        """Whether Ctrl-C was pressed."""
        self.on_finishing: Callable[[], None] = lambda: None
        self.before_leaving: Callable[[], None] = lambda: None
        self.hides_caret = False
        """Whether what the terminal shows of Ctrl-C itself is wiped away."""

    def planned(self, actions: int) -> None:
        """From here on there is something to finish: the view, if nothing else."""
        self.in_hand = True

    def interrupt(self) -> None:
        """What Ctrl-C does."""
        if self.is_interrupted:
            self._leave("Interrupted again: what was in hand is not finished.", ExitCode.INTERRUPTED)
        if not self.in_hand:
            self._leave("Interrupted: nothing was posted.", ExitCode.INTERRUPTED)
        self.is_interrupted = True
        self._finish()

    def end(self, number: signal.Signals) -> None:
        """What the other signals do, however often they come."""
        if not self.in_hand:
            words, code = _ENDS[number]
            self._leave(f"{words}: nothing was posted.", code)
        self._finish()

    def say(self, words: str) -> None:
        """One line on standard error."""
        say(words, below_caret=not self.hides_caret)

    def _finish(self) -> None:
        self.set()
        self.on_finishing()

    def _leave(self, words: str, code: ExitCode) -> NoReturn:
        """Ends the process without waiting for the requests in flight, which may take as long as they may."""
        with contextlib.suppress(Exception):
            self.before_leaving()
        self.say(words)
        os._exit(code)


@contextmanager
def stopping(*, in_hand: bool = True) -> Iterator[Stop]:
    """What the signals set; `in_hand` tells whether there is something to finish from the start."""
    stop = Stop(in_hand=in_hand)
    former = {number: signal.getsignal(number) for number in (signal.SIGINT, *_ENDS)}
    signal.signal(signal.SIGINT, lambda *_: stop.interrupt())
    for number in _ENDS:
        if former[number] is not signal.SIG_IGN:  # nohup
            signal.signal(number, lambda number, _: stop.end(signal.Signals(number)))
    try:
        yield stop
    finally:
        for number, handler in former.items():
            signal.signal(number, handler)
