"""Standard output: how wide it is, what it can show, and what happens when nobody reads it any more."""

from __future__ import annotations

import errno
import shutil
import sys

from rich.console import Console

_NO_LIMIT = 100_000
"""Columns of what is no terminal: what a script reads is never cut."""


class _Console(Console):
    def on_broken_pipe(self) -> None:
        """Leaves it to the program how it ends."""
        raise BrokenPipeError(errno.EPIPE, "Broken pipe")


def console() -> Console:
    """Standard output for colours, which it has on a terminal only; text is taken as it is, without markup.

    The width is asked for here, because rich takes any terminal without a cursor (TERM=dumb) for 80 columns wide.
    """
    width = shutil.get_terminal_size().columns if sys.stdout.isatty() else None
    return _Console(width=width, highlight=False, markup=False, emoji=False)


def console_for_tables() -> Console:
    """The same, but endlessly wide when it is no terminal."""
    width = shutil.get_terminal_size().columns if sys.stdout.isatty() else _NO_LIMIT
    return _Console(width=width, highlight=False, markup=False, emoji=False)
