"""How far a reading is, for whoever watches it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Progress:
    """What was read of one service (`side`, as people call it) up to now, in objects."""

    side: str
    count: int
    of: int | None = None
    """How many there will be, as far as that is known."""
    is_over: bool = False
    has_gaps: bool = False
    """Whether some of it could not be read."""


OnProgress = Callable[[Progress], None]
"""Is told of progress, from any thread; must be quick and must not raise."""


def no_progress(_: Progress) -> None:
    """For readings that nobody watches."""
