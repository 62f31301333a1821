"""Rich consoles for standard output: their width, and what they can display."""

from __future__ import annotations

import shutil
import sys
from collections.abc import Iterator

from rich.console import Console, ConsoleOptions, RenderableType
from rich.segment import Segment

from cos_update.cli.output.encoding import clean

_NO_LIMIT = 100_000
"""Width of output that is not a terminal: what a script reads is never cut."""


class _Console(Console):
    """Lets only its own styles act on the terminal, whatever the texts contain."""

    def render(self, renderable: RenderableType, options: ConsoleOptions | None = None) -> Iterator[Segment]:
        """Rich's rendering, with every control character in a text replaced by a visible one."""
        for segment in super().render(renderable, options):
            text = segment.text
            if segment.control or text.isprintable() or text == "\n":
                yield segment
            else:
                yield Segment("\n".join(map(clean, text.split("\n"))), segment.style)


def console() -> Console:
    """A console on standard output, in colour on terminals only; markup in texts is not interpreted."""
    return _console(None)


def console_for_tables(*, wide: bool = False) -> Console:
    """As `console`, but of unlimited width if standard output is not a terminal or with `wide`."""
    if wide:
        return _Console(width=_NO_LIMIT, highlight=False, markup=False, emoji=False)
    return _console(_NO_LIMIT)


def _console(width_of_pipes: int | None) -> Console:
    if not sys.stdout.isatty():
        return _Console(width=width_of_pipes, highlight=False, markup=False, emoji=False)
    # Rich assumes 80 columns for every terminal without cursor control (TERM=dumb).
    width, height = shutil.get_terminal_size()
    return _Console(width=width, height=height, highlight=False, markup=False, emoji=False)
