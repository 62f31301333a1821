"""Signals during work: operations in progress get time to finish, and a second Ctrl-C ends the process at once."""

from __future__ import annotations

import contextlib
import os
import select
import signal
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import NoReturn

from cos_update.cli.signals import say
from cos_update.model.exit_codes import ExitCode
from cos_update.observability.observer import SignsOfLife

HANDLING = 0.3
"""Seconds for the main thread to handle a signal before it counts as hung."""
REPORTING = 1.0
"""Seconds after the shutdown timeout for reporting what was not finished."""
_END, _ARM = 0, 255
"""Bytes in the guard's pipe other than signal numbers."""
_ENDS = {
    signal.SIGINT: ("Interrupted", ExitCode.INTERRUPTED),
    signal.SIGTERM: ("Terminated", ExitCode.TERMINATED),
    signal.SIGHUP: ("The terminal went away", ExitCode.HUNG_UP),
}


class Stop(threading.Event, SignsOfLife):
    """Set by SIGTERM, SIGHUP and Ctrl-C, so that work in progress can finish.

    While nothing is in progress (`in_hand`, which it learns as an observer of work that `posts`), the signals end the
    process at once with the message `untouched`; so does a second Ctrl-C.
    """

    def __init__(self, *, in_hand: bool, posts: bool = True, untouched: str = ": nothing was posted") -> None:
        super().__init__()
        SignsOfLife.__init__(self)
        self.in_hand = in_hand
        self._posts = posts
        self._untouched = untouched
        self.word = "Aborted"
        """What happened, for messages."""
        self.code = ExitCode.STALLED
        """The exit code if nothing had been done yet."""
        self.on_finishing: Callable[[], None] = lambda: None
        self.before_leaving: Callable[[], None] = lambda: None
        self.arm: Callable[[], None] = lambda: None
        """Starts the shutdown timeout as if a signal had come."""
        self.hides_caret = False
        """Whether the terminal's ^C is overwritten."""

    def planned(self, actions: int) -> None:
        """From now on there is work to finish: at least the view."""
        SignsOfLife.planned(self, actions)
        self.in_hand = self._posts

    @property
    def is_interrupted(self) -> bool:
        """Whether Ctrl-C was pressed."""
        return self.code is ExitCode.INTERRUPTED

    def end(self, number: signal.Signals) -> None:
        """Handles a signal, the first as well as further ones."""
        word, code = _ENDS[number]
        if self.is_interrupted and number == signal.SIGINT:
            self.leave("Interrupted again: operations in progress were not finished.", ExitCode.INTERRUPTED)
        if not self.in_hand:
            self.leave(f"{word}{self._untouched}.", code)
        self.word, self.code = word, code
        self.set()
        self.on_finishing()

    def say(self, words: str) -> None:
        """One line on standard error."""
        say(words, below_caret=not self.hides_caret)

    def leave(self, words: str, code: ExitCode) -> NoReturn:
        """Ends the process without waiting for anything."""
        with contextlib.suppress(Exception):
            self.before_leaving()
        self.say(words)
        os._exit(code)


@contextmanager
def stopping(
    *, within: float, in_hand: bool = True, posts: bool = True, untouched: str = ": nothing was posted"
) -> Iterator[Stop]:
    """Installs the handlers; `in_hand`: there is work to finish from the start, `posts`: there may be later.

    The process ends within `within` seconds of the first signal, whatever its threads do.
    """
    stop = Stop(in_hand=in_hand, posts=posts, untouched=untouched)
    deliveries = _Deliveries()
    former = {number: signal.getsignal(number) for number in _ENDS}
    # nohup ignores SIGHUP.
    signals = [number for number in _ENDS if number == signal.SIGINT or former[number] is not signal.SIG_IGN]

    def handle(number: int, _: object) -> None:
        if deliveries.claim(number):
            stop.end(signal.Signals(number))

    guard = _Guard(stop, signals, deliveries, within + REPORTING)
    stop.arm = guard.arm
    for each in signals:
        signal.signal(each, handle)
    try:
        yield stop
    finally:
        for number in signals:
            signal.signal(number, former[number])
        guard.end()


class _Deliveries:
    """Who handles a signal: the main thread, or the guard if the main thread is late. Each delivery is handled once."""

    def __init__(self) -> None:
        self.by_main_thread: Counter[int] = Counter()
        self._claims: dict[tuple[int, int], int] = {}

    def claim(self, number: int) -> bool:
        """In the main thread's handler: whether the next delivery of this signal is still to be handled."""
        self.by_main_thread[number] += 1
        return self.claim_for(number, self.by_main_thread[number])

    def claim_for(self, number: int, times: int) -> bool:
        """Whether the delivery with this count is still to be handled; then it is the calling thread's."""
        # Atomic, and a signal handler must not wait for a lock.
        return self._claims.setdefault((number, times), threading.get_ident()) == threading.get_ident()


class _Guard:
    """A thread that handles signals if the main thread hangs, and ends the process after the timeout.

    Python's handlers run in the main thread, between bytecodes. The interpreter's write to the wakeup descriptor
    happens at the moment of the signal.
    """

    def __init__(self, stop: Stop, signals: list[signal.Signals], deliveries: _Deliveries, within: float) -> None:
        self._stop = stop
        self._signals = frozenset(signals)
        self._deliveries = deliveries
        self._within = within
        self._is_armed = False
        self._read_end, self._write_end = os.pipe()
        os.set_blocking(self._write_end, False)
        self._former = signal.set_wakeup_fd(self._write_end, warn_on_full_buffer=False)
        self._thread = threading.Thread(target=self._run, name="guard", daemon=True)
        self._thread.start()

    def arm(self) -> None:
        """Starts the timeout, as if a signal had come."""
        os.write(self._write_end, bytes([_ARM]))

    def end(self) -> None:
        """Ends the thread, unless a signal has come: then the thread makes sure that the process ends."""
        signal.set_wakeup_fd(self._former)
        if self._is_armed:
            return
        os.write(self._write_end, bytes([_END]))
        self._thread.join(REPORTING)
        if not self._thread.is_alive():
            os.close(self._read_end)
            os.close(self._write_end)

    def _run(self) -> None:
        received: Counter[int] = Counter()
        deadline: float | None = None
        while True:
            numbers = self._read(deadline)
            if not numbers:
                words = f"{self._stop.word}: something hangs; operations in progress were not finished."
                self._stop.leave(words, ExitCode.STALLED)
            if _END in numbers:
                return
            if _ARM in numbers or any(number in self._signals for number in numbers):
                self._is_armed = True
                deadline = deadline or time.monotonic() + self._within
            for number in filter(self._signals.__contains__, numbers):
                received[number] += 1
                times = received[number]
                if not self._is_handled(number, times) and self._deliveries.claim_for(number, times):
                    self._stop.end(signal.Signals(number))

    def _is_handled(self, number: int, times: int) -> bool:
        """Whether the main thread has handled the signal that many times, after waiting up to HANDLING seconds."""
        until = time.monotonic() + HANDLING
        by_main_thread = self._deliveries.by_main_thread
        while by_main_thread[number] < times and time.monotonic() < until:
            time.sleep(HANDLING / 10)
        return by_main_thread[number] >= times

    def _read(self, deadline: float | None) -> bytes:
        """The numbers of the signals received; none after the deadline."""
        poll = select.poll()
        poll.register(self._read_end, select.POLLIN)
        left = None if deadline is None else max(0.0, deadline - time.monotonic()) * 1000
        return os.read(self._read_end, 64) if poll.poll(left) else b""
