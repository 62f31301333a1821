"""Where devices stand: instances and volumes from the bottom, networks from the top, first fit, never overlapping.

The app checks only a device's first unit for occupation and lets a tall one cover its neighbour, so the whole
check is ours.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence, Set
from dataclasses import dataclass, replace

from cos_update.model.concertim import MAX_RACK_HEIGHT


@dataclass(frozen=True, slots=True)
class Item:
    """A device to be placed: its height in rack units, and the unit that it should keep if it can."""

    key: str
    height: int
    from_top: bool = False
    preferred: int | None = None


@dataclass(frozen=True, slots=True)
class Placement:
    """The best height for the rack, the lowest unit of each placed item, and what fits nowhere."""

    height: int
    starts: Mapping[str, int]
    unplaced: tuple[str, ...]
    free: int
    """Units still free in a rack of that height."""


def place(height: int, occupied: Iterable[int], items: Sequence[Item], limit: int = MAX_RACK_HEIGHT) -> Placement:
    """Places `items` in the order given into a rack of `height` units of which some are `occupied`.

    Those that want to keep their place come first. The rack grows only when that places more, and no more than
    that needs, up to `limit`. What was left out at one height may fit when the rack has grown for others, so it is
    tried until nothing more fits: placing the rest again would change nothing.
    """
    taken = set(occupied)
    waiting = sorted(items, key=lambda item: item.preferred is None)
    starts: dict[str, int] = {}
    while True:
        found = _grow(height, taken, waiting, limit)
        starts.update(found.starts)
        if not found.starts or not found.unplaced:
            return replace(found, starts=starts)
        height = found.height
        for item in waiting:
            if start := found.starts.get(item.key):
                taken.update(range(start, start + item.height))
        waiting = [item for item in waiting if item.key in found.unplaced]


def _grow(height: int, occupied: Set[int], items: Sequence[Item], limit: int) -> Placement:
    """The lowest rack that takes as many of `items` as one of `limit` units does."""
    here = _fill(height, occupied, items)
    if not here.unplaced or height >= limit:
        return here
    most = len(_fill(limit, occupied, items).starts)
    if most <= len(here.starts):
        return here
    return next(
        grown
        for grown in (_fill(candidate, occupied, items) for candidate in range(height + 1, limit + 1))
        if len(grown.starts) >= most
    )


def _fill(height: int, occupied: Set[int], items: Sequence[Item]) -> Placement:
    free = [unit not in occupied for unit in range(1, height + 1)]
    starts: dict[str, int] = {}
    unplaced: list[str] = []
    for item in items:
        start = _find(free, item)
        if start is None:
            unplaced.append(item.key)
        else:
            starts[item.key] = start
            free[start - 1 : start - 1 + item.height] = [False] * item.height
    return Placement(height, starts, tuple(unplaced), sum(free))


def _find(free: list[bool], item: Item) -> int | None:
    last = len(free) - item.height + 1
    if item.preferred is not None and 1 <= item.preferred <= last and _fits(free, item.preferred, item.height):
        return item.preferred
    candidates = range(last, 0, -1) if item.from_top else range(1, last + 1)
    return next((start for start in candidates if _fits(free, start, item.height)), None)


def _fits(free: list[bool], start: int, height: int) -> bool:
    return all(free[start - 1 : start - 1 + height])
