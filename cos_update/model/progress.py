"""The progress of a reading, for progress bars and heartbeats; a record, so that readers need not know observers."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Progress:
    """The number of objects read so far from one `side`: a service by name, or Concertim."""

    side: str
    count: int
    of: int | None = None
    """The total number, if known."""
    is_over: bool = False
    has_gaps: bool = False
    """Whether some of it could not be read."""


OnProgress = Callable[[Progress], None]
"""Receives progress, from any thread; must return quickly and must not raise."""


def no_progress(_: Progress) -> None:
    """A callback that ignores progress."""
