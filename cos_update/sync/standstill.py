"""The last plan that changes nothing: it is reused for as long as both sides stay the same.

Planning is pure, so equal inputs give an equal plan. Unchanged records are the same objects from reading to reading,
which makes comparing the inputs far cheaper than planning.
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
    """The inputs of the plan and of the origins; `options` are the rules applied to them."""

    inventory: Inventory
    actual: Actual
    past: View
    options: tuple[object, ...]

    def is_same(self, other: Basis) -> bool:
        """Whether both give the same plan; it does not depend on when a reading began or on what devices have cost."""
        return (
            self.options == other.options
            and replace(self.inventory, began=0.0) == replace(other.inventory, began=0.0)
            and _is_same_actual(self.actual, other.actual)
            and _is_same_actual(self.past.actual, other.past.actual)
            and _are_same(self.past.former, other.past.former)
            and self.past.dropped == other.past.dropped
            # The origins of what could not be read come from the past view.
            and (not self.inventory.gaps or self.past.origins == other.past.origins)
        )


class Standstill:
    """The last basis whose plan changes nothing, with this plan and the origins."""

    def __init__(self) -> None:
        self._last: tuple[Basis, Plan, Mapping[str, Origin]] | None = None

    def of(self, basis: Basis) -> tuple[Plan, Mapping[str, Origin]] | None:
        """The plan and the origins of this basis, if it is the last one."""
        if self._last is None or not self._last[0].is_same(basis):
            return None
        self._last = (basis, *self._last[1:])
        return self._last[1:]

    def keep(self, basis: Basis, plan: Plan, origins: Mapping[str, Origin]) -> None:
        """Keeps a result that follows from this basis alone: planning asked for and read nothing more."""
        is_still = not plan.actions and not plan.held
        self._last = (basis, plan, origins) if is_still else None

    def forget(self) -> None:
        """Forgets the last basis."""
        self._last = None


def _is_same_actual(one: Actual, other: Actual) -> bool:
    return one is other or (
        (one.flavour, one.is_narrowed, one.owners, one.templates)
        == (other.flavour, other.is_narrowed, other.owners, other.templates)
        and _are_same(one.racks, other.racks)
        and _are_same(one.devices, other.devices)
    )


def _are_same(one: Mapping[str, R], other: Mapping[str, R]) -> bool:
    """Whether both hold equal records, with equal `known_as`, in the same order."""
    return len(one) == len(other) and all(
        item is there or (key == their_key and item == there and item.known_as == there.known_as)
        for (key, item), (their_key, there) in zip(one.items(), other.items(), strict=True)
    )
