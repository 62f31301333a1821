"""Signals while something is in hand: it is finished in the time there is, and a person without patience is let go."""

from __future__ import annotations

import contextlib
import os
import select
import signal
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from typing import NoReturn

from cos_update.cli.signals import say
from cos_update.model.exit_codes import ExitCode
from cos_update.observability.observer import SignsOfLife

HANDLING = 0.3
"""Seconds within which the main thread handles a signal, unless it hangs."""
REPORTING = 1.0
"""Seconds that are left, when the time to stop is over, to whoever says what was not finished."""
_END, _ARM = 0, 255
"""What is written into the guard's pipe besides the numbers of signals."""
_ENDS = {
    signal.SIGINT: ("Interrupted", ExitCode.INTERRUPTED),
    signal.SIGTERM: ("Terminated", ExitCode.TERMINATED),
    signal.SIGHUP: ("The terminal went away", ExitCode.HUNG_UP),
}


class Stop(threading.Event, SignsOfLife):
    """Is set by SIGTERM, SIGHUP and Ctrl-C, so that the work in hand can be finished.

    As long as nothing is in hand (`in_hand`), which it hears as an observer of whatever `posts`, they end the process
    at once, saying `untouched` besides; so does a second Ctrl-C.
    """

    def __init__(self, *, in_hand: bool, posts: bool = True, untouched: str = ": nothing was posted") -> None:
        super().__init__()
        SignsOfLife.__init__(self)
        self.in_hand = in_hand
        self._posts = posts
        self._untouched = untouched
        self.word = "Given up"
        """What has happened, for people."""
        self.code = ExitCode.STALLED
        """The exit code of what was stopped before it had done anything."""
        self.on_finishing: Callable[[], None] = lambda: None
        self.before_leaving: Callable[[], None] = lambda: None
        self.arm: Callable[[], None] = lambda: None
        """Has the process end in time, though nobody has told it to stop."""
        self.hides_caret = False
        """Whether what the terminal shows of Ctrl-C itself is wiped away."""

    def planned(self, actions: int) -> None:
        """From here on there is something to finish: the view, if nothing else."""
        SignsOfLife.planned(self, actions)
        self.in_hand = self._posts

    @property
    def is_interrupted(self) -> bool:
        """Whether Ctrl-C was pressed."""
        return self.code is ExitCode.INTERRUPTED

    def end(self, number: signal.Signals) -> None:
        """What the signals do, however often they come."""
        word, code = _ENDS[number]
        if self.is_interrupted and number == signal.SIGINT:
            self.leave("Interrupted again: what was in hand is not finished.", ExitCode.INTERRUPTED)
        if not self.in_hand:
            self.leave(f"{word}{self._untouched}.", code)
        self.word, self.code = word, code
        self.set()
        self.on_finishing()

    def say(self, words: str) -> None:
        """One line on standard error."""
        say(words, below_caret=not self.hides_caret)

    def leave(self, words: str, code: ExitCode) -> NoReturn:
        """Ends the process without waiting for anything that is under way."""
        with contextlib.suppress(Exception):
            self.before_leaving()
        self.say(words)
        os._exit(code)


@contextmanager
def stopping(
    *, within: float, in_hand: bool = True, posts: bool = True, untouched: str = ": nothing was posted"
) -> Iterator[Stop]:
    """What the signals set; `in_hand` tells whether there is something to finish from the start, `posts` whether later.

    The process ends within `within` seconds of the first of them, whatever its threads do.
    """
    stop = Stop(in_hand=in_hand, posts=posts, untouched=untouched)
    handled: Counter[int] = Counter()
    former = {number: signal.getsignal(number) for number in _ENDS}
    # nohup ignores SIGHUP.
    heard = [number for number in _ENDS if number == signal.SIGINT or former[number] is not signal.SIG_IGN]

    def handle(number: int, _: object) -> None:
        handled[number] += 1
        stop.end(signal.Signals(number))

    guard = _Guard(stop, heard, handled, within + REPORTING)
    stop.arm = guard.arm
    for each in heard:
        signal.signal(each, handle)
    try:
        yield stop
    finally:
        for number in heard:
            signal.signal(number, former[number])
        guard.end()


class _Guard:
    """A thread that does what the main thread should do on a signal, if that hangs, and ends what does not end.

    Python's handlers run in the main thread, between two steps of it. What the interpreter writes into a pipe at the
    very moment of the signal does not wait for that.
    """

    def __init__(self, stop: Stop, heard: list[signal.Signals], handled: Mapping[int, int], within: float) -> None:
        self._stop = stop
        self._heard = frozenset(heard)
        self._handled = handled
        self._within = within
        self._is_armed = False
        self._hears, self._writes = os.pipe()
        os.set_blocking(self._writes, False)
        self._former = signal.set_wakeup_fd(self._writes, warn_on_full_buffer=False)
        self._thread = threading.Thread(target=self._run, name="guard", daemon=True)
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
            numbers = self._read(deadline)
            if not numbers:
                words = f"{self._stop.word}: something hangs; what was in hand is not finished."
                self._stop.leave(words, ExitCode.STALLED)
            if _END in numbers:
                return
            if _ARM in numbers or any(number in self._heard for number in numbers):
                self._is_armed = True
                deadline = deadline or time.monotonic() + self._within
            for number in filter(self._heard.__contains__, numbers):
                came[number] += 1
                if not self._is_handled(number, came[number]):
                    self._stop.end(signal.Signals(number))

    def _is_handled(self, number: int, times: int) -> bool:
        """Whether the main thread has handled the signal so many times, or does so in a moment."""
        until = time.monotonic() + HANDLING
        while self._handled[number] < times and time.monotonic() < until:
            time.sleep(HANDLING / 10)
        return self._handled[number] >= times

    def _read(self, deadline: float | None) -> bytes:
        """The numbers of the signals that came; none when the time is over."""
        poll = select.poll()
        poll.register(self._hears, select.POLLIN)
        left = None if deadline is None else max(0.0, deadline - time.monotonic()) * 1000
        return os.read(self._hears, 64) if poll.poll(left) else b""
