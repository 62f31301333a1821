"""A plan or a report as text: names first, aligned columns, nothing conveyed by colour alone."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from rich.cells import cell_len

from cos_update.cli.output.encoding import clean
from cos_update.cli.output.text import cut
from cos_update.planning.summary import Line, Section

if TYPE_CHECKING:
    from rich.console import Console

NAME_WIDTH = 20
KIND_WIDTH = 9
CELLS_WIDTH = 39
"""Maximum width of the details of a new object."""
ASIDE_COLUMN = 53
_SHORTEST = 8
"""Minimum width of a name, however narrow the terminal."""
STYLES = {"+": "green", "~": "yellow", "-": "red", "!": "bold magenta"}


@dataclass(frozen=True, slots=True)
class TextLine:
    """One line of output and its style on a terminal ("" for none)."""

    text: str
    style: str = ""


def show(out: Console, sections: Sequence[Section], *, wide: bool = False) -> None:
    """Prints the sections; a terminal gets colours, and names cut to its width unless `wide`."""
    if out.is_terminal and not wide:
        sections = tuple(_with_short_names(section, out.width, 0) for section in sections)
    for line in lines(sections, out.width):
        out.print(clean(line.text), style=line.style or None, soft_wrap=True)


def lines(sections: Sequence[Section], width: int, *, depth: int = 0) -> Iterator[TextLine]:
    """The sections as lines of at most `width` columns, unless names need more."""
    for section in sections:
        for text in _heading(section, width, depth):
            yield TextLine(text, "bold" if depth == 0 else "")
        for line in section.lines:
            yield from _object(line, width, depth + 1)
        yield from lines(section.sections, width, depth=depth + 1)


def _with_short_names(section: Section, width: int, depth: int) -> Section:
    room = max(width - 2 * depth, _SHORTEST)
    names = max(room - 5 - KIND_WIDTH, _SHORTEST)
    return replace(
        section,
        title=cut(section.title, room),
        aside=cut(section.aside, room - 4),
        lines=tuple(replace(line, name=cut(line.name, names)) for line in section.lines),
        sections=tuple(_with_short_names(each, width, depth + 1) for each in section.sections),
    )


def _heading(section: Section, width: int, depth: int) -> tuple[str, ...]:
    title = "  " * depth + section.title
    if not section.aside:
        return (title,)
    column = min(ASIDE_COLUMN, width - cell_len(section.aside))
    if cell_len(title) + 2 <= column:
        return (f"{_padded(title, column)}{section.aside}",)
    if cell_len(title) + 2 + cell_len(section.aside) <= width:
        return (f"{title}  {section.aside}",)
    return (title, f"{'  ' * (depth + 2)}{section.aside}")


def _padded(text: str, width: int) -> str:
    """The text padded to that width, wide characters counted as two."""
    return text + " " * (width - cell_len(text))


def _object(line: Line, width: int, depth: int) -> Iterator[TextLine]:
    style = STYLES.get(line.mark, "")
    head = f"{'  ' * depth}{line.mark} {line.kind.ljust(KIND_WIDTH)} {line.name}"
    column = 2 * depth + 3 + KIND_WIDTH + NAME_WIDTH + 1
    narrow = column + CELLS_WIDTH > width
    if narrow:
        column = 2 * depth + 4
    rows = list(_wrapped(line.rows, width - column))
    if line.cells:
        rows.insert(0, _cells(line.cells))
    if rows and not narrow and cell_len(head) < column:
        yield TextLine(f"{_padded(head, column)}{rows.pop(0)}".rstrip(), style)
    else:
        yield TextLine(head, style)
    for row in rows:
        yield TextLine(" " * column + row, style)


def _cells(cells: tuple[str, ...]) -> str:
    widths = (7, 14, 8)
    padded = (cell.ljust(width) for cell, width in zip(cells, (*widths, 0, 0), strict=False))
    return " ".join(padded).rstrip()


def _wrapped(rows: Iterable[str], width: int) -> Iterator[str]:
    for row in rows:
        line = ""
        for word in row.split(" "):
            if line and cell_len(line) + 1 + cell_len(word) > max(width, 20):
                yield line
                line = "  " + word
            else:
                line = f"{line} {word}" if line else word
        yield line
