"""Nova's JSON to records. Every key is optional: they vary by microversion, policy and state."""

from __future__ import annotations

from collections.abc import Mapping
from sys import intern
from typing import Any

from cos_update.model.openstack import Address, Flavor, Server

SERVERS_VERSION = (2, 46)
"""The last microversion with the id of a server's flavor."""
EMBEDDED_VERSION = (2, 47)
"""The first microversion that embeds a server's flavor, which may be deleted by now."""
FLAVORS_VERSION = (2, 55)
"""The first microversion with descriptions of flavors."""

_VM_STATES: Mapping[str, str] = {
    "ACTIVE": "active",
    "BUILD": "building",
    "REBUILD": "building",
    "REBOOT": "active",
    "HARD_REBOOT": "active",
    "PASSWORD": "active",
    "MIGRATING": "active",
    "RESIZE": "active",
    "REVERT_RESIZE": "resized",
    "VERIFY_RESIZE": "resized",
    "RESCUE": "rescued",
    "PAUSED": "paused",
    "SUSPENDED": "suspended",
    "SHUTOFF": "stopped",
    "SHELVED": "shelved",
    "SHELVED_OFFLOADED": "shelved_offloaded",
    "SOFT_DELETED": "soft-delete",
    "DELETED": "deleted",
    "ERROR": "error",
}


def server_from(record: Mapping[str, Any]) -> Server:
    """A server as shown or listed, at any microversion.

    Strings that many records share, ids above all, are interned.
    """
    flavor = record.get("flavor") or {}
    status = str(record.get("status") or "")
    return Server(
        id=intern(str(record["id"])),
        project_id=intern(str(record.get("tenant_id") or "")),
        name=intern(str(record.get("name") or "")),
        vm_state=intern(str(record.get("OS-EXT-STS:vm_state") or _VM_STATES.get(status, status.lower()))),
        task_state=_text(record, "OS-EXT-STS:task_state"),
        flavor_id=intern(str(flavor.get("id") or "")),
        flavor=embedded_flavor(flavor) if "vcpus" in flavor else None,
        addresses=tuple(_addresses(record.get("addresses") or {})),
        key_name=_text(record, "key_name"),
        volume_ids=tuple(
            sorted(intern(str(item["id"])) for item in record.get("os-extended-volumes:volumes_attached") or [])
        ),
        description=str(record.get("description") or ""),
        created=str(record.get("created") or ""),
    )


def embedded_flavor(flavor: Mapping[str, Any]) -> Flavor:
    """The flavor embedded in a server from 2.47 on, which has no id."""
    return Flavor(
        "",
        str(flavor.get("original_name") or ""),
        _whole(flavor, "vcpus"),
        _whole(flavor, "ram"),
        _whole(flavor, "disk"),
    )


def flavor_from(record: Mapping[str, Any]) -> Flavor:
    return Flavor(
        id=str(record["id"]),
        name=str(record.get("name") or ""),
        vcpus=_whole(record, "vcpus"),
        ram=_whole(record, "ram"),
        disk=_whole(record, "disk"),
        description=str(record.get("description") or ""),
    )


def _addresses(networks: Mapping[str, Any]) -> list[Address]:
    found = [
        Address(intern(str(network)), str(item.get("addr") or ""), item.get("OS-EXT-IPS:type") == "floating")
        for network, items in networks.items()
        for item in items or []
    ]
    return sorted(found, key=lambda a: (a.network, a.address))


def _text(record: Mapping[str, Any], key: str) -> str | None:
    value = record.get(key)
    return str(value) if value else None


def _whole(record: Mapping[str, Any], key: str) -> int:
    value = record.get(key)
    return value if isinstance(value, int) else 0
