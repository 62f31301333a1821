"""Signals that do not end the process: SIGHUP for daemons, SIGQUIT and SIGUSR1 for anything long-running.

They are blocked in every thread and received by a dedicated one: a Python signal handler would wait for the main
thread, which may be the one that hangs.
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
    """Blocks these signals until `handling` receives them. Call it before any thread is started."""
    signal.pthread_sigmask(signal.SIG_BLOCK, _ASKING | {signal.SIGHUP})


@contextmanager
def handling(on_hangup: Callable[[], None] | None = None) -> Iterator[None]:
    """SIGQUIT and SIGUSR1 log the stacks of all threads; SIGHUP calls `on_hangup`, if given.

    To be entered by the main thread before any other thread is started.
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
                _log.exception("handling %s failed", signal.Signals(number).name)

    thread = threading.Thread(target=take, name="signals", daemon=True)
    thread.start()
    try:
        yield
    finally:
        is_over.set()
        signal.pthread_kill(thread.ident or 0, signal.SIGUSR1)
        thread.join()
        signal.pthread_sigmask(signal.SIG_SETMASK, former)
