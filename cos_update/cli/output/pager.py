"""Pages output that is longer than the terminal, as git and systemctl do."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

import click

if TYPE_CHECKING:
    from rich.console import Console

_ROOM_FOR_THE_PROMPT = 1


@contextmanager
def paged(out: Console, *, wanted: bool = True) -> Iterator[None]:
    """Collects the output within the context, and shows it with `PAGER` if it does not fit the terminal."""
    if not (wanted and sys.stdout.isatty() and sys.stdin.isatty()):
        yield
        return
    with out.capture() as captured:
        yield
    text = captured.get()
    if text.count("\n") + _ROOM_FOR_THE_PROMPT > out.height:
        click.echo_via_pager(text)
    else:
        click.echo(text, nl=False, color=True)
