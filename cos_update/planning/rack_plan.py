"""Plans one rack: its own fields, then its devices; or its removal.

Separate from `planner`, which decides what racks share: names, order ids, and their order.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from typing import Any

from cos_update.model.concertim import (
    ApiFlavour,
    Details,
    Device,
    InstanceDetails,
    Location,
    NetworkDetails,
    Owner,
    Rack,
    VolumeDetails,
)
from cos_update.model.kinds import DEVICES, ResourceKind
from cos_update.planning.compare import device_difference, rack_difference
from cos_update.planning.deletions import Deletions
from cos_update.planning.desired import CLUSTER_TYPE, Desired, DesiredDevice, DesiredRack
from cos_update.planning.matching import Matches
from cos_update.planning.names import DEVICE_NAME, Rename, Wish, assign, in_order, natural
from cos_update.planning.placement import Item, Placement, place
from cos_update.planning.plan import RACK, Action, Notice, NoticeKind, RackPlan, Verb
from cos_update.planning.stored import Memory, without_dropped

_NOTHING_KNOWN: Mapping[ResourceKind, Details] = {
    ResourceKind.SERVER: InstanceDetails(),
    ResourceKind.VOLUME: VolumeDetails(),
    ResourceKind.NETWORK: NetworkDetails(),
}


@dataclass(frozen=True, slots=True)
class PlanContext:
    """The common input for planning every rack.

    `homes` has the stack whose rack an object belongs in, by OpenStack id. `former_devices` (by OpenStack id) and
    `former_racks` (by stack id) are gone from Concertim, and are recreated with everything that others wrote to them.
    `dropped` are values that Concertim does not store.
    """

    desired: Desired
    matches: Matches
    deletions: Deletions
    flavour: ApiFlavour
    default_height: int
    homes: Mapping[str, str]
    former_devices: Mapping[str, Device] = field(default_factory=dict)
    former_racks: Mapping[str, Rack] = field(default_factory=dict)
    dropped: Memory = field(default_factory=dict)


_Replaced = tuple[Device, DesiredDevice, str]
"""A device, its replacement, and the reason."""
_Todo = tuple[list[_Replaced], list[DesiredDevice], Mapping[str, int]]
"""What to place: replaced devices, new devices, and the former positions of recreated ones."""

_NO_ORDER = (
    "no order for it was found in Killbill (yet): it is sent without an order id, which is added when one is found; a "
    "Concertim that requires one rejects it until then"
)


@dataclass(slots=True)
class _Sorted:
    """The devices of one rack, by what to do with them."""

    kept: list[tuple[Device, DesiredDevice]] = field(default_factory=list)
    replaced: list[_Replaced] = field(default_factory=list)
    new: list[DesiredDevice] = field(default_factory=list)
    removals: list[Action] = field(default_factory=list)
    others: list[Device] = field(default_factory=list)
    notices: list[Notice] = field(default_factory=list)


def plan_rack(context: PlanContext, wanted: DesiredRack, name: str, order_id: str) -> RackPlan:
    """Plans the rack of a stack with this `name`; `order_id` is one to add.

    "": it needs none, or none is known.
    """
    rack = context.matches.racks.get(wanted.stack_id)
    if rack is None and context.flavour is ApiFlavour.CREDITS and not wanted.cluster_type:
        return _without_type(wanted, name)
    found = _sort(context, wanted, rack)
    rule = DEVICE_NAME[context.flavour]
    names = assign(
        [_wish(context, device, rack) for device in wanted.devices],
        {device.name for device in found.others},
        rule,
    )
    placement = _place(context, rack, found)
    found.removals += [Action(Verb.REMOVE, device, why=why) for device, _, why in found.replaced]
    found.notices += [_no_template(wish) for wish in found.new if _height(context, wish) is None]
    found.notices += [
        _unplaced(context, wish, names[wish.object_id], placement)
        for wish in found.new
        if wish.object_id in placement.unplaced
    ]
    shell = rack or _new_rack(context, wanted, name, placement.height, order_id)
    actions: list[Action] = []
    if rack is None:
        actions.append(Action(Verb.CREATE, shell))
        if wanted.order_id is None and not shell.order_id:
            found.notices.append(Notice(NoticeKind.NO_ORDER, RACK, name, wanted.stack_id, _NO_ORDER))
    elif difference := without_dropped(
        rack_difference(rack, wanted, name, placement.height, order_id), context.dropped.get(rack.id, {})
    ):
        actions.append(Action(Verb.UPDATE, rack, difference.payload, difference.changes))
    actions += found.removals
    actions += _updates(context, found, names)
    actions += _creations(context, found, names, placement, (shell, wanted.created))
    if rack is not None and wanted.owner.id != rack.owner_id:
        text = f"belongs to another team than {wanted.owner.name}, which Concertim cannot change"
        found.notices.append(Notice(NoticeKind.OTHER_OWNER, RACK, rack.name, wanted.stack_id, text))
    return RackPlan(
        stack_id=wanted.stack_id,
        project_id=wanted.project_id,
        owner_id=shell.owner_id,
        owner_name=wanted.owner.name,
        rack_name=name,
        status=wanted.status or shell.status,
        rack_id=shell.id,
        new=rack is None,
        actions=_within(name, actions),
        notices=(*_rack_notices(context, rack), *found.notices),
    )


def _wish(context: PlanContext, wanted: DesiredDevice, rack: Rack | None) -> Wish:
    there = context.matches.devices.get(wanted.object_id)
    is_here = there is not None and rack is not None and there.rack_id == rack.id
    return Wish(wanted.object_id, wanted.name, current=there.name if there and is_here else "")


def _without_type(wanted: DesiredRack, name: str) -> RackPlan:
    """The plan of a rack that this Concertim would reject: only a notice."""
    text = f"the stack has no output {CLUSTER_TYPE} (yet), which this Concertim requires for racks: not shown"
    notice = Notice(NoticeKind.NOT_SHOWN, ResourceKind.STACK, wanted.name or name, wanted.stack_id, text)
    owner, status = wanted.owner, wanted.status or ""
    return RackPlan(wanted.stack_id, wanted.project_id, owner.id, owner.name, name, status, notices=(notice,))


def plan_rack_removal(context: PlanContext, rack: Rack, owner: Owner, why: str | None) -> RackPlan:
    """Plans the removal of a rack: with those of our devices that are gone, or with `why` (a duplicate) all of them."""
    actions = []
    foreign = False
    for device in context.matches.in_rack.get(rack.id, ()):
        reason = context.deletions.devices.get(device.id) or (why if device.object_id else None)
        foreign = foreign or not device.object_id
        if reason:
            actions.append(Action(Verb.REMOVE, device, why=reason))
    reason = context.deletions.racks.get(rack.id) or (None if foreign else why)
    if reason:
        actions.append(Action(Verb.REMOVE, rack, why=reason))
    notices = list(_rack_notices(context, rack))
    if why:
        notices.append(Notice(NoticeKind.DUPLICATE, RACK, rack.name, rack.stack_id, why))
    return RackPlan(
        stack_id=rack.stack_id,
        project_id=owner.project_id,
        owner_id=owner.id,
        owner_name=owner.name,
        rack_name=rack.name,
        status=rack.status,
        rack_id=rack.id,
        actions=_within(rack.name, actions),
        notices=tuple(notices),
    )


def _within(rack_name: str, actions: list[Action]) -> tuple[Action, ...]:
    return tuple(replace(action, rack_name=rack_name) if action.device else action for action in actions)


def _rack_notices(context: PlanContext, rack: Rack | None) -> tuple[Notice, ...]:
    return context.deletions.notices.get(rack.id, ()) if rack else ()


def _sort(context: PlanContext, wanted: DesiredRack, rack: Rack | None) -> _Sorted:
    found = _Sorted()
    wishes = {device.object_id: device for device in wanted.devices}
    present: set[str] = set()
    for device in context.matches.in_rack.get(rack.id, ()) if rack else ():
        home = context.homes.get(device.object_id)
        if why := context.deletions.devices.get(device.id):
            found.removals.append(Action(Verb.REMOVE, device, why=why))
        elif home is None:
            found.others.append(device)
        elif (stays := context.matches.devices[device.object_id]).id != device.id:
            _drop_duplicate(found, device, stays)
        elif home != wanted.stack_id:
            found.removals.append(Action(Verb.REMOVE, device, why="now in another stack"))
        else:
            present.add(device.object_id)
            _keep_or_replace(context, found, device, wishes[device.object_id])
    found.new += [device for device in wanted.devices if device.object_id not in present]
    return found


def _drop_duplicate(found: _Sorted, device: Device, stays: Device) -> None:
    why = f"device {stays.name} is of the same {device.kind.label}"
    found.removals.append(Action(Verb.REMOVE, device, why=why))
    found.notices.append(Notice(NoticeKind.DUPLICATE, device.kind.label, device.name, device.object_id, why))


def _keep_or_replace(context: PlanContext, found: _Sorted, device: Device, wish: DesiredDevice) -> None:
    template = context.matches.template_of(wish)
    remade = template is None and wish.kind is ResourceKind.SERVER and wish.template in context.desired.templates
    if device.kind is not wish.kind:
        why = "of the wrong type; recreated"
    elif remade or (template is not None and not context.matches.has_template_of(device, wish)):
        why = "of another flavor now; recreated in its place"
    else:
        found.kept.append((device, wish))
        return
    found.replaced.append((device, wish, why))


def _height(context: PlanContext, wish: DesiredDevice) -> int | None:
    if template := context.matches.template_of(wish):
        return template.height
    desired = context.desired.templates.get(wish.template) if wish.kind is ResourceKind.SERVER else None
    return desired.height if desired else None


def _place(context: PlanContext, rack: Rack | None, found: _Sorted) -> Placement:
    """Places replaced and new devices. A device whose replacement does not fit stays as it is.

    Those are tried again after the others are placed, which may have freed units: so a second call for the resulting
    rack would place nothing more.
    """
    height = rack.height if rack else context.default_height
    waiting, new = found.replaced, found.new
    found.replaced = []
    places = _former_places(context, rack)
    starts: dict[str, int] = {}
    taken: set[int] = set()
    while True:
        placement, stuck = _place_or_keep(context, height, found, taken, (waiting, new, places))
        found.replaced += [entry for entry in waiting if entry not in stuck]
        if not placement.starts or not stuck:
            break
        height = placement.height
        starts.update(placement.starts)
        taken.update(_units_of(context, (*(wish for _, wish, _ in waiting), *new), placement.starts))
        waiting, new = stuck, [wish for wish in new if wish.object_id in placement.unplaced]
    found.kept += [(device, wish) for device, wish, _ in stuck]
    found.notices += [_unplaced(context, wish, wish.name, placement) for _, wish, _ in stuck]
    return replace(placement, starts={**starts, **placement.starts})


def _place_or_keep(
    context: PlanContext, height: int, found: _Sorted, taken: set[int], todo: _Todo
) -> tuple[Placement, list[_Replaced]]:
    """The placement of `todo`, and the devices that cannot be replaced for lack of room."""
    waiting, new, places = todo
    stuck: list[_Replaced] = []
    while True:
        there = (*found.others, *(d for d, _ in found.kept), *(d for d, _, _ in stuck))
        placement = place(height, taken | _occupied(there), _items(context, waiting, new, places))
        again = [entry for entry in waiting if entry[1].object_id in placement.unplaced]
        if not again:
            return placement, stuck
        stuck += again
        waiting = [entry for entry in waiting if entry not in again]


def _former_places(context: PlanContext, rack: Rack | None) -> dict[str, int]:
    """The former positions of devices that are gone from this rack, by OpenStack id."""
    former = context.former_devices.values()
    return {device.object_id: device.location.start_u for device in former if rack and device.rack_id == rack.id}


def _occupied(devices: Iterable[Device]) -> set[int]:
    return {unit for device in devices for unit in range(device.location.start_u, device.location.end_u + 1)}


def _units_of(context: PlanContext, wishes: Iterable[DesiredDevice], starts: Mapping[str, int]) -> Iterator[int]:
    for wish in wishes:
        if start := starts.get(wish.object_id):
            yield from range(start, start + (_height(context, wish) or 1))


def _items(
    context: PlanContext, replaced: Iterable[_Replaced], new: Iterable[DesiredDevice], places: Mapping[str, int]
) -> list[Item]:
    ordered = sorted(
        [
            *((wish, device.location.start_u) for device, wish, _ in replaced),
            *((wish, places.get(wish.object_id)) for wish in new),
        ],
        key=lambda pair: (DEVICES.index(pair[0].kind), natural(pair[0].name), pair[0].object_id),
    )
    return [
        Item(wish.object_id, height, wish.kind is ResourceKind.NETWORK, start)
        for wish, start in ordered
        if (height := _height(context, wish)) is not None
    ]


def _no_template(wish: DesiredDevice) -> Notice:
    if wish.kind is ResourceKind.SERVER:
        text = f"its flavor {wish.template or '(none)'} is unknown: not shown yet"
    else:
        text = f"Concertim has no template with the tag {wish.template!r}: not shown"
    return Notice(NoticeKind.NOT_SHOWN, wish.kind.label, wish.name, wish.object_id, text)


def _new_rack(context: PlanContext, wanted: DesiredRack, name: str, height: int, order_id: str) -> Rack:
    former = context.former_racks.get(wanted.stack_id)
    return Rack(
        id="",
        name=name,
        owner_id=wanted.owner.id,
        height=height,
        status=wanted.status or "",
        metadata={**(former.metadata if former else {}), **wanted.metadata},
        network_details=wanted.network_details or {},
        creation_output=wanted.creation_output or "",
        order_id=order_id,
        cost=former.cost if former else "",
        created=wanted.created,
        cluster_type=wanted.cluster_type,
    )


def _updates(context: PlanContext, found: _Sorted, names: Mapping[str, str]) -> list[Action]:
    updates: dict[str, Action] = {}
    for device, wish in found.kept:
        difference = device_difference(device, wish, names[wish.object_id])
        if difference := without_dropped(difference, context.dropped.get(device.id, {})):
            updates[device.id] = Action(Verb.UPDATE, device, difference.payload, difference.changes)
    renames = [Rename(i, a.name, a.new_name) for i, a in updates.items() if a.new_name is not None]
    first, then = in_order(renames)
    parked = [updates[rename.object_id].renaming_only(rename.new) for rename in first]
    plain = [action for action in updates.values() if action.new_name is None]
    return [*parked, *(updates[rename.object_id] for rename in then), *plain]


def _creations(
    context: PlanContext, found: _Sorted, names: Mapping[str, str], placement: Placement, home: tuple[Rack, str]
) -> list[Action]:
    wishes = [*(wish for _, wish, _ in found.replaced), *found.new]
    placed = [wish for wish in wishes if wish.object_id in placement.starts]
    placed.sort(key=lambda wish: placement.starts[wish.object_id])
    return [_creation(context, wish, names[wish.object_id], placement.starts[wish.object_id], home) for wish in placed]


def _creation(
    context: PlanContext,
    wish: DesiredDevice,
    name: str,
    start: int,
    home: tuple[Rack, str],
) -> Action:
    """Creates a device in its rack, `home`, with its own creation time or else its stack's."""
    rack, created = home
    template = context.matches.template_of(wish)
    former = context.matches.devices.get(wish.object_id) or context.former_devices.get(wish.object_id)
    known: dict[str, Any] = dict(wish.details)
    details = former.details if former and former.kind is wish.kind else _NOTHING_KNOWN[wish.kind]
    device = Device(
        id="",
        name=name,
        kind=wish.kind,
        rack_id=rack.id,
        template_id=template.id if template else "",
        status=wish.status,
        location=Location(start, start + (_height(context, wish) or 1) - 1, former.location.facing if former else "f"),
        details=replace(details, **known),
        description=wish.description,
        metadata={**(former.metadata if former else {}), **wish.metadata},
        cost=former.cost if former else "",
        created=wish.created or created,
    )
    return Action(Verb.CREATE, device, flavor_id="" if template else wish.template, size=_size(context, wish))


def _unplaced(context: PlanContext, wish: DesiredDevice, name: str, placement: Placement) -> Notice:
    text = f"needs {_height(context, wish)}U, {placement.free}U free in {placement.height}U: not placed"
    return Notice(NoticeKind.UNPLACED, wish.kind.label, name, wish.object_id, text)


def _size(context: PlanContext, wish: DesiredDevice) -> str:
    if wish.kind is ResourceKind.VOLUME:
        return f"{wish.details.get('size', '?')} GiB"
    flavor = context.desired.templates.get(wish.template)
    return flavor.name if flavor and wish.kind is ResourceKind.SERVER else ""
