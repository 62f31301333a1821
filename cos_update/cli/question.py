"""Questions to the person at the terminal."""

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
    """Whether the answer is yes; no answer means no, and one that is neither is asked for again.

    Raises click.Abort when no answer can come any more (Ctrl-D), and what the handlers of signals raise.
    """
    while True:
        echo(f"{question} [y/N]: ", nl=False)
        answer = _line()
        if answer in _ANSWERS:
            return _ANSWERS[answer]
        echo("Please answer y or n.")


def _line() -> str:
    """The next line of standard input.

    Not by `input`, which first looks for signals and then reads: one that comes in between, as a Ctrl-C just when the
    question is seen, would be noticed after the next line only.
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
    except OSError:  # it has gone away
        return b""


@contextmanager
def _signals() -> Iterator[int]:
    """A descriptor that can be read once a signal has come that Python handles; for the main thread."""
    ours, theirs = os.pipe2(os.O_NONBLOCK | os.O_CLOEXEC)
    former = signal.set_wakeup_fd(theirs)
    try:
        yield ours
    finally:
        signal.set_wakeup_fd(former)
        os.close(ours)
        os.close(theirs)
