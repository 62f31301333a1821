"""Makes the plan that turns the actual state into the desired state.

The plan is self-contained: it fixes all names and positions, so that Concertim has no reason to reject anything,
whatever the order in which racks are posted.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

from cos_update.model.absence import AbsenceCheck
from cos_update.model.concertim import MAX_RACK_HEIGHT, Actual, Owner
from cos_update.model.events import Key
from cos_update.model.kinds import ResourceKind
from cos_update.model.openstack import Inventory
from cos_update.planning.deletions import Deletions, Scope, review_deletions, too_many
from cos_update.planning.desired import Desired, DesiredRack
from cos_update.planning.matching import Matches, match
from cos_update.planning.names import RACK_NAME, Rename, Wish, assign, in_order
from cos_update.planning.plan import Action, Plan, RackPlan, Verb
from cos_update.planning.rack_plan import PlanContext, plan_rack, plan_rack_removal
from cos_update.planning.stored import Memory, with_notices
from cos_update.planning.template_plan import plan_templates


@dataclass(frozen=True, slots=True)
class Rules:
    """Settings and permissions for a plan. `max_deletes` is in percent, heights are in rack units.

    `out_of` is the total number of managed objects, if only a part of Concertim is compared: a deleted stack with all
    its servers would be a hundred percent of its rack.
    """

    max_deletes: float = 30.0
    allow_deletes: bool = False
    prune_unwatched: bool = False
    default_rack_height: int = 42
    out_of: int | None = None


EVERYTHING = Scope()


def unconfirmed_deletions(
    desired: Desired, actual: Actual, inventory: Inventory, rules: Rules, scope: Scope = EVERYTHING
) -> tuple[Key, ...]:
    """The objects whose absence must be confirmed individually before `make_plan` may remove anything."""
    matches = match(desired, actual)
    prune = rules.prune_unwatched
    return review_deletions(desired, actual, matches, inventory, {}, scope, prune_unwatched=prune).asked


def make_plan(
    desired: Desired,
    actual: Actual,
    inventory: Inventory,
    absence_checks: Mapping[Key, AbsenceCheck],
    rules: Rules,
    scope: Scope = EVERYTHING,
    past: Actual | None = None,
    dropped: Memory | None = None,
) -> Plan:
    """The plan that makes Concertim match the desired state, within `scope`.

    `past` is a former state of Concertim: objects that are gone since and must be recreated keep other writers' values.
    `dropped` are values that Concertim has accepted before but not stored.
    """
    matches = match(desired, actual)
    deletions = review_deletions(
        desired, actual, matches, inventory, absence_checks, scope, prune_unwatched=rules.prune_unwatched
    )
    excess = None if rules.allow_deletes else too_many(deletions, actual, scope, rules.max_deletes, rules.out_of)
    kept_back = deletions if excess else Deletions()
    if excess:
        deletions = Deletions(notices=deletions.notices)
    dropped = dropped or {}
    context = _with_former(replace(_context(desired, actual, matches, deletions, rules), dropped=dropped), actual, past)
    rack_plans, first = _rack_plans(context, actual, scope)
    leaving = {
        a.concertim_id for rack_plan in rack_plans for a in rack_plan.actions if a.verb is Verb.REMOVE and a.device
    }
    sweep = scope.is_everything
    templates = plan_templates(
        desired,
        actual,
        matches,
        deletions.templates,
        leaving,
        sweep=sweep,
        dropped=dropped,
        renames_others=not scope.is_shared,
    )
    plan = Plan(
        templates=templates.actions,
        first=first,
        rack_plans=rack_plans,
        last=templates.removals,
        notices=(*desired.notices, *templates.notices, *([excess] if excess else [])),
        held=_held(kept_back, actual),
        in_step=_in_step(desired, rack_plans, scope),
    )
    return with_notices(plan, dropped, actual)


def _context(desired: Desired, actual: Actual, matches: Matches, deletions: Deletions, rules: Rules) -> PlanContext:
    return PlanContext(
        desired=desired,
        matches=matches,
        deletions=deletions,
        flavour=actual.flavour,
        default_height=min(max(rules.default_rack_height, 1), MAX_RACK_HEIGHT),
        homes={device.object_id: rack.stack_id for rack in desired.racks.values() for device in rack.devices},
    )


def _with_former(context: PlanContext, actual: Actual, past: Actual | None) -> PlanContext:
    if past is None:
        return context
    return replace(
        context,
        former_devices={d.object_id: d for d in past.devices.values() if d.object_id and d.id not in actual.devices},
        former_racks={r.stack_id: r for r in past.racks.values() if r.stack_id and r.id not in actual.racks},
    )


def _rack_plans(context: PlanContext, actual: Actual, scope: Scope) -> tuple[tuple[RackPlan, ...], tuple[Action, ...]]:
    wanted = [rack for rack in context.desired.racks.values() if scope.covers(rack.project_id, rack.stack_id)]
    removal_plans = _removal_plans(context, actual, scope)
    names = _rack_names(context, actual, wanted, removal_plans)
    order_ids = _order_ids(context, actual, wanted)
    rack_plans = [
        *(plan_rack(context, rack, names[rack.stack_id], order_ids.get(rack.stack_id, "")) for rack in wanted),
        *removal_plans,
    ]
    rack_plans.sort(
        key=lambda rack_plan: (rack_plan.owner_name, rack_plan.rack_name, rack_plan.stack_id, rack_plan.rack_id)
    )
    first = _out_of_the_way(rack_plans)
    return _after(rack_plans, {action.concertim_id for action in first}), first


def _removal_plans(context: PlanContext, actual: Actual, scope: Scope) -> list[RackPlan]:
    """The plans of racks whose stack is gone, or which duplicate another rack of their stack."""
    rack_plans = []
    for rack in sorted(actual.racks.values(), key=lambda r: r.id):
        owner = actual.owners.get(rack.owner_id) or Owner(rack.owner_id, "", "")
        if not scope.covers(owner.project_id, rack.stack_id):
            continue
        if not rack.stack_id:
            rack_plans.append(plan_rack_removal(context, rack, owner, None))
            continue
        wanted = context.desired.racks.get(rack.stack_id)
        stays = context.matches.racks[rack.stack_id]
        if wanted is None:
            rack_plans.append(plan_rack_removal(context, rack, owner, None))
        elif stays.id != rack.id and wanted.name is not None:
            rack_plans.append(
                plan_rack_removal(context, rack, owner, f"rack {stays.name} ({stays.id}) is of the same stack")
            )
    return [rack_plan for rack_plan in rack_plans if rack_plan.actions or rack_plan.notices]


def _rack_names(
    context: PlanContext, actual: Actual, wanted: Sequence[DesiredRack], removal_plans: Sequence[RackPlan]
) -> dict[str, str]:
    """Names by stack id, unique within each owner."""
    ends = {
        rack_plan.rack_id
        for rack_plan in removal_plans
        if any(a.kind is ResourceKind.STACK and a.verb is Verb.REMOVE for a in rack_plan.actions)
    }
    named: dict[str, str] = {}
    moving: set[str] = set()
    wishes: dict[str, list[Wish]] = defaultdict(list)
    for rack in wanted:
        current = context.matches.racks.get(rack.stack_id)
        if rack.name is None:
            named[rack.stack_id] = current.name if current else rack.stack_id
            continue
        wish = Wish(rack.stack_id, rack.name, current=current.name if current else "")
        wishes[current.owner_id if current else rack.owner.id].append(wish)
        if current:
            moving.add(current.id)
    taken: dict[str, set[str]] = defaultdict(set)
    for there in actual.racks.values():
        if there.id not in ends and there.id not in moving:
            taken[there.owner_id].add(there.name)
    for owner_id, wished in wishes.items():
        named.update(assign(wished, taken[owner_id], RACK_NAME))
    return named


def _order_ids(context: PlanContext, actual: Actual, wanted: Sequence[DesiredRack]) -> dict[str, str]:
    """Order ids for new racks, and for racks that lack one from billing, unique across all owners.

    If the desired one is in use, it is the stack's id instead; but if order ids come from billing, it is none rather
    than a wrong one.
    """
    taken = {rack.order_id for rack in actual.racks.values()}
    chosen: dict[str, str] = {}
    for rack in sorted(wanted, key=lambda r: r.stack_id):
        if there := context.matches.racks.get(rack.stack_id):
            if rack.completes_order_id and rack.order_id and not there.order_id and rack.order_id not in taken:
                chosen[rack.stack_id] = rack.order_id
                taken.add(rack.order_id)
            continue
        is_billed = rack.order_id is None or rack.completes_order_id
        former = context.former_racks.get(rack.stack_id)
        order_id = next(
            (
                candidate
                for candidate in (
                    former.order_id if former else "",
                    rack.order_id,
                    *(() if is_billed else (f"{rack.stack_id}{n}" for n in ("", *_numbers(len(taken))))),
                )
                if candidate and candidate not in taken
            ),
            "",
        )
        if order_id:
            chosen[rack.stack_id] = order_id
            taken.add(order_id)
    return chosen


def _numbers(count: int) -> list[str]:
    return [f"-{number}" for number in range(2, count + 3)]


def _out_of_the_way(rack_plans: Sequence[RackPlan]) -> tuple[Action, ...]:
    """Renames that must come first, because racks of one owner swap names in a cycle."""
    by_owner: dict[str, list[tuple[Rename, Action]]] = defaultdict(list)
    for rack_plan in rack_plans:
        for action in rack_plan.actions:
            if action.kind is ResourceKind.STACK and action.new_name is not None:
                rename = Rename(action.concertim_id, action.name, action.new_name)
                by_owner[rack_plan.owner_id].append((rename, action))
    parked = []
    for renamings in by_owner.values():
        actions = {rename.object_id: action for rename, action in renamings}
        first, _ = in_order([rename for rename, _ in renamings])
        parked += [actions[rename.object_id].renaming_only(rename.new) for rename in first]
    return tuple(parked)


def _after(rack_plans: Sequence[RackPlan], parked: set[str]) -> tuple[RackPlan, ...]:
    """Makes each rack wait for the one that frees the name that it takes."""
    freed: dict[tuple[str, str], str] = {}
    takes: dict[str, tuple[str, str]] = {}
    for rack_plan in rack_plans:
        for action in rack_plan.actions:
            if action.kind is not ResourceKind.STACK:
                continue
            owner_id = rack_plan.owner_id
            if action.verb is Verb.CREATE:
                takes[rack_plan.key] = (owner_id, action.name)
            elif action.verb is Verb.REMOVE:
                freed[owner_id, action.name] = rack_plan.key
            elif action.new_name is not None:
                takes[rack_plan.key] = (owner_id, action.new_name)
                if action.concertim_id not in parked:
                    freed[owner_id, action.name] = rack_plan.key
    waits = {key: freed[name] for key, name in takes.items() if name in freed and freed[name] != key}
    return tuple(
        replace(rack_plan, after=frozenset({waits[rack_plan.key]})) if rack_plan.key in waits else rack_plan
        for rack_plan in rack_plans
    )


def _held(deletions: Deletions, actual: Actual) -> tuple[Action, ...]:
    devices = (actual.devices[item] for item in deletions.devices)
    racks = (actual.racks[item] for item in deletions.racks)
    templates = (actual.templates[item] for item in deletions.templates)
    return (
        *(Action(Verb.REMOVE, d, why=deletions.devices[d.id], rack_name=actual.racks[d.rack_id].name) for d in devices),
        *(Action(Verb.REMOVE, r, why=deletions.racks[r.id]) for r in racks),
        *(Action(Verb.REMOVE, t, why=deletions.templates[t.id]) for t in templates),
    )


def _in_step(desired: Desired, rack_plans: Sequence[RackPlan], scope: Scope) -> int:
    """The number of racks and devices that are up to date."""
    wanted = {rack.stack_id for rack in desired.racks.values() if scope.covers(rack.project_id, rack.stack_id)}
    wanted |= {d.object_id for s in tuple(wanted) for d in desired.racks[s].devices}
    touched = {a.openstack_id for rack_plan in rack_plans for a in rack_plan.actions}
    touched |= {n.openstack_id for rack_plan in rack_plans for n in rack_plan.notices if n.leaves_work}
    unshown = {rack_plan.stack_id for rack_plan in rack_plans if not rack_plan.rack_id and not rack_plan.new}
    touched |= unshown.union(d.object_id for s in unshown & desired.racks.keys() for d in desired.racks[s].devices)
    return len(wanted - touched)
