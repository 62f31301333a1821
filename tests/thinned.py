"""How many of all combinations a test tries in a normal run."""

from __future__ import annotations

import os
from collections.abc import Collection, Iterable
from typing import TypeVar

A = TypeVar("A")
B = TypeVar("B")


def thinned(rows: Iterable[A], columns: Collection[B], of: int) -> list[tuple[A, B]]:
    """One in `of` pairs of a row and a column, so that each has its turn; all if THOROUGH is set."""
    step = 1 if os.environ.get("THOROUGH") else of
    return [(a, b) for i, a in enumerate(rows) for j, b in enumerate(columns) if (i + j) % step == 0]
