"""Selects a part of a plan: the actions on some racks, and those that they depend on.

Separate from the planner, which always considers everything, since names and removals depend on the whole.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable
from dataclasses import replace

from cos_update.model.concertim import Device, Rack
from cos_update.planning.plan import Action, Plan, RackPlan, Verb


def unknown_racks(plan: Plan, names: Iterable[str]) -> tuple[str, ...]:
    """The names that are not a rack of the plan: neither its name, nor its id, nor the id of its stack."""
    known = {word for rack_plan in plan.rack_plans for word in _words(rack_plan)}
    known.update(word for action in plan.held for word in _words_of_held(action))
    return tuple(name for name in names if name not in known)


def only_racks(plan: Plan, names: Collection[str]) -> Plan:
    """The plan limited to the racks with these names or ids, and to those that must free a name for them first.

    It creates or changes only templates that new devices of these racks need, and removes none.
    """
    kept = _with_predecessors(plan, {r.key for r in plan.rack_plans if _words(r).intersection(names)})
    rack_plans = tuple(rack_plan for rack_plan in plan.rack_plans if rack_plan.key in kept)
    ids = {rack_plan.rack_id for rack_plan in rack_plans if rack_plan.rack_id}
    flavors = {action.flavor_id for rack_plan in rack_plans for action in rack_plan.actions if action.flavor_id}
    return replace(
        plan,
        templates=tuple(a for a in plan.templates if a.verb is not Verb.REMOVE and a.openstack_id in flavors),
        first=tuple(action for action in plan.first if action.concertim_id in ids),
        rack_plans=rack_plans,
        last=(),
        held=tuple(action for action in plan.held if _words_of_held(action).intersection(names)),
    )


def only_devices(plan: Plan, statuses: Collection[str], types: Collection[str]) -> Plan:
    """The actions on devices with one of these (current or future) statuses and one of these types.

    Both are case-insensitive; an empty collection selects all. For display, not for posting.
    """
    wanted = {status.casefold() for status in statuses}

    def matches(action: Action) -> bool:
        if action.device is None or (types and action.device.kind.label not in types):
            return False
        status = action.payload.get("status")
        return not wanted or not wanted.isdisjoint({action.device.status.casefold(), str(status).casefold()})

    rack_plans = (replace(r, actions=tuple(filter(matches, r.actions)), notices=()) for r in plan.rack_plans)
    return replace(
        plan,
        templates=(),
        first=(),
        rack_plans=tuple(rack_plan for rack_plan in rack_plans if rack_plan.actions),
        last=(),
        notices=(),
        held=tuple(filter(matches, plan.held)),
    )


def _words(rack_plan: RackPlan) -> set[str]:
    return {rack_plan.rack_name, rack_plan.rack_id, rack_plan.stack_id} - {""}


def _words_of_held(action: Action) -> set[str]:
    """The names and ids of the rack of a held-back removal, which may have no rack plan."""
    match action.record:
        case Rack() as rack:
            return {rack.name, rack.id, rack.stack_id} - {""}
        case Device() as device:
            return {action.rack_name, device.rack_id} - {""}
    return set()


def _with_predecessors(plan: Plan, keys: set[str]) -> set[str]:
    """These rack plans, and all that must free a name before them."""
    plans = {rack_plan.key: rack_plan for rack_plan in plan.rack_plans}
    parked = {(plans[a.concertim_id].owner_id, a.name): a.concertim_id for a in plan.first if a.concertim_id in plans}
    found: set[str] = set()
    waiting = list(keys)
    while waiting:
        key = waiting.pop()
        if key not in plans or key in found:
            continue
        found.add(key)
        waiting.extend(plans[key].after)
        names = {a.new_name for a in plans[key].actions if a.concertim_id == key} - {None}
        waiting.extend(parked[key_of] for key_of in ((plans[key].owner_id, name) for name in names) if key_of in parked)
    return found
