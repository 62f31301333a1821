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
    """Standard output for colours, which it has on a terminal only; text is taken as it is, without markup."""
    return _console(None)


def console_for_tables(*, wide: bool = False) -> Console:
    """The same, but endlessly wide when it is no terminal, or when it is to be `wide`."""
    if wide:
        return _Console(width=_NO_LIMIT, highlight=False, markup=False, emoji=False)
    return _console(_NO_LIMIT)


def _console(width_of_pipes: int | None) -> Console:
    if not sys.stdout.isatty():
        return _Console(width=width_of_pipes, highlight=False, markup=False, emoji=False)
    # Rich takes every terminal without a movable cursor (TERM=dumb) for one of 80 columns.
    width, height = shutil.get_terminal_size()
    return _Console(width=width, height=height, highlight=False, markup=False, emoji=False)
