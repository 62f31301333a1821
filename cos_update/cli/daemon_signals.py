"""The signals that end nothing: SIGHUP of a daemon, and SIGQUIT and SIGUSR1 of whatever runs for long.

They are blocked in every thread, and one thread takes them in: a handler of Python's would wait for the main thread,
which may be just what hangs.
"""

from __future__ import annotations

import logging
import signal
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from cos_update.observability.threads import log_threads

_ASKING = frozenset({signal.SIGQUIT, signal.SIGUSR1})

_log = logging.getLogger("cos_update.signals")


def hold_back() -> None:
    """From now on these signals wait until `heeded` takes them. To be called before any thread is started."""
    signal.pthread_sigmask(signal.SIG_BLOCK, _ASKING | {signal.SIGHUP})


@contextmanager
def heeded(on_hangup: Callable[[], None] | None = None) -> Iterator[None]:
    """SIGQUIT and SIGUSR1 write the state of all threads into the log; SIGHUP calls `on_hangup`, if one is given.

    To be entered by the main thread before any other is started.
    """
    numbers = _ASKING | ({signal.SIGHUP} if on_hangup else set())
    former = signal.pthread_sigmask(signal.SIG_BLOCK, numbers)
    is_over = threading.Event()

    def take() -> None:
        while True:
            number = signal.sigwait(numbers)
            if is_over.is_set():
                return
            try:
                if on_hangup is not None and number == signal.SIGHUP:
                    on_hangup()
                else:
                    log_threads(signal.Signals(number).name)
            except Exception:
                _log.exception("%s could not be served", signal.Signals(number).name)

    thread = threading.Thread(target=take, name="signals", daemon=True)
    thread.start()
    try:
        yield
    finally:
        is_over.set()
        signal.pthread_kill(thread.ident or 0, signal.SIGUSR1)
        thread.join()
        signal.pthread_sigmask(signal.SIG_SETMASK, former)
