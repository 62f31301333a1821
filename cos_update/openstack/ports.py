"""Servers whose addresses may have changed, from Neutron's ports and floating IPs; Nova's changes lack them."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any
from zlib import crc32

from cos_update.model.errors import CloudError
from cos_update.openstack.pages import Query, linked
from cos_update.openstack.session import NETWORK, ProjectSession

Record = Mapping[str, Any]
PORT_FIELDS = ("id", "device_id", "updated_at")
ADDRESS_FIELDS = ("id", "floating_ip_address", "port_id", "updated_at")
Each = Callable[[Callable[[ProjectSession], list[Record]]], Iterable[Record]]
"""Runs a request in every session that must be queried; yields the records."""


@dataclass(frozen=True, slots=True)
class PortChanges:
    """The ids of servers, and floating addresses that may be disassociated by now.

    `checksums` has a checksum of each server's ports and floating IPs if all were listed; else None.
    """

    servers: frozenset[str] = frozenset()
    addresses: frozenset[str] = frozenset()
    checksums: Mapping[str, int] | None = field(default=None)


def changed_ports(each: Each, since: str) -> PortChanges:
    """Derived from the ports and floating IPs that have changed since a time (ISO 8601). Raises CloudError."""
    ports = list(each(lambda session: _list(session, "ports", {"changed_since": since, "fields": PORT_FIELDS})))
    floating = list(each(lambda session: _floating(session, {"changed_since": since})))
    servers = {str(port.get("device_id") or "") for port in ports}
    servers |= {str(device) for ip in floating if (device := (ip.get("port_details") or {}).get("device_id"))}
    addresses = {str(ip.get("floating_ip_address") or "") for ip in floating}
    return PortChanges(frozenset(servers - {""}), frozenset(addresses - {""}))


def compared_ports(each: Each, since: str, before: Mapping[str, int]) -> PortChanges:
    """Derived from all ports and floating IPs, for a Neutron that rejects `changed_since`. Raises CloudError.

    Requests only the necessary fields, which is cheap for Neutron. `before` are the checksums of the last reading; {}
    if unknown.
    """
    ports = list(each(lambda session: _list(session, "ports", {"fields": PORT_FIELDS})))
    floating = list(each(lambda session: _floating(session, {"fields": ADDRESS_FIELDS})))
    server_of = {str(port["id"]): str(port.get("device_id") or "") for port in ports}
    held: dict[str, list[str]] = defaultdict(list)
    for port_id, server in server_of.items():
        held[server].append(port_id)
    for ip in floating:
        held[server_of.get(str(ip.get("port_id")), "")].append(str(ip["id"]))
    held.pop("", None)
    checksums = {server: crc32(",".join(sorted(ids)).encode()) for server, ids in held.items()}
    recent = {server_of[str(port["id"])] for port in ports if _is_recent(port, since)}
    recent |= {server_of.get(str(ip.get("port_id")), "") for ip in floating if _is_recent(ip, since)}
    if before:
        recent |= {server for server in checksums.keys() | before.keys() if checksums.get(server) != before.get(server)}
    return PortChanges(frozenset(recent - {""}), checksums=checksums)


def _is_recent(record: Record, since: str) -> bool:
    time = record.get("updated_at")
    return isinstance(time, str) and time[: len(since)] >= since


def _list(session: ProjectSession, key: str, params: Query) -> list[Record]:
    return linked(session, NETWORK, f"/{key}", key).read(params, lambda record: record)


def _floating(session: ProjectSession, params: Query) -> list[Record]:
    """Floating IPs; none if Neutron has no router extension, and so no floating IPs."""
    try:
        return _list(session, "floatingips", params)
    except CloudError as error:
        if error.status == 404:
            return []
        raise
