"""Servers and flavors in Nova's format, by microversion and role (as on Zed, 2.1 to 2.93)."""

from __future__ import annotations

import hashlib

from cos_update.fakes.openstack.records import Flavor, Server
from cos_update.fakes.openstack.state import CloudState

STATUS = {
    "active": "ACTIVE",
    "building": "BUILD",
    "stopped": "SHUTOFF",
    "resized": "VERIFY_RESIZE",
    "paused": "PAUSED",
    "suspended": "SUSPENDED",
    "rescued": "RESCUE",
    "error": "ERROR",
    "soft-delete": "SOFT_DELETED",
    "shelved": "SHELVED",
    "shelved_offloaded": "SHELVED_OFFLOADED",
    "deleted": "DELETED",
}
BUSY_STATUS = {
    ("active", "rebooting"): "REBOOT",
    ("active", "rebooting_hard"): "HARD_REBOOT",
    ("active", "updating_password"): "PASSWORD",
    ("active", "rebuilding"): "REBUILD",
    ("active", "migrating"): "MIGRATING",
    ("active", "resize_prep"): "RESIZE",
    ("active", "resize_migrating"): "RESIZE",
    ("active", "resize_migrated"): "RESIZE",
    ("active", "resize_finish"): "RESIZE",
    ("stopped", "rebuilding"): "REBUILD",
    ("stopped", "resize_prep"): "RESIZE",
    ("stopped", "resize_migrating"): "RESIZE",
    ("stopped", "resize_migrated"): "RESIZE",
    ("stopped", "resize_finish"): "RESIZE",
    ("resized", "resize_reverting"): "REVERT_RESIZE",
    ("paused", "migrating"): "MIGRATING",
    ("error", "rebuilding"): "REBUILD",
}
"""The status caused by a task, if any (nova.api.openstack.common)."""
WITH_PROGRESS = {"ACTIVE", "BUILD", "DELETED", "REBUILD", "RESIZE", "VERIFY_RESIZE", "MIGRATING"}


def status_of(server: Server) -> str:
    """The status that people see."""
    return BUSY_STATUS.get((server.vm_state, server.task_state or ""), STATUS.get(server.vm_state, "UNKNOWN"))


def server_view(
    state: CloudState, server: Server, url: str, version: int, admin: bool, alone: bool
) -> dict[str, object]:
    """One server. `version` is the minor microversion; `alone` when it is shown by its id, not in a listing."""
    status = status_of(server)
    view: dict[str, object] = {
        "id": server.id,
        "name": server.name,
        "status": status,
        "tenant_id": server.project_id,
        "user_id": server.user_id,
        "metadata": server.metadata,
        "hostId": hashlib.sha224(f"{server.project_id}{server.host}".encode()).hexdigest() if server.host else "",
        "image": {"id": server.image_id, "links": _bookmark(url, "images", server.image_id)} if server.image_id else "",
        "flavor": _flavor_of(server.flavor, url, version),
        "created": f"{server.created:%Y-%m-%dT%H:%M:%SZ}",
        "updated": f"{server.updated:%Y-%m-%dT%H:%M:%SZ}",
        "addresses": _addresses(state, server),
        "accessIPv4": "",
        "accessIPv6": "",
        "links": _links(url, "servers", server.id),
        "OS-DCF:diskConfig": "MANUAL",
    }
    if status in WITH_PROGRESS:
        view["progress"] = 0
    if alone and status in ("ERROR", "DELETED") and server.fault:
        view["fault"] = _fault(server, admin)
    view |= {
        "OS-EXT-AZ:availability_zone": "nova" if server.host else "",
        "config_drive": "",
        "key_name": server.key_name,
        "OS-SRV-USG:launched_at": _microseconds(server),
        "OS-SRV-USG:terminated_at": None,
    }
    if admin:
        view |= _host_attributes(server, version)
    elif version >= 90:
        view["OS-EXT-SRV-ATTR:hostname"] = server.name
    if state.ports_of.get(server.id):
        view["security_groups"] = [{"name": "default"}]
    view |= {
        "OS-EXT-STS:task_state": server.task_state,
        "OS-EXT-STS:vm_state": server.vm_state,
        "OS-EXT-STS:power_state": server.power_state,
        "os-extended-volumes:volumes_attached": [
            {"id": id_, "delete_on_termination": False} if version >= 3 else {"id": id_} for id_ in server.volume_ids
        ],
    }
    return view | _later(server, version, admin, alone)


