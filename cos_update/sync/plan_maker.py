"""Makes the plan from the state of both sides: computes the desired state, confirms absences, plans.

Separate from the planner, which is pure: only OpenStack can tell whether an object is really gone. Bulk and listener
both use it.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

from cos_update.model.absence import AbsenceCheck
from cos_update.model.concertim import Actual
from cos_update.model.events import Key
from cos_update.model.openstack import Inventory
from cos_update.openstack.stack_members import with_soft_deleted
from cos_update.planning.deletions import Scope
from cos_update.planning.desired import Desired, desired_state, without_order
from cos_update.planning.plan import Plan
from cos_update.planning.planner import Rules, make_plan, unconfirmed_deletions
from cos_update.planning.recognition import recognised, recognised_by_looks
from cos_update.planning.stored import Memory

Confirm = Callable[[Sequence[Key]], Mapping[Key, AbsenceCheck]]
"""Requests each object that is missing from a listing from OpenStack, by id."""

FindOrders = Callable[[Sequence[str]], Mapping[str, str]]
"""Finds the billing order ids of stacks, by stack id."""


class PlanMaker:
    """Makes plans for one reading of the cloud; checks each missing object once, however often it plans.

    `order_id` is the setting concertim.order_id; `find_orders` looks them up in billing, None if that is not used.
    """

    def __init__(
        self,
        inventory: Inventory,
        rules: Rules,
        scope: Scope,
        confirm: Confirm,
        order_id: str,
        find_orders: FindOrders | None = None,
    ) -> None:
        self.inventory = inventory
        """The inventory, with the servers that turned out to be soft-deleted."""
        self.rules = rules
        self.scope = scope
        self._confirm = confirm
        self._order_id = order_id
        self._find_orders = find_orders
        self.absence_checks: dict[Key, AbsenceCheck] = {}

    def plan(
        self,
        actual: Actual,
        *,
        past: Actual | None = None,
        former: Actual | None = None,
        dropped: Memory | None = None,
    ) -> tuple[Actual, Plan]:
        """`actual` with recognised objects, and the plan that makes it match the cloud.

        An object is recognised as ours by `past`, or by its appearance, if its metadata does not say so; not without
        `past`. `former` and `dropped` are as for `make_plan`, which calls the former `past`.
        """
        actual = actual if past is None else recognised(actual, self.inventory, past)
        desired = self._desired(actual)
        actual = actual if past is None else recognised_by_looks(actual, desired)
        needed = unconfirmed_deletions(desired, actual, self.inventory, self.rules, self.scope)
        if missing := [key for key in needed if key not in self.absence_checks]:
            self.absence_checks |= self._confirm(missing)
            self.inventory = with_soft_deleted(self.inventory, self.absence_checks.values())
            desired = self._desired(actual)
        plan = make_plan(desired, actual, self.inventory, self.absence_checks, self.rules, self.scope, former, dropped)
        return actual, plan

    def _desired(self, actual: Actual) -> Desired:
        if self._find_orders is None:
            return desired_state(self.inventory, actual, self._order_id)
        stacks = self.inventory.stacks
        wanted = [s for s in without_order(self.inventory, actual) if self.scope.covers(stacks[s].project_id, s)]
        return desired_state(self.inventory, actual, self._order_id, self._find_orders(wanted))
