"""A small vocabulary for small clouds and small Concertims, so that a row of a table is one or two lines.

The first letter of an OpenStack id says what it is: `i1` an instance, `v1` a volume, `n1` a network. Everything is in
project `p-a` of team `o-a` unless it says otherwise, in Concertim's ids as in OpenStack's.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

from cos_update.model.absence import AbsenceCheck, Presence
from cos_update.model.concertim import (
    OBJECT_ID,
    STACK_ID,
    Actual,
    ApiFlavour,
    Details,
    Device,
    InstanceDetails,
    Location,
    NetworkDetails,
    Owner,
    Rack,
    Template,
    VolumeDetails,
)
from cos_update.model.kinds import ResourceKind
from cos_update.model.openstack import (
    Flavor,
    Gap,
    Inventory,
    Network,
    Project,
    Server,
    Stack,
    StackContent,
    Volume,
)
from cos_update.planning.deletions import Scope
from cos_update.planning.desired import desired_state
from cos_update.planning.plan import Action, Plan, Verb
from cos_update.planning.planner import EVERYTHING, Rules, make_plan, unconfirmed_deletions

DEFAULTS = Rules()
SMALL = Flavor("small", "m1.small", 1, 512, 10)
LARGE = Flavor("large", "m1.large", 8, 8192, 80)
TEAM_A, TEAM_B = Owner("o-a", "team a", "p-a"), Owner("o-b", "team b", "p-b")
TEMPLATES = (
    Template("t-small", "m1.small", 1, "small", 1, 512, 10),
    Template("t-network", "network", 1, tag="network"),
    Template("t-volume", "volume", 2, tag="volume"),
)
TYPES: Mapping[str, tuple[ResourceKind, str, Details]] = {
    "i": (ResourceKind.SERVER, "t-small", InstanceDetails()),
    "v": (ResourceKind.VOLUME, "t-volume", VolumeDetails()),
    "n": (ResourceKind.NETWORK, "t-network", NetworkDetails()),
}


@dataclass(frozen=True)
class InStack:
    """A stack with what is in it."""

    stack: Stack
    content: StackContent | None
    members: tuple[Server | Volume | Network, ...]


@dataclass(frozen=True)
class InRack:
    """A rack with the devices in it."""

    rack: Rack
    devices: tuple[Device, ...]


def server(item: str = "i1", **fields: Any) -> Server:
    return Server(
        **{"id": item, "project_id": "p-a", "name": item, "vm_state": "active", "flavor_id": "small"} | fields
    )


def volume(item: str = "v1", **fields: Any) -> Volume:
    return Volume(**{"id": item, "project_id": "p-a", "name": item, "status": "in-use", "size": 5} | fields)


def network(item: str = "n1", **fields: Any) -> Network:
    return Network(**{"id": item, "project_id": "p-a", "name": item, "status": "ACTIVE"} | fields)


def openstack_object(item: str, **fields: Any) -> Server | Volume | Network:
    return {"i": server, "v": volume, "n": network}[item[0]](item, **fields)


def stack(
    item: str, *members: str | Server | Volume | Network, whole: bool = True, read: bool = True, **fields: Any
) -> InStack:
    """A stack, called by its id. `whole` False: its resources may have been cut; `read` False: they were not read."""
    stack_ = Stack(**{"id": item, "project_id": "p-a", "name": item, "status": "CREATE_COMPLETE"} | fields)
    held = tuple(openstack_object(m, project_id=stack_.project_id) if isinstance(m, str) else m for m in members)

    def ids(kind: type) -> tuple[str, ...]:
        return tuple(sorted(m.id for m in held if isinstance(m, kind)))

    content = StackContent(ids(Server), ids(Volume), ids(Network), whole=whole)
    return InStack(stack_, content if read else None, held)


def unread(listing: ResourceKind, project: str | None = "p-a", stack_id: str | None = None, **fields: Any) -> Gap:
    return Gap(listing, "HTTP 503", project, stack_id, **fields)


def cloud(
    *things: InStack | Server | Volume | Network | Gap,
    flavors: tuple[Flavor, ...] = (SMALL,),
    watched: tuple[str, ...] = ("p-a", "p-b"),
) -> Inventory:
    """A reading of OpenStack: stacks with their members, objects that are in no stack, and what was not read."""
    stacks = [thing for thing in things if isinstance(thing, InStack)]
    objects = [*(m for s in stacks for m in s.members), *(t for t in things if not isinstance(t, InStack | Gap))]
    return Inventory(
        0.0,
        projects={item: Project(item, f"project {item[-1]}") for item in watched},
        flavors={flavor.id: flavor for flavor in flavors},
        stacks={s.stack.id: s.stack for s in stacks},
        contents={s.stack.id: s.content for s in stacks if s.content is not None},
        servers={o.id: o for o in objects if isinstance(o, Server)},
        volumes={o.id: o for o in objects if isinstance(o, Volume)},
        networks={o.id: o for o in objects if isinstance(o, Network)},
        gaps=tuple(thing for thing in things if isinstance(thing, Gap)),
    )


def device(item: str, **fields: Any) -> Device:
    """The device of an OpenStack object, of the same name."""
    kind, template, details = TYPES[item[0]]
    there = {
        "id": f"d-{item}",
        "name": item,
        "kind": kind,
        "rack_id": "",
        "template_id": template,
        "status": "ACTIVE",
        "location": Location(0, 0),
        "details": details,
        "metadata": {OBJECT_ID: item},
    }
    return Device(**there | fields)


def foreign(name: str, **fields: Any) -> Device:
    """A device that somebody put in by hand."""
    return device("i-" + name, **{"id": f"d-{name}", "name": name, "metadata": {}} | fields)


def rack(stack_id: str, *devices: str | Device, **fields: Any) -> InRack:
    """The rack of a stack (of none: ""), of the same name, its devices one above the other from the bottom."""
    there = {
        "id": f"r-{stack_id}",
        "name": stack_id,
        "owner_id": "o-a",
        "height": 42,
        "status": "ACTIVE",
        "metadata": {STACK_ID: stack_id} if stack_id else {},
        "order_id": stack_id,
    }
    rack_ = Rack(**there | fields)
    held, unit = [], 1
    for given in devices:
        placed = device(given) if isinstance(given, str) else given
        height = 2 if placed.kind is ResourceKind.VOLUME else 1
        if placed.location.start_u == 0:
            placed = replace(placed, location=Location(unit, unit + height - 1))
        unit = placed.location.end_u + 1
        held.append(replace(placed, rack_id=rack_.id))
    return InRack(rack_, tuple(held))


def concertim(
    *things: InRack | Template,
    owners: tuple[Owner, ...] = (TEAM_A, TEAM_B),
    templates: tuple[Template, ...] = TEMPLATES,
    **fields: Any,
) -> Actual:
    """A reading of Concertim."""
    racks = [thing for thing in things if isinstance(thing, InRack)]
    return Actual(
        0.0,
        **{"flavour": ApiFlavour.TEAMS} | fields,
        owners={owner.id: owner for owner in owners},
        templates={t.id: t for t in (*templates, *(t for t in things if isinstance(t, Template)))},
        racks={r.rack.id: r.rack for r in racks},
        devices={d.id: d for r in racks for d in r.devices},
    )


def asked(inventory: Inventory, actual: Actual, rules: Rules = DEFAULTS, scope: Scope = EVERYTHING) -> set[str]:
    """The ids that must be checked before anything is removed."""
    return {key.id for key in unconfirmed_deletions(desired_state(inventory, actual), actual, inventory, rules, scope)}


def plan(
    inventory: Inventory,
    actual: Actual,
    rules: Rules = DEFAULTS,
    scope: Scope = EVERYTHING,
    *,
    answer: Presence | None = Presence.GONE,
    reason: str = "",
) -> Plan:
    """The plan if all absence checks have the same `answer` (None: none was made)."""
    desired = desired_state(inventory, actual)
    keys = unconfirmed_deletions(desired, actual, inventory, rules, scope) if answer else ()
    absence_checks = {key: AbsenceCheck(answer, reason) for key in keys} if answer else {}
    return make_plan(desired, actual, inventory, absence_checks, rules, scope)


def words(action: Action) -> str:
    """An action as `create instance web-1`, an update with the fields that it changes."""
    fields = f": {', '.join(change.field for change in action.changes)}" if action.verb is Verb.UPDATE else ""
    return f"{action.verb} {action.kind.label} {action.name}{fields}"


def removed(plan_: Plan) -> list[str]:
    """What is removed, in the order of business."""
    return [f"{a.kind.label} {a.name}" for a in plan_.actions if a.verb is Verb.REMOVE]


def reasons(plan_: Plan) -> str:
    """Why: of all that is removed, held back or reported."""
    actions = [a.why for a in (*plan_.actions, *plan_.held)]
    return "\n".join([*actions, *(f"{n.kind}: {n.text}" for n in plan_.all_notices)])
