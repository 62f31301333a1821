"""Standard output for people: how wide it is, and what it can show."""

from __future__ import annotations

import shutil
import sys
from collections.abc import Iterator

from rich.console import Console, ConsoleOptions, RenderableType
from rich.segment import Segment

from cos_update.cli.output.encoding import clean

_NO_LIMIT = 100_000
"""Columns of what is no terminal: what a script reads is never cut."""


class _Console(Console):
    """Lets nothing but its own styles act on the terminal, whatever is in the texts."""

    def render(self, renderable: RenderableType, options: ConsoleOptions | None = None) -> Iterator[Segment]:
        """As rich does it, with every control character in a text replaced by one that can be seen."""
        for segment in super().render(renderable, options):
            text = segment.text
            if segment.control or text.isprintable() or text == "\n":
                yield segment
            else:
                yield Segment("\n".join(map(clean, text.split("\n"))), segment.style)


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