def unreachable_view(server: Server, url: str, alone: bool) -> dict[str, object]:
    """The fields of a server in a cell that does not respond, from 2.69 on."""
    view: dict[str, object] = {
        "id": server.id,
        "status": "UNKNOWN",
        "tenant_id": server.project_id,
        "created": f"{server.created:%Y-%m-%dT%H:%M:%SZ}",
        "links": _links(url, "servers", server.id),
    }
    if alone:
        view |= {
            "user_id": server.user_id,
            "image": {"id": server.image_id, "links": _bookmark(url, "images", server.image_id or "")},
            "flavor": _flavor_of(server.flavor, url, 69),
            "OS-EXT-AZ:availability_zone": "UNKNOWN",
            "OS-EXT-STS:power_state": 0,
        }
    return view


def flavor_view(flavor: Flavor, url: str, version: int) -> dict[str, object]:
    view: dict[str, object] = {
        "id": flavor.id,
        "name": flavor.name,
        "ram": flavor.ram,
        "disk": flavor.disk,
        "swap": flavor.swap or (0 if version >= 75 else ""),
        "OS-FLV-EXT-DATA:ephemeral": flavor.ephemeral,
        "OS-FLV-DISABLED:disabled": False,
        "vcpus": flavor.vcpus,
        "os-flavor-access:is_public": flavor.public,
        "rxtx_factor": 1.0,
        "links": _links(url, "flavors", flavor.id),
    }
    if version >= 55:
        view["description"] = flavor.description
    if version >= 61:
        view["extra_specs"] = flavor.extra_specs
    return view


def _later(server: Server, version: int, admin: bool, alone: bool) -> dict[str, object]:
    """The fields that came with later microversions: (the first that has it, field, value)."""
    fields: list[tuple[int, str, object]] = [
        (9, "locked", False),
        (73, "locked_reason", None),
        (19, "description", server.description),
        (26, "tags", server.tags),
        (63, "trusted_image_certificates", None),
    ]
    if admin:
        fields.append((16, "host_status", "UP" if server.host else ""))
    if alone:
        fields.append((71, "server_groups", []))
    return {name: value for since, name, value in fields if version >= since}


def _host_attributes(server: Server, version: int) -> dict[str, object]:
    view: dict[str, object] = {
        "OS-EXT-SRV-ATTR:host": server.host,
        "OS-EXT-SRV-ATTR:instance_name": f"instance-{server.number:08x}",
        "OS-EXT-SRV-ATTR:hypervisor_hostname": server.host,
    }
    if version >= 3:
        view |= {
            "OS-EXT-SRV-ATTR:reservation_id": f"r-{server.id[:8]}",
            "OS-EXT-SRV-ATTR:launch_index": 0,
            "OS-EXT-SRV-ATTR:hostname": server.name,
            "OS-EXT-SRV-ATTR:kernel_id": "",
            "OS-EXT-SRV-ATTR:ramdisk_id": "",
            "OS-EXT-SRV-ATTR:root_device_name": "/dev/sda" if server.host else None,
            "OS-EXT-SRV-ATTR:user_data": server.user_data,
        }
    return view


def _flavor_of(flavor: Flavor, url: str, version: int) -> dict[str, object]:
    if version < 47:
        return {"id": flavor.id, "links": _bookmark(url, "flavors", flavor.id)}
    return {
        "vcpus": flavor.vcpus,
        "ram": flavor.ram,
        "disk": flavor.disk,
        "ephemeral": flavor.ephemeral,
        "swap": flavor.swap,
        "original_name": flavor.name,
        "extra_specs": flavor.extra_specs,
    }


def _fault(server: Server, admin: bool) -> dict[str, object]:
    fault: dict[str, object] = {
        "code": 500,
        "created": f"{server.updated:%Y-%m-%dT%H:%M:%SZ}",
        "message": server.fault,
    }
    return fault | {"details": f"Traceback (most recent call last):\n{server.fault}"} if admin else fault


def _addresses(state: CloudState, server: Server) -> dict[str, list[dict[str, object]]]:
    addresses: dict[str, list[dict[str, object]]] = {}
    for port in state.ports_of.get(server.id, ()):
        entries = addresses.setdefault(state.networks[port.network_id].name, [])
        kinds = [(port.address, "fixed"), *((floating.address, "floating") for floating in port.floating)]
        entries += [
            {"version": 4, "addr": address, "OS-EXT-IPS:type": kind, "OS-EXT-IPS-MAC:mac_addr": port.mac}
            for address, kind in kinds
        ]
    return addresses


def _microseconds(server: Server) -> str | None:
    return f"{server.launched:%Y-%m-%dT%H:%M:%S.%f}" if server.launched else None


def _links(url: str, kind: str, id_: str) -> list[dict[str, str]]:
    return [{"rel": "self", "href": f"{url}/v2.1/{kind}/{id_}"}, *_bookmark(url, kind, id_)]


def _bookmark(url: str, kind: str, id_: str) -> list[dict[str, str]]:
    return [{"rel": "bookmark", "href": f"{url}/{kind}/{id_}"}]
