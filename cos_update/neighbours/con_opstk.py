"""The view of the first generation of services (releases 0.1 to 1.1), where racks belong to users.

The attributes have the names and types that these services read.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from cos_update.model.accounts import Account, Person
from cos_update.model.concertim import Device, InstanceDetails, Owner, Rack, Template
from cos_update.neighbours.classes import Classes, Translation, instance, stand_in
from cos_update.neighbours.values import (
    NO_ACCOUNT,
    NO_ACCOUNTS,
    account_of,
    amount,
    contents,
    id_or_none,
    missing_template,
    occupied,
    origin_of,
    outputs,
    volumes,
)
from cos_update.store import View

_COMPONENTS = "con_opstk.concertim.components"
CLASSES = Classes(
    view=stand_in("con_opstk.concertim.utils.view", "ConcertimOpenstackView"),
    device=stand_in(f"{_COMPONENTS}.device", "ConcertimDevice"),
    rack=stand_in(f"{_COMPONENTS}.rack", "ConcertimRack"),
    user=stand_in(f"{_COMPONENTS}.user", "ConcertimUser"),
    template=stand_in(f"{_COMPONENTS}.template", "ConcertimTemplate"),
    location=stand_in(f"{_COMPONENTS}.location", "Location"),
)


def translated(view: View) -> Translation:
    """The view as objects of this generation. Rack owners are users; root users are left out."""
    owners = view.actual.owners
    people = (view.actual.accounts or NO_ACCOUNTS).people or {}
    roots = {person.id for person in people.values() if person.is_root}
    found = contents(view, owners.keys() - roots)
    racks_of: dict[str, list[str]] = {}
    for rack in found.racks:
        racks_of.setdefault(rack.owner_id, []).append(rack.id)
    users = [
        _user(people.get(owner.id, Person(owner.id, owner.name)), owner, account_of(view, owner), racks_of)
        for owner in owners.values()
        if owner.id not in roots
    ]
    users += [
        _user(person, Owner(person.id, person.login, ""), NO_ACCOUNT, racks_of)
        for person in people.values()
        if not person.is_root and person.id not in owners
    ]
    templates = {template.id: _template(template) for template in view.actual.templates.values()}
    devices = [
        _device(view, device, templates.get(device.template_id) or _template(missing_template(device)))
        for held in found.devices.values()
        for device in held
    ]
    whole = {
        "racks": _by_id(_rack(view, rack, found.devices[rack.id]) for rack in found.racks),
        "devices": _by_id(devices),
        "users": _by_id(users),
        "templates": _by_id(templates.values()),
        "_needs_resync": False,
    }
    return Translation(instance(CLASSES.view, whole), CLASSES, found.left_out)


def _by_id(items: Iterable[Any]) -> dict[tuple[str | None, ...], Any]:
    return {item.id: item for item in items}


def _user(person: Person, owner: Owner, account: Account, racks_of: dict[str, list[str]]) -> Any:
    return instance(
        CLASSES.user,
        {
            "id": (person.id, id_or_none(person.cloud_id)),
            "name": (person.login, f"CM_{person.login}"),
            "description": "",
            "full_name": person.full_name,
            "email": person.email,
            "openstack_project_id": id_or_none(owner.project_id),
            "racks": racks_of.get(owner.id, []),
            "billing_period_start": account.period_start,
            "billing_period_end": account.period_end,
            "cost": amount(account.cost),
            "billing_acct_id": id_or_none(account.billing_id),
        },
    )


def _rack(view: View, rack: Rack, devices: tuple[Device, ...]) -> Any:
    return instance(
        CLASSES.rack,
        {
            "id": (rack.id, id_or_none(rack.stack_id)),
            "name": (rack.name, id_or_none(origin_of(view, rack.stack_id).name)),
            "description": "",
            "user_id": rack.owner_id,
            "height": rack.height,
            "devices": [device.id for device in devices],
            "status": rack.status,
            "_occupied": occupied(devices),
            "output": outputs(rack),
            "_creation_output": rack.creation_output,
            "network_details": dict(rack.network_details),
            "metadata": dict(rack.metadata),
            "cost": amount(rack.cost),
            "order_id": id_or_none(rack.order_id),
        },
    )


def _device(view: View, device: Device, template: Any) -> Any:
    # In this generation's API every device is an instance; other devices have no such details.
    details = device.details if isinstance(device.details, InstanceDetails) else InstanceDetails()
    place = device.location
    return instance(
        CLASSES.device,
        {
            "id": (device.id, id_or_none(device.object_id)),
            "name": (device.name, id_or_none(origin_of(view, device.object_id).name)),
            "description": device.description,
            "rack_id": device.rack_id,
            "template": template,
            "location": instance(
                CLASSES.location, {"start_u": place.start_u, "end_u": place.end_u, "facing": place.facing}
            ),
            "status": device.status,
            "ips": [],
            "private_ips": details.private_ips,
            "public_ips": details.public_ips,
            "ssh_key": details.ssh_key,
            "volume_details": volumes(details),
            "login_user": details.login_user,
            "cost": amount(device.cost),
        },
    )


def _template(template: Template) -> Any:
    return instance(
        CLASSES.template,
        {
            "id": (template.id, id_or_none(template.foreign_id)),
            "name": (template.name, template.name if template.foreign_id else None),
            "description": template.description,
            "ram": template.ram,
            "disk": template.disk,
            "vcpus": template.vcpus,
            "size": template.height,
        },
    )
