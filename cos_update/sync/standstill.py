"""The last planning after which nothing was to be done: as long as both sides stay as they were, it is not done again.

Planning is pure, so that what it was made from tells what comes of it. Records that have not changed are the same
objects from reading to reading, which makes the comparison far cheaper than the plan.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import TypeVar

from cos_update.model.concertim import Actual, Device, Rack
from cos_update.model.openstack import Inventory
from cos_update.planning.plan import Plan
from cos_update.store import Origin, View

R = TypeVar("R", Rack, Device)


@dataclass(frozen=True, slots=True)
class Basis:
    """What the plan and the origins of everything are made from; `options` are the rules of making them."""

    inventory: Inventory
    actual: Actual
    past: View
    options: tuple[object, ...]

    def is_same(self, other: Basis) -> bool:
        """Whether the same plan comes of both. When the readings began, and what devices have cost, is no matter."""
        return (
            self.options == other.options
            and replace(self.inventory, began=0.0) == replace(other.inventory, began=0.0)
            and _is_same_actual(self.actual, other.actual)
            and _is_same_actual(self.past.actual, other.past.actual)
            and _are_same(self.past.former, other.past.former)
            and self.past.dropped == other.past.dropped
            # What could not be read is taken from there.
            and (not self.inventory.gaps or self.past.origins == other.past.origins)
        )


class Standstill:
    """The last basis of which a plan came that changes nothing, and what else came of it."""

    def __init__(self) -> None:
        self._last: tuple[Basis, Plan, Mapping[str, Origin]] | None = None

    def of(self, basis: Basis) -> tuple[Plan, Mapping[str, Origin]] | None:
        """The plan and the origins that come of this basis, if they are known."""
        if self._last is None or not self._last[0].is_same(basis):
            return None
        self._last = (basis, *self._last[1:])
        return self._last[1:]

    def keep(self, basis: Basis, plan: Plan, origins: Mapping[str, Origin]) -> None:
        """Keeps what came of this basis alone: nothing that was asked for to make the plan, or read for it again."""
        is_still = not plan.actions and not plan.held
        self._last = (basis, plan, origins) if is_still else None

    def forget(self) -> None:
        """Keeps nothing."""
        self._last = None


def _is_same_actual(one: Actual, other: Actual) -> bool:
    return one is other or (
        (one.flavour, one.is_narrowed, one.owners, one.templates)
        == (other.flavour, other.is_narrowed, other.owners, other.templates)
        and _are_same(one.racks, other.racks)
        and _are_same(one.devices, other.devices)
    )


def _are_same(one: Mapping[str, R], other: Mapping[str, R]) -> bool:
    """Whether these are the same racks or devices, known as the same, by the same ids in the same order."""
    return len(one) == len(other) and all(
        item is there or (key == their_key and item == there and item.known_as == there.known_as)
        for (key, item), (their_key, there) in zip(one.items(), other.items(), strict=True)
    )
