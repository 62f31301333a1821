"""Recognises our racks and devices whose metadata no longer says so, to repair instead of duplicating them.

A person or another service may wipe or overwrite the metadata with the OpenStack id. Records that are still certainly
ours are marked by `known_as`, so that the plan restores the metadata instead of creating a duplicate. Such a record is
never removed while only its appearance identifies it (see `deletions`). Separate from `matching`, which trusts ids.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator
from dataclasses import replace

from cos_update.model.concertim import STACK_ID, Actual, Device, Rack
from cos_update.model.openstack import Inventory, Stack
from cos_update.planning.compare import device_difference
from cos_update.planning.desired import Desired, DesiredDevice, DesiredRack
from cos_update.planning.names import DEVICE_NAME, RACK_NAME, NameRule, earlier_name

_LOOKS = frozenset({"status", "description", "metadata"})
"""The fields that may differ in a device recognised by its appearance."""


def recognised(actual: Actual, inventory: Inventory, past: Actual) -> Actual:
    """`actual` with recognised racks of listed stacks and devices of listed objects.

    A rack is recognised by its Concertim id in `past`, by its order id (the stack's id), or by its name and devices; in
    each case it must belong to the project's team. A device is recognised by its Concertim id in `past`.
    """
    racks = dict(_racks(actual, inventory, past))
    devices = dict(_devices(actual, inventory, past))
    if not racks and not devices:
        return actual
    return replace(actual, racks={**actual.racks, **racks}, devices={**actual.devices, **devices})


def recognised_by_looks(actual: Actual, desired: Desired) -> Actual:
    """`actual` with recognised devices that, except for their metadata, equal a desired device of their rack."""
    found = dict(_alike(actual, desired))
    return replace(actual, devices={**actual.devices, **found}) if found else actual


def with_identity(rack: Rack, former: Rack | None) -> Rack:
    """A rack just read, with its identity from an earlier reading."""
    if rack.stack_id or former is None or not former.stack_id:
        return rack
    return replace(rack, known_as=former.stack_id)


def device_with_identity(device: Device, former: Device | None) -> Device:
    """A device just read, with its identity from an earlier reading."""
    if device.object_id or former is None or not former.object_id or device.kind is not former.kind:
        return device
    return replace(device, known_as=former.object_id)


def _racks(actual: Actual, inventory: Inventory, past: Actual) -> Iterator[tuple[str, Rack]]:
    shown = {rack.stack_id for rack in actual.racks.values()}
    lost = [rack for rack in sorted(actual.racks.values(), key=lambda r: r.id) if not _is_of(rack, inventory)]
    if not lost:
        return
    held: dict[str, list[Device]] = defaultdict(list)
    for device in actual.devices.values():
        held[device.rack_id].append(device)
    ranked = sorted(
        (rank, rack.id, stack.id)
        for rack in lost
        for stack, rank in _claims(rack, held[rack.id], inventory, past)
        if stack.id not in shown and _owns(actual, rack, stack)
    )
    taken: set[str] = set()
    for _, rack_id, stack_id in ranked:
        if not {rack_id, stack_id} & taken:
            taken |= {rack_id, stack_id}
            yield rack_id, replace(actual.racks[rack_id], known_as=stack_id)


def _is_of(rack: Rack, inventory: Inventory) -> bool:
    return rack.stack_id in inventory.stacks


def _owns(actual: Actual, rack: Rack, stack: Stack) -> bool:
    owner = actual.owners.get(rack.owner_id)
    return owner is not None and owner.project_id == stack.project_id


def _claims(rack: Rack, held: list[Device], inventory: Inventory, past: Actual) -> Iterator[tuple[Stack, int]]:
    """The stacks that a rack may belong to; lower numbers mean better evidence."""
    stacks = inventory.stacks
    if (before := past.racks.get(rack.id)) and (stack := stacks.get(before.stack_id)):
        yield stack, 0
    if stack := stacks.get(rack.order_id):
        yield stack, 1
    named = {device.metadata.get(STACK_ID) for device in held if device.object_id}
    if len(named) == 1 and not rack.stack_id:
        only = named.pop()
        stack = stacks.get(only) if isinstance(only, str) else None
        if stack and rack.name in _names(RACK_NAME, stack.name, stack.id):
            yield stack, 2


def _devices(actual: Actual, inventory: Inventory, past: Actual) -> Iterator[tuple[str, Device]]:
    lost = [
        (device, before.object_id)
        for device in actual.devices.values()
        if (before := past.devices.get(device.id)) is not None
        and before is not device
        and before.object_id != device.object_id
        and device.object_id not in inventory.of(device.kind)
        and (before.kind, before.rack_id) == (device.kind, device.rack_id)
        and before.object_id in inventory.of(device.kind)
    ]
    if not lost:
        return
    taken = {device.object_id for device in actual.devices.values()}
    for device, object_id in sorted(lost, key=lambda pair: pair[0].id):
        if object_id not in taken:
            taken.add(object_id)
            yield device.id, replace(device, known_as=object_id)


def _alike(actual: Actual, desired: Desired) -> Iterator[tuple[str, Device]]:
    foreign: dict[str, list[Device]] = defaultdict(list)
    for device in actual.devices.values():
        if not device.object_id:
            foreign[device.rack_id].append(device)
    if not foreign:
        return
    shown = {device.object_id for device in actual.devices.values()}
    for rack in actual.racks.values():
        wanted = desired.racks.get(rack.stack_id)
        if wanted is None or rack.id not in foreign:
            continue
        missing = [wish for wish in wanted.devices if wish.object_id not in shown]
        for device in sorted(foreign[rack.id], key=lambda d: d.id):
            same = [wish for wish in missing if _is_alike(actual, device, wish, wanted)]
            if len(same) == 1:
                missing.remove(same[0])
                yield device.id, replace(device, known_as=same[0].object_id)


def _is_alike(actual: Actual, device: Device, wish: DesiredDevice, rack: DesiredRack) -> bool:
    rule = DEVICE_NAME[actual.flavour]
    if device.kind is not wish.kind or device.name not in _names(rule, wish.name, wish.object_id):
        return False
    template = actual.templates.get(device.template_id)
    mark = template and (template.tag if wish.kind.template_tag else template.foreign_id)
    if mark != wish.template:
        return False
    if device.metadata.get(STACK_ID) == rack.stack_id:
        return True
    # Anybody may create a device of that name, but equal addresses or sizes are no coincidence.
    tells = any(value not in (None, "", (), [], {}, False) for value in wish.details.values())
    return tells and device_difference(device, wish, device.name).payload.keys() <= _LOOKS


def _names(rule: NameRule, name: str, object_id: str) -> tuple[str, ...]:
    clean = rule.clean(name, object_id)
    return clean, rule.apart(clean, object_id), earlier_name(name)
