"""What every round of the listener's work shares: what it knows, how it posts, and how it ends.

What is posted comes from the same desired state, delta and apply as a bulk pass; only the reading is narrower.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Collection, Iterable, Mapping
from dataclasses import dataclass
from enum import StrEnum

from cos_update.listener.index import Shown
from cos_update.model.concertim import Actual
from cos_update.model.events import Key
from cos_update.model.openstack import Inventory, Project
from cos_update.observability.observer import Watcher
from cos_update.openstack.single_objects import ObjectReader
from cos_update.planning.deletions import Scope
from cos_update.planning.desired import desired_state
from cos_update.planning.plan import Lane
from cos_update.planning.planner import Rules, make_plan, suspects
from cos_update.sync.cache_policy import origins
from cos_update.sync.executor import Applied, Result
from cos_update.sync.reconciler import Sight, Tools, post

Tasks = Mapping[Key, Collection[Key]]
"""By stack what is dirty: objects of it, or (its own key) whatever it holds."""


class Fate(StrEnum):
    """What became of a key's round."""

    DONE = "done"
    AGAIN = "again"
    """The rack was not as we knew it: the same again, at once."""
    FAILED = "failed"
    """One of both sides gave no usable answer: the same again, later."""
    RESYNC = "resync"
    """It takes a whole pass."""


@dataclass(frozen=True, slots=True)
class Ending:
    """The end of a round for one key: `to` are the stacks that its work went over to.

    `unsettled` tells that OpenStack is still at work on something of it; `unsure`, that Concertim may show something
    else than we know.
    """

    fate: Fate = Fate.DONE
    reason: str = ""
    to: tuple[Key, ...] = ()
    unsettled: bool = False
    unsure: bool = False


Endings = dict[Key, Ending]


@dataclass(frozen=True, slots=True)
class Means:
    """What a round works with; `synced` gives what Concertim shows, with all that was posted up to now."""

    tools: Tools
    objects: ObjectReader
    synced: Callable[[], Shown]
    stop: threading.Event
    watcher: Watcher

    def look(
        self, project: Project, inventory: Inventory, shown: Shown, actual: Actual, stacks: Iterable[str]
    ) -> Sight:
        """The plan for the racks of these stacks, absences confirmed."""
        settings = self.tools.settings
        rules = Rules(
            max_deletes=settings.max_deletes,
            default_rack_height=self.tools.concertim_settings.default_rack_height,
            out_of=shown.managed(),
        )
        scope = Scope(frozenset({project.id}), frozenset(stacks))
        desired = desired_state(inventory, actual, self.tools.concertim_settings.order_id)
        missing = suspects(desired, actual, inventory, rules, scope)
        verdicts = self.objects.confirm(missing) if missing else {}
        plan = make_plan(desired, actual, inventory, verdicts, rules, scope)
        return Sight(inventory, actual, plan, shown.seq, origins(inventory))

    def post(self, sight: Sight) -> Applied:
        """Carries out the plan of `sight`."""
        return post(self.tools, sight, self.stop, self.watcher.outcome)


def endings(applied: Applied, lanes: Iterable[Lane]) -> dict[str, Ending]:
    """How the round ended for the stacks of these lanes, by stack id.

    What Concertim refuses is done with: it has been told, and the next pass tries it again.
    """
    unanswered = {
        outcome.action.openstack_id: outcome.reason
        for outcome in applied.outcomes
        if outcome.result in (Result.FAILED, Result.SKIPPED)
    }
    found = {}
    for lane in lanes:
        reasons = [unanswered[a.openstack_id] for a in lane.actions if a.openstack_id in unanswered]
        if lane.stack_id in applied.stale:
            found[lane.stack_id] = Ending(Fate.AGAIN, f"rack {lane.rack_name} has changed meanwhile", unsure=True)
        elif reasons:
            found[lane.stack_id] = Ending(Fate.FAILED, reasons[0], unsure=True)
    return found
