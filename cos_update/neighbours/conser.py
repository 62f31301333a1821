"""The view of the second generation of services (1.2 and later), where racks belong to teams.

The attributes have the names and types that these services read; `created_at` and `cluster_type_name` exist in the
newest releases.
"""

from __future__ import annotations

from typing import Any

from cos_update.model.accounts import Person
from cos_update.model.concertim import (
    DETAILS_TYPE,
    Device,
    InstanceDetails,
    NetworkDetails,
    Owner,
    Rack,
    Template,
    VolumeDetails,
)
from cos_update.neighbours.classes import Classes, Translation, instance, stand_in
from cos_update.neighbours.values import (
    NO_ACCOUNTS,
    account_of,
    amount,
    contents,
    id_or_none,
    missing_template,
    occupied,
    origin_of,
    outputs,
    text_of,
)
from cos_update.planning.desired import CLUSTER_TYPE
from cos_update.store import View

_OBJECTS = "conser.modules.clients.concertim.objects"
_TEAM = stand_in(f"{_OBJECTS}.team", "ConcertimTeam")
CLASSES = Classes(
    view=stand_in(f"{_OBJECTS}.view", "ConcertimView"),
    device=stand_in(f"{_OBJECTS}.device", "ConcertimDevice"),
    rack=stand_in(f"{_OBJECTS}.rack", "ConcertimRack"),
    user=stand_in(f"{_OBJECTS}.user", "ConcertimUser"),
    template=stand_in(f"{_OBJECTS}.template", "ConcertimTemplate"),
    location=stand_in(f"{_OBJECTS}.location", "Location"),
    team=_TEAM,
)

_Ids = tuple[str | None, ...]


def translated(view: View) -> Translation:
    """The view as objects of this generation. Rack owners are teams."""
    actual = view.actual
    found = contents(view, actual.owners)
    team_ids: dict[str, _Ids] = {owner.id: _team_id(view, owner) for owner in actual.owners.values()}
    rack_ids: dict[str, _Ids] = {
        rack.id: (rack.id, id_or_none(rack.stack_id), id_or_none(rack.order_id)) for rack in found.racks
    }
    racks_of: dict[str, list[_Ids]] = {}
    for rack in found.racks:
        racks_of.setdefault(rack.owner_id, []).append(rack_ids[rack.id])
    templates = {template.id: _template(template) for template in actual.templates.values()}
    racks, devices = {}, {}
    for rack in found.racks:
        rack_id, held = rack_ids[rack.id], found.devices[rack.id]
        for device in held:
            template = templates.get(device.template_id) or _template(missing_template(device))
            made = _device(view, device, rack_id, template)
            devices[made.id] = made
        racks[rack_id] = _rack(view, rack, rack_id, team_ids[rack.owner_id], held)
    people = (actual.accounts or NO_ACCOUNTS).people or {}
    users = [_user(person) for person in people.values() if not person.is_root]
    whole = {
        "racks": racks,
        "devices": devices,
        "users": {user.id: user for user in users},
        "templates": {template.id: template for template in templates.values()},
        "teams": {
            team_ids[owner.id]: _team(view, owner, team_ids[owner.id], racks_of.get(owner.id, []))
            for owner in actual.owners.values()
        },
    }
    return Translation(instance(CLASSES.view, whole), CLASSES, found.left_out)


def _team_id(view: View, owner: Owner) -> _Ids:
    return owner.id, id_or_none(owner.project_id), id_or_none(account_of(view, owner).billing_id)


def _team(view: View, owner: Owner, team_id: _Ids, racks: list[_Ids]) -> Any:
    account = account_of(view, owner)
    project = view.projects.get(owner.project_id)
    return instance(
        _TEAM,
        {
            "id": team_id,
            "name": (owner.name, project.name if project else None),
            "description": "",
            "racks": racks,
            "team_members": [],
            "team_admins": [],
            "_primary_billing_user_cloud_id": None,
            "billing_period_start": account.period_start,
            "billing_period_end": account.period_end,
            "cost": amount(account.cost),
            "credits": amount(account.credits),
        },
    )


