"""How far a reading has come, for progress bars and heartbeats; a record, so that the readers know no observer."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Progress:
    """How many objects were read so far from one `side`: a service, as people call it, or Concertim."""

    side: str
    count: int
    of: int | None = None
    """How many there will be, as far as that is known."""
    is_over: bool = False
    has_gaps: bool = False
    """Whether some of it could not be read."""


OnProgress = Callable[[Progress], None]
"""Receives progress, from any thread; must return quickly and must not raise."""


def no_progress(_: Progress) -> None:
    """The callback of readings that nobody watches."""
