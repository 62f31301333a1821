"""Neutron v2.0: networks, subnets, ports and floating IPs, filtered by role."""

from __future__ import annotations

import ipaddress
import json
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Generic, TypeVar
from urllib.parse import urlencode

from aiohttp import web

from cos_update.fakes.openstack.networks import FIRST_ADDRESS
from cos_update.fakes.openstack.records import FloatingIp, Network, Port, Subnet
from cos_update.fakes.openstack.service import Call, Refusal, Service, found, listing, page_of, parsed_time

Thing = TypeVar("Thing", Network, Subnet, Port, FloatingIp)
PAGING = "limit marker fields"
CHANGED_SINCE = "changed_since"
FILTERS = f"id name status project_id tenant_id {CHANGED_SINCE}"


def refusal(status: int, error: str, message: str) -> Refusal:
    """A refusal in Neutron's form."""
    return Refusal(status, {"NeutronError": {"type": error, "message": message, "detail": ""}})


@dataclass(frozen=True)
class Kind(Generic[Thing]):
    """One kind of object: its name in paths, in errors and in prose, and how it is read."""

    name: str
    error: str
    prose: str
    filters: str
    items: Callable[[], Iterable[Thing]]
    visible: Callable[[Call, Thing], bool]
    view: Callable[[Thing, bool], Mapping[str, object]]

    def missing(self, id_: str) -> Refusal:
        end = "" if self.error == "FloatingIPNotFound" else "."
        return refusal(404, self.error, f"{self.prose} {id_} could not be found{end}")


class Neutron(Service):
    """An admin sees everything; others see objects that are their project's, shared or external."""

    name = "neutron"
    prefix = "/network"

    def add_routes(self, router: web.UrlDispatcher) -> None:
        for end in ("", "/"):
            self.get(router, end, self._root, open_=True)
        state = self.state
        networks = state.networks
        self._add(router, Kind(
            "network", "NetworkNotFound", "Network", "shared router:external admin_state_up",
            networks.values, self._network_visible, _network,
        ))  # fmt: skip
        self._add(router, Kind(
            "subnet", "SubnetNotFound", "Subnet", "network_id cidr",
            lambda: (subnet for network in networks.values() for subnet in network.subnets),
            self._subnet_visible, _subnet,
        ))  # fmt: skip
        self._add(router, Kind(
            "port", "PortNotFound", "Port", "network_id device_id device_owner",
            state.ports.values, _own, _port,
        ))  # fmt: skip
        self._add(router, Kind(
            "floatingip", "FloatingIPNotFound", "Floating IP", "port_id floating_ip_address",
            state.floating_ips.values, _own, self._floating_ip,
        ))  # fmt: skip

    def bad_request(self, message: str) -> Refusal:
        return refusal(400, "HTTPBadRequest", message)

    def _root(self, call: Call) -> web.Response:
        links = [{"rel": "self", "href": f"{self.url}/v2.0/"}]
        return found({"versions": [{"id": "v2.0", "status": "CURRENT", "links": links}]})

    def _add(self, router: web.UrlDispatcher, kind: Kind[Thing]) -> None:
        path = f"/v2.0/{kind.name}s"
        query = f"{FILTERS} {kind.filters} {PAGING}"
        self.get(router, path, lambda call: self._list(call, kind), query=query)
        self.get(router, path + "/{id}", lambda call: self._show(call, kind), query="fields")

    def _list(self, call: Call, kind: Kind[Thing]) -> web.Response:
        things = [thing for thing in kind.items() if kind.visible(call, thing)]
        things.sort(key=lambda thing: thing.id)
        wanted = _filters(call)
        since = self._changed_since(wanted)
        if since is not None:
            things = [thing for thing in things if thing.updated >= since]
        if wanted:
            things = [thing for thing in things if _fits(kind.view(thing, call.is_admin), wanted)]
        marker, size = call.query("marker"), self.page_size(self._limit(call))
        page = page_of(things, marker, size)
        if page is None:
            raise kind.missing(marker or "")
        links = self._links(call, [thing.id for thing in page], size)
        return listing(f"{kind.name}s", [self._json(call, kind, thing) for thing in page], f"{kind.name}s_links", links)

    def _changed_since(self, wanted: dict[str, list[str]]) -> datetime | None:
        """Takes changed_since out of the filters. The validation of filters rejects it (observed on Zed)."""
        if CHANGED_SINCE not in wanted:
            return None
        if self.state.neutron_validates_filters:
            raise self.bad_request(f"['{CHANGED_SINCE}'] is invalid attribute for filtering")
        (text, *_) = wanted.pop(CHANGED_SINCE)
        time = parsed_time(text)
        if time is None:
            message = f"The input {CHANGED_SINCE} must be in the following format: YYYY-MM-DDTHH:MM:SSZ"
            raise refusal(400, "InvalidInput", f"Invalid input for operation: {message}.")
        return time

    def _show(self, call: Call, kind: Kind[Thing]) -> web.Response:
        for thing in kind.items():
            if thing.id == call.part("id") and kind.visible(call, thing):
                return found({kind.name: kind.view(thing, call.is_admin)})
        raise kind.missing(call.part("id"))

    def _json(self, call: Call, kind: Kind[Thing], thing: Thing) -> str:
        fields = call.request.query.getall("fields", [])
        if fields:
            view = kind.view(thing, call.is_admin)
            return json.dumps({name: value for name, value in view.items() if name in fields})
        if isinstance(thing, FloatingIp):  # shows what its port is, and so cannot be kept
            return json.dumps(kind.view(thing, call.is_admin))
        return thing.as_json(call.is_admin, lambda: kind.view(thing, call.is_admin))

    def _limit(self, call: Call) -> int | None:
        limit = call.query("limit")
        if limit is not None and not limit.isdecimal():
            message = f"Bad limit request: Limit must be an integer 0 or greater and not '{limit}'."
            raise refusal(400, "BadRequest", message)
        return int(limit or 0) or None

    def _links(self, call: Call, ids: list[str], size: int | None) -> list[dict[str, str]]:
        """Links only in paginated listings; `next` on every full page, even the last one."""
        if size is None:
            return []
        links = self.next_link(call, ids[-1]) if len(ids) == size else []
        query = [pair for pair in call.request.query.items() if pair[0] != "marker"]
        query += [("marker", ids[0])] if ids else []
        back = urlencode([*query, ("page_reverse", "True")])
        return [*links, {"rel": "previous", "href": f"{self._address()}{call.request.path}?{back}"}]

    def _network_visible(self, call: Call, network: Network) -> bool:
        return _own(call, network) or network.shared or network.external

    def _subnet_visible(self, call: Call, subnet: Subnet) -> bool:
        return _own(call, subnet) or self.state.networks[subnet.network_id].shared

    def _floating_ip(self, floating: FloatingIp, admin: bool) -> Mapping[str, object]:
        port = self.state.ports.get(floating.port_id or "")
        return {
            "id": floating.id,
            "tenant_id": floating.project_id,
            "floating_ip_address": floating.address,
            "floating_network_id": floating.network_id,
            "router_id": floating.router_id if port else None,
            "port_id": floating.port_id,
            "fixed_ip_address": port.address if port else None,
            "status": "DOWN",
            "description": "",
            "port_details": _port_details(port) if port else None,
            **_times_and_project(floating, revision=0),
        }


