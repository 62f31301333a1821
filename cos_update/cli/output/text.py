"""Cutting and padding by display width, and the colours of states."""

from __future__ import annotations

from rich.cells import cell_len, set_cell_size

STATE_STYLES = {
    "ACTIVE": "green",
    "AVAILABLE": "green",
    "IN_PROGRESS": "yellow",
    "STOPPED": "bright_black",
    "SUSPENDED": "blue",
    "FAILED": "bold red",
}


def cut(text: str, width: int, ellipsis: str = "…") -> str:
    """The text cut to at most `width` columns, wide characters counted as two."""
    if cell_len(text) <= width:
        return text
    room = width - cell_len(ellipsis)
    return set_cell_size(text, room).rstrip() + ellipsis if room > 0 else set_cell_size(text, max(width, 0))


def fit(text: str, width: int, ellipsis: str = "…") -> str:
    """The text cut or padded to exactly `width` columns."""
    short = cut(text, width, ellipsis)
    return short + " " * (width - cell_len(short))
