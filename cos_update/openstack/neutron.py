"""Neutron's JSON to records: networks, and the CIDRs of their subnets."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from sys import intern
from typing import Any, NamedTuple

from cos_update.model.openstack import Network
from cos_update.openstack.values import truth


def network_from(record: Mapping[str, Any], cidrs: Mapping[str, Sequence[str]] | None) -> Network:
    """A network as shown or listed; `cidrs` by network id, None if the subnets could not be read."""
    network_id = intern(str(record["id"]))
    return Network(
        id=network_id,
        project_id=intern(str(record.get("project_id") or record.get("tenant_id") or "")),
        name=intern(str(record.get("name") or "")),
        status=intern(str(record.get("status") or "")),
        admin_state_up=truth(record.get("admin_state_up")),
        mtu=record["mtu"] if isinstance(record.get("mtu"), int) else None,
        shared=truth(record.get("shared")),
        port_security_enabled=truth(record.get("port_security_enabled")),
        l2_adjacency=truth(record.get("l2_adjacency")),
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
    return Subnet(str(record["id"]), str(record.get("network_id")), str(record.get("cidr") or ""))


def cidrs_of(subnets: Iterable[Subnet]) -> dict[str, list[str]]:
    """The subnets' CIDRs by the id of their network."""
    found: dict[str, list[str]] = {}
    for subnet in subnets:
        if subnet.cidr:
            found.setdefault(subnet.network_id, []).append(subnet.cidr)
    return found


def cidrs_by_network(records: Sequence[Mapping[str, Any]]) -> dict[str, list[str]]:
    """As `cidrs_of`, for subnets as listed."""
    return cidrs_of(map(subnet_from, records))