def _own(call: Call, thing: Network | Subnet | Port | FloatingIp) -> bool:
    return call.is_admin or thing.project_id == call.project_id


def _filters(call: Call) -> dict[str, list[str]]:
    query = call.request.query
    return {name: query.getall(name) for name in query if name not in PAGING.split()}


def _fits(view: Mapping[str, object], wanted: Mapping[str, list[str]]) -> bool:
    return all(str(view.get(name)).lower() in [value.lower() for value in values] for name, values in wanted.items())


def _network(network: Network, admin: bool) -> Mapping[str, object]:
    view: dict[str, object] = {
        "id": network.id,
        "name": network.name,
        "tenant_id": network.project_id,
        "admin_state_up": network.admin_state_up,
        "mtu": network.mtu,
        "status": network.status,
        "subnets": [subnet.id for subnet in network.subnets],
        "shared": network.shared,
        "availability_zone_hints": [],
        "availability_zones": [],
        "ipv4_address_scope": None,
        "ipv6_address_scope": None,
        "router:external": network.external,
        "description": network.description,
        "port_security_enabled": network.port_security,
        **({"is_default": False} if network.external else {}),
        **_times_and_project(network, revision=2),
    }
    if admin:
        view["provider:network_type"] = "flat" if network.external else "vxlan"
        view["provider:physical_network"] = "physnet1" if network.external else None
        view["provider:segmentation_id"] = None if network.external else network.segment
    return view


def _subnet(subnet: Subnet, admin: bool) -> Mapping[str, object]:
    addresses = ipaddress.ip_network(subnet.cidr)
    return {
        "id": subnet.id,
        "name": subnet.name,
        "tenant_id": subnet.project_id,
        "network_id": subnet.network_id,
        "ip_version": addresses.version,
        "subnetpool_id": None,
        "enable_dhcp": False,
        "ipv6_ra_mode": None,
        "ipv6_address_mode": None,
        "gateway_ip": str(addresses[1]),
        "cidr": subnet.cidr,
        "allocation_pools": [{"start": str(addresses[FIRST_ADDRESS]), "end": str(addresses[-2])}],
        "host_routes": [],
        "dns_nameservers": [],
        "description": "",
        "service_types": [],
        **_times_and_project(subnet, revision=0),
    }


def _port(port: Port, admin: bool) -> Mapping[str, object]:
    view: dict[str, object] = {
        "id": port.id,
        "name": port.name,
        "network_id": port.network_id,
        "tenant_id": port.project_id,
        "mac_address": port.mac,
        "admin_state_up": True,
        "status": "ACTIVE",
        "device_id": port.device_id,
        "device_owner": "compute:nova",
        "fixed_ips": [{"subnet_id": port.subnet_id, "ip_address": port.address}],
        "allowed_address_pairs": [],
        "extra_dhcp_opts": [],
        "security_groups": [port.security_group_id],
        "description": "",
        "binding:vnic_type": "normal",
    }
    if admin:
        view["binding:profile"] = {}
        view["binding:host_id"] = port.host
        view["binding:vif_type"] = "ovs"
        view["binding:vif_details"] = {"port_filter": True, "connectivity": "l2", "bound_drivers": {"0": "fake"}}
    return view | {"port_security_enabled": True, **_times_and_project(port, revision=3)}


def _port_details(port: Port) -> Mapping[str, object]:
    return {
        "name": port.name,
        "network_id": port.network_id,
        "mac_address": port.mac,
        "admin_state_up": True,
        "status": "ACTIVE",
        "device_id": port.device_id,
        "device_owner": "compute:nova",
    }


def _times_and_project(thing: Network | Subnet | Port | FloatingIp, revision: int) -> dict[str, object]:
    return {
        "tags": [],
        "created_at": f"{thing.created:%Y-%m-%dT%H:%M:%SZ}",
        "updated_at": f"{thing.updated:%Y-%m-%dT%H:%M:%SZ}",
        "revision_number": revision,
        "project_id": thing.project_id,
    }
