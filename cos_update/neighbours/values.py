"""Conversions of our records that both generations of services share."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from math import isfinite

from cos_update.model.accounts import Account, Accounts
from cos_update.model.concertim import Device, InstanceDetails, Owner, Rack, Template
from cos_update.model.kinds import ResourceKind
from cos_update.store import Origin, View

NO_ACCOUNT = Account()
NO_ACCOUNTS = Accounts({}, {})
_UNKNOWN = Origin(ResourceKind.STACK, name="", state="", project_id="")


@dataclass(frozen=True, slots=True)
class Contents:
    """The consistent part of a view: every rack has its owner, every device its rack.

    `devices` are those of each rack, bottom to top. `left_out` describes the other objects, by Concertim id.
    """

    racks: tuple[Rack, ...]
    devices: Mapping[str, tuple[Device, ...]]
    left_out: dict[str, str]


def contents(view: View, owners: Iterable[str]) -> Contents:
    """The racks of these owners, by id, with their devices."""
    known = frozenset(owners)
    racks = tuple(rack for rack in view.actual.racks.values() if rack.owner_id in known)
    left_out = {
        rack.id: f"rack {rack.name} ({rack.id}): its owner {rack.owner_id or '(unknown)'} is missing"
        for rack in view.actual.racks.values()
        if rack.owner_id not in known
    }
    held: dict[str, list[Device]] = defaultdict(list)
    for device in view.actual.devices.values():
        held[device.rack_id].append(device)
    devices = {rack.id: tuple(sorted(held.pop(rack.id, ()), key=_place)) for rack in racks}
    for rack_id, orphans in held.items():
        if rack_id not in view.actual.racks:
            for device in orphans:
                left_out[device.id] = (
                    f"device {device.name} ({device.id}): its rack {rack_id or '(unknown)'} is missing"
                )
    return Contents(racks, devices, left_out)


def _place(device: Device) -> tuple[int, str]:
    return device.location.start_u, device.id


def account_of(view: View, owner: Owner) -> Account:
    """The billing account of an owner; empty if unknown."""
    return (view.actual.accounts or NO_ACCOUNTS).owners.get(owner.id, NO_ACCOUNT)


def origin_of(view: View, openstack_id: str) -> Origin:
    """The OpenStack record of an object; empty if there is none."""
    return view.origins.get(openstack_id, _UNKNOWN)


def id_or_none(value: str) -> str | None:
    """The id, or None if it is empty."""
    return value or None


def amount(text: str) -> float:
    """An amount of money as a number; 0.0 if it is not one."""
    try:
        value = float(text)
    except ValueError:
        return 0.0
    return value if isfinite(value) else 0.0


def occupied(devices: Iterable[Device]) -> list[int]:
    """The units that devices occupy, sorted and without duplicates."""
    return sorted({unit for d in devices for unit in range(d.location.start_u, d.location.end_u + 1)})


def outputs(rack: Rack) -> list[tuple[str, object]]:
    """The outputs of a rack's stack, as pairs of key and value."""
    found = rack.metadata.get("openstack_stack_output")
    return [(str(key), value) for key, value in found.items()] if isinstance(found, Mapping) else []


def text_of(metadata: Mapping[str, object], key: str) -> str:
    """A string of the metadata; "" if there is none."""
    value = metadata.get(key)
    return value if isinstance(value, str) else ""


def volumes(details: InstanceDetails) -> dict[str, object]:
    """The attached volumes by id, whether the app stores a mapping or a list."""
    found = details.volume_details
    if isinstance(found, Mapping):
        return {str(key): value for key, value in found.items()}
    if not isinstance(found, list | tuple):
        return {}
    return {
        str(item.get("id")): {key: value for key, value in item.items() if key != "id"}
        for item in found
        if isinstance(item, Mapping)
    }


def missing_template(device: Device) -> Template:
    """A substitute for a template that is not listed, derived from a device that uses it."""
    return Template(device.template_id, "", device.location.height)