def _user(person: Person) -> Any:
    return instance(
        CLASSES.user,
        {
            "id": (person.id, id_or_none(person.cloud_id)),
            "name": (person.login, f"CM_{person.login}"),
            "description": "",
            "full_name": person.full_name,
            "email": person.email,
            "admin_projects_cloud_ids": [],
        },
    )


def _rack(view: View, rack: Rack, rack_id: _Ids, team_id: _Ids, devices: tuple[Device, ...]) -> Any:
    origin = origin_of(view, rack.stack_id)
    output = outputs(rack)
    reason = text_of(rack.metadata, "stack_status_reason")
    return instance(
        CLASSES.rack,
        {
            "id": rack_id,
            "name": (rack.name, id_or_none(origin.name)),
            "description": "",
            "team_id_tuple": team_id,
            "height": rack.height,
            "devices": [_device_id(device) for device in devices],
            "_base_name": rack.name,
            "status": rack.status,
            "_status_reason": reason,
            "_occupied": occupied(devices),
            "output": output,
            "_creation_output": rack.creation_output,
            "_project_cloud_id": team_id[1],
            "network_details": dict(rack.network_details),
            "metadata": {
                "status_reason": reason,
                "creator_cloud_name": text_of(rack.metadata, "openstack_stack_owner"),
                "output": output,
                "project_cloud_id": team_id[1],
            },
            "cost": amount(rack.cost),
            "_detailed_cost": {},
            "_resources": {"servers": {}, "volumes": {}, "networks": {}, "other": {}},
            "_delete_marker": False,
            "_updated": False,
            "created_at": id_or_none(rack.created or origin.created),
            "cluster_type_name": id_or_none(rack.cluster_type or _cluster_type(output)),
        },
    )


def _cluster_type(output: list[tuple[str, object]]) -> str:
    return next((value for key, value in output if key == CLUSTER_TYPE and isinstance(value, str)), "")


def _device_id(device: Device) -> _Ids:
    return device.id, id_or_none(device.object_id)


def _device(view: View, device: Device, rack_id: _Ids, template: Any) -> Any:
    origin = origin_of(view, device.object_id)
    place = device.location
    interfaces = device.metadata.get("net_interfaces")
    return instance(
        CLASSES.device,
        {
            "id": _device_id(device),
            "name": (device.name, id_or_none(origin.name)),
            "type": device.kind.device_type,
            "description": device.description,
            "rack_id_tuple": rack_id,
            "template": template,
            "location": instance(
                CLASSES.location, {"start_u": place.start_u, "end_u": place.end_u, "facing": place.facing}
            ),
            "status": device.status,
            "network_interfaces": list(interfaces) if isinstance(interfaces, list | tuple) else [],
            "cost": amount(device.cost),
            "details": _details(device),
            "_delete_marker": False,
            "_updated": False,
            "created_at": id_or_none(device.created or origin.created),
        },
    )


def _details(device: Device) -> dict[str, object]:
    found: dict[str, object] = {"type": DETAILS_TYPE[device.kind]}
    match device.details:
        case InstanceDetails() as instance_details:
            found["public_ips"] = instance_details.public_ips
            found["private_ips"] = instance_details.private_ips
            found["ssh_key"] = instance_details.ssh_key
            found["login_user"] = instance_details.login_user
            found["volume_details"] = instance_details.volume_details or {}
        case VolumeDetails() as volume:
            found["availability_zone"] = volume.availability_zone
            found["bootable"] = volume.bootable
            found["encrypted"] = volume.encrypted
            found["read_only"] = volume.read_only
            found["size"] = volume.size
            found["volume_type"] = volume.volume_type
        case NetworkDetails() as network:
            found["admin_state_up"] = network.admin_state_up
            found["dns_domain"] = network.dns_domain
            found["l2_adjacency"] = network.l2_adjacency
            found["mtu"] = network.mtu
            found["port_security_enabled"] = network.port_security_enabled
            found["shared"] = network.shared
            found["qos_policy"] = network.qos_policy
    return found


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
            "height": template.height,
            "tag": template.tag,
            "_updated": False,
        },
    )
