"""Signal handling while there is nothing to finish: the program ends at once."""

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
    """Installs handlers for signals that Python leaves to the kernel, where the kernel's default is wrong."""
    if signal.getsignal(signal.SIGHUP) is not signal.SIG_IGN:  # nohup
        signal.signal(signal.SIGHUP, _hung_up)
    if os.getpid() == 1:
        # For PID 1 of a container, the kernel has no default action for this signal.
        signal.signal(signal.SIGTERM, lambda *_: os._exit(ExitCode.DONE))
    # The entry point of the images has blocked it until now.
    signal.pthread_sigmask(signal.SIG_UNBLOCK, {signal.SIGTERM})


def _hung_up(_number: int, _frame: FrameType | None) -> None:
    """Exits through Python, so that temporary folders are removed."""
    raise SystemExit(ExitCode.HUNG_UP)


def say(words: str, *, below_caret: bool = True) -> None:
    """Writes one line to standard error, even in the middle of another; `below_caret` if a terminal shows ^C there.

    Does not wait for a blocked standard error.
    """
    start = "\n" if below_caret and sys.stderr.isatty() else ""
    with contextlib.suppress(OSError, ValueError):
        if select.select([], [2], [], 0)[1]:
            os.write(2, f"{start}{clean(words)}\n".encode())
