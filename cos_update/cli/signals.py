"""Signals while nothing is in hand that would have to be finished: the program ends at once."""

from __future__ import annotations

import contextlib
import os
import select
import signal
import sys
from types import FrameType

from cos_update.cli.output.encoding import clean
from cos_update.model.exit_codes import ExitCode


def begin() -> None:
    """Sees to the signals that Python leaves to the kernel, as far as the kernel does not do what is right."""
    if signal.getsignal(signal.SIGHUP) is not signal.SIG_IGN:  # nohup
        signal.signal(signal.SIGHUP, _hung_up)
    if os.getpid() == 1:
        # The kernel gives a container's first process no default action for this signal.
        signal.signal(signal.SIGTERM, lambda *_: os._exit(ExitCode.DONE))
    # The entry point of the images holds it back until here.
    signal.pthread_sigmask(signal.SIG_UNBLOCK, {signal.SIGTERM})


def _hung_up(_number: int, _frame: FrameType | None) -> None:
    """Folders that are for the time of a command only go with it."""
    raise SystemExit(ExitCode.HUNG_UP)


def say(words: str, *, below_caret: bool = True) -> None:
    """One line on standard error, even amid another; `below_caret` when a terminal shows ^C in the current one.

    A standard error that takes nothing more is not waited for.
    """
    start = "\n" if below_caret and sys.stderr.isatty() else ""
    with contextlib.suppress(OSError, ValueError):
        if select.select([], [2], [], 0)[1]:
            os.write(2, f"{start}{clean(words)}\n".encode())
