"""Places devices in racks: instances and volumes from the bottom, networks from the top, first fit, without overlaps.

The app checks only a device's first unit and lets a tall one overlap its neighbour, so we check all units.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence, Set
from dataclasses import dataclass, replace

from cos_update.model.concertim import MAX_RACK_HEIGHT


@dataclass(frozen=True, slots=True)
class Item:
    """A device to be placed: its height in rack units, and the unit that it should keep if possible."""

    key: str
    height: int
    from_top: bool = False
    preferred: int | None = None


@dataclass(frozen=True, slots=True)
class Placement:
    """The best height for the rack, the lowest unit of each placed item, and the items that do not fit."""

    height: int
    starts: Mapping[str, int]
    unplaced: tuple[str, ...]
    free: int
    """Free units in a rack of that height."""


def place(height: int, occupied: Iterable[int], items: Sequence[Item], limit: int = MAX_RACK_HEIGHT) -> Placement:
    """Places `items` in the given order into a rack of `height` units, some of which are `occupied`.

    Items with a unit to keep come first. The rack grows only if that places more items, and only as far as necessary,
    up to `limit`. Items that do not fit at one height may fit after the rack has grown for others, so this repeats
    until nothing more fits: placing the rest again would change nothing.
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
    """The lowest rack that fits as many of `items` as one of `limit` units."""
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
