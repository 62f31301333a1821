"""Cinder's and Neutron's JSON to records."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from sys import intern
from typing import Any, NamedTuple

from cos_update.model.openstack import Network, Volume


def volume_from(record: Mapping[str, Any]) -> Volume:
    """A volume as shown or listed; `bootable` comes as the text "true" or "false"."""
    return Volume(
        id=intern(str(record["id"])),
        project_id=intern(str(record.get("os-vol-tenant-attr:tenant_id") or "")),
        name=intern(str(record.get("name") or "")),
        status=intern(str(record.get("status") or "")),
        size=record["size"] if isinstance(record.get("size"), int) else 0,
        availability_zone=intern(str(record.get("availability_zone") or "")),
        bootable=_truth(record.get("bootable")),
        encrypted=_truth(record.get("encrypted")),
        read_only=_truth((record.get("metadata") or {}).get("readonly")),
        volume_type=intern(str(record.get("volume_type") or "")),
        description=str(record.get("description") or ""),
        created=str(record.get("created_at") or ""),
        server_ids=tuple(
            intern(str(held["server_id"])) for held in record.get("attachments") or [] if held["server_id"]
        ),
    )


def network_from(record: Mapping[str, Any], cidrs: Mapping[str, Sequence[str]] | None) -> Network:
    """A network as shown or listed; `cidrs` by network id, None when the subnets could not be read."""
    network_id = intern(str(record["id"]))
    return Network(
        id=network_id,
        project_id=intern(str(record.get("project_id") or record.get("tenant_id") or "")),
        name=intern(str(record.get("name") or "")),
        status=intern(str(record.get("status") or "")),
        admin_state_up=_truth(record.get("admin_state_up")),
        mtu=record["mtu"] if isinstance(record.get("mtu"), int) else None,
        shared=_truth(record.get("shared")),
        port_security_enabled=_truth(record.get("port_security_enabled")),
        l2_adjacency=_truth(record.get("l2_adjacency")),
        dns_domain=record.get("dns_domain"),
        qos_policy=record.get("qos_policy_id"),
        description=str(record.get("description") or ""),
        cidrs=None if cidrs is None else tuple(sorted(cidrs.get(network_id, ()))),
        created=str(record.get("created_at") or ""),
    )


class Subnet(NamedTuple):
    """A subnet: its network and its CIDR."""

    id: str
    network_id: str
    cidr: str


def subnet_from(record: Mapping[str, Any]) -> Subnet:
    """A subnet as listed."""
    return Subnet(str(record["id"]), str(record.get("network_id")), str(record.get("cidr") or ""))


def cidrs_of(subnets: Iterable[Subnet]) -> dict[str, list[str]]:
    """The subnets' CIDRs by the id of their network."""
    found: dict[str, list[str]] = {}
    for subnet in subnets:
        if subnet.cidr:
            found.setdefault(subnet.network_id, []).append(subnet.cidr)
    return found


def cidrs_by_network(records: Sequence[Mapping[str, Any]]) -> dict[str, list[str]]:
    """As `cidrs_of`, of subnets as listed."""
    return cidrs_of(map(subnet_from, records))


def _truth(value: object) -> bool | None:
    if isinstance(value, bool):
        return value
    return {"true": True, "false": False}.get(value.lower()) if isinstance(value, str) else None
