"""Yes/no questions at the terminal."""

from __future__ import annotations

import os
import select
import signal
import sys
from collections.abc import Iterator
from contextlib import contextmanager

import click

from cos_update.cli.output.encoding import echo

_ANSWERS = {"y": True, "yes": True, "n": False, "no": False, "": False}


def agreed(question: str) -> bool:
    """Asks the question and returns whether the answer is yes; an empty answer means no, an invalid one asks again.

    Raises click.Abort at the end of input (Ctrl-D), and whatever signal handlers raise.
    """
    while True:
        echo(f"{question} [y/N]: ", nl=False)
        answer = _line()
        if answer in _ANSWERS:
            return _ANSWERS[answer]
        echo("Please answer y or n.")


def _line() -> str:
    """The next line of standard input.

    Not by `input`, which checks for signals before it reads: a signal in between, such as Ctrl-C just as the question
    appears, would be noticed only after the next line.
    """
    line = b""
    terminal = sys.stdin.fileno()
    with _signals() as signals:
        while not line.endswith(b"\n"):
            ready, _, _ = select.select([terminal, signals], [], [])
            if signals in ready:
                os.read(signals, 1024)
                continue
            piece = _read(terminal)
            if not piece:
                raise click.Abort
            line += piece
    return line.decode(errors="replace").strip().lower()


def _read(terminal: int) -> bytes:
    try:
        return os.read(terminal, 1024)
    except OSError:  # the terminal is gone
        return b""


@contextmanager
def _signals() -> Iterator[int]:
    """A descriptor that becomes readable when a signal arrives that Python handles; main thread only."""
    ours, theirs = os.pipe2(os.O_NONBLOCK | os.O_CLOEXEC)
    former = signal.set_wakeup_fd(theirs)
    try:
        yield ours
    finally:
        signal.set_wakeup_fd(former)
        os.close(ours)
        os.close(theirs)
