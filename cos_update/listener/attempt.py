"""The context and the results of attempts at a key.

Attempts use the same planner and executor as a bulk pass; they only read less.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Collection, Iterable, Mapping
from dataclasses import dataclass
from enum import StrEnum

from cos_update.listener.index import StateIndex
from cos_update.model.concertim import Actual
from cos_update.model.events import Key
from cos_update.model.openstack import Inventory
from cos_update.observability.observer import Observer
from cos_update.openstack.single_objects import ObjectReader
from cos_update.planning.deletions import Scope
from cos_update.planning.outcome import Applied, Result
from cos_update.planning.plan import RackPlan
from cos_update.planning.planner import Rules
from cos_update.store import Origin
from cos_update.sync.apply import apply
from cos_update.sync.cache_policy import origins
from cos_update.sync.plan_maker import PlanMaker
from cos_update.sync.services import Services, Snapshot

Tasks = Mapping[Key, Collection[Key]]
"""Stack -> its dirty keys: members, or its own key for all of them."""


class WorkOutcome(StrEnum):
    """How an attempt at a key ended."""

    DONE = "done"
    AGAIN = "again"
    """The rack was not in the state that we expected: retry at once."""
    FAILED = "failed"
    """One side gave no usable response: retry later."""
    RESYNC = "resync"
    """It needs a full pass."""


@dataclass(frozen=True, slots=True)
class WorkResult:
    """The result of an attempt at one key: `to` are the stacks that its work passed to.

    `unsettled`: OpenStack is still changing some of its objects; `needs_reread`: Concertim may be in a state that we
    do not know.
    """

    outcome: WorkOutcome = WorkOutcome.DONE
    reason: str = ""
    to: tuple[Key, ...] = ()
    unsettled: bool = False
    needs_reread: bool = False


WorkResults = dict[Key, WorkResult]


@dataclass(frozen=True, slots=True)
class WorkContext:
    """The context of an attempt; `synced` returns the state of Concertim with everything posted up to now."""

    services: Services
    objects: ObjectReader
    synced: Callable[[], StateIndex]
    stop: threading.Event
    observer: Observer

    def plan(self, inventory: Inventory, index: StateIndex, actual: Actual, scope: Scope) -> Snapshot:
        """The plan for `scope`, with absences confirmed."""
        settings = self.services.concertim_settings
        rules = Rules(
            max_deletes=self.services.settings.max_deletes,
            default_rack_height=settings.default_rack_height,
            out_of=index.managed(self.services.shards),
        )
        orders = self.services.orders
        find_orders = orders.find if orders else None
        planner = PlanMaker(inventory, rules, scope, self.objects.confirm, settings.order_id, find_orders)
        actual, plan = planner.plan(actual, dropped=index.dropped)
        return Snapshot(inventory, actual, plan, index.seq, self._origins(planner.inventory))

    def _origins(self, inventory: Inventory) -> Mapping[str, Origin]:
        """The origins of the objects read, as the memory keeps them."""
        return origins(inventory, dated=self.services.store.layout.is_shared())

    def apply(self, snapshot: Snapshot) -> Applied:
        """Posts the snapshot's plan."""
        return apply(self.services, snapshot, self.stop, self.observer.outcome)


def results(applied: Applied, rack_plans: Iterable[RackPlan]) -> dict[str, WorkResult]:
    """The results for the stacks of these racks, by stack id.

    Actions that Concertim rejects count as done: they are logged, and the next pass retries them.
    """
    unanswered = {
        outcome.action.openstack_id: outcome.reason
        for outcome in applied.outcomes
        if outcome.result in (Result.FAILED, Result.SKIPPED)
    }
    found = {}
    for rack_plan in rack_plans:
        reasons = [unanswered[a.openstack_id] for a in rack_plan.actions if a.openstack_id in unanswered]
        if rack_plan.stack_id in applied.stale:
            found[rack_plan.stack_id] = WorkResult(
                WorkOutcome.AGAIN, f"rack {rack_plan.rack_name} has changed meanwhile", needs_reread=True
            )
        elif reasons:
            found[rack_plan.stack_id] = WorkResult(WorkOutcome.FAILED, reasons[0], needs_reread=True)
    return found
