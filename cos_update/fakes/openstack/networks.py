"""Networks, subnets, ports and floating IPs: the state behind Neutron."""

from __future__ import annotations

import ipaddress
from collections import defaultdict

from cos_update.fakes.openstack.records import FloatingIp, Network, Port, Project, Server, Stack, Subnet
from cos_update.fakes.openstack.stacks import Holder, Stacks

FIRST_ADDRESS = 2
"""The first address of a subnet that is allocated; the one before it is the gateway's."""


class Networks(Stacks):
    """Networks with their subnets, the ports of servers, and floating IPs on an external network."""

    def __init__(self, seed: int, admin: bool) -> None:
        super().__init__(seed, admin)
        self.networks: dict[str, Network] = {}
        self.ports: dict[str, Port] = {}
        self.ports_of: defaultdict[str, list[Port]] = defaultdict(list)
        """The ports of each server, by the server's id."""
        self.floating_ips: dict[str, FloatingIp] = {}
        self._security_groups: dict[str, str] = {}
        self.public = self.create_network(self.admin_project, "public", cidr="203.0.0.0/16", external=True)
        self.shared = self.create_network(self.admin_project, "shared", cidr="192.168.0.0/16", shared=True)

    def create_network(
        self,
        holder: Holder,
        name: str,
        *,
        cidr: str | None = "10.50.0.0/16",
        status: str = "ACTIVE",
        shared: bool = False,
        external: bool = False,
        resource: str = "net",
    ) -> Network:
        """A new network with one subnet (`cidr` None: with none), as a resource of the stack if it is made in one."""
        with self.lock:
            now = self.now()
            network = Network(
                self.new_uuid(), _project_id(holder), name, 1 + len(self.networks), now, now, status,
                shared=shared, external=external, mtu=1500 if external else 1450,
            )  # fmt: skip
            self.networks[network.id] = network
            if isinstance(holder, Stack):
                self.add_resource(holder, resource, "OS::Neutron::Net", network.id)
            if cidr is not None:
                subnet = self.add_subnet(network, cidr, f"{name}-subnet")
                if isinstance(holder, Stack):
                    self.add_resource(holder, "subnet", "OS::Neutron::Subnet", subnet.id)
            return network

    def add_subnet(self, network: Network, cidr: str, name: str = "") -> Subnet:
        with self.lock:
            now = self.now()
            subnet = Subnet(self.new_uuid(), network.project_id, network.id, name, cidr, now, now)
            network.subnets = [*network.subnets, subnet]
            network.updated = now
            return subnet

    def remove_subnet(self, network: Network, subnet: Subnet) -> None:
        """Remove a subnet from its network."""
        with self.lock:
            network.subnets = [each for each in network.subnets if each is not subnet]
            network.updated = self.now()

    def set_network_status(self, network: Network, status: str) -> None:
        """ACTIVE, DOWN, BUILD or ERROR; a DOWN network is also down by its admin's will."""
        with self.lock:
            network.status = status
            network.admin_state_up = status != "DOWN"
            network.updated = self.now()

    def delete_network(self, network: Network) -> None:
        """Remove a network with its subnets and the ports on it."""
        with self.lock:
            for port in [port for port in self.ports.values() if port.network_id == network.id]:
                self.remove_port(port)
            self.networks.pop(network.id, None)
            self.remove_resources_of(network.id)
            for subnet in network.subnets:
                self.remove_resources_of(subnet.id)

    def plug(self, server: Server, network: Network) -> Port:
        """Connect a server to a network that has a subnet, at the next free address."""
        with self.lock:
            subnet = network.subnets[0]
            address = ipaddress.ip_network(subnet.cidr)[FIRST_ADDRESS + network.handed_out]
            network.handed_out += 1
            now = self.now()
            group = self._security_groups.setdefault(server.project_id, self.new_uuid())
            port = Port(
                self.new_uuid(), server.project_id, network.id, server.id, self.new_mac(), str(address),
                subnet.id, group, now, now, host=server.host or "",
            )  # fmt: skip
            self.ports[port.id] = port
            self.ports_of[server.id].append(port)
            server.changed()
            return port

    def add_floating_ip(self, server: Server) -> FloatingIp:
        """A floating IP on a server's first port; raises ValueError when it has no port."""
        with self.lock:
            if not self.ports_of[server.id]:
                raise ValueError(f"{server.name} is on no network")
            port = self.ports_of[server.id][0]
            address = ipaddress.ip_network(self.public.subnets[0].cidr)[FIRST_ADDRESS + self.public.handed_out]
            self.public.handed_out += 1
            now = self.now()
            floating = FloatingIp(
                self.new_uuid(), server.project_id, str(address), self.public.id, self.new_uuid(), now, now, port.id
            )
            self.floating_ips[floating.id] = floating
            port.floating = [*port.floating, floating]
            server.changed()
            return floating

    def delete_floating_ip(self, floating: FloatingIp) -> None:
        """Remove a floating IP, from its server too."""
        with self.lock:
            self.floating_ips.pop(floating.id, None)
            port = self.ports.get(floating.port_id or "")
            if port is not None:
                port.floating = [other for other in port.floating if other is not floating]
                self._server_changed(port.device_id)

    def remove_port(self, port: Port) -> None:
        """Disconnect a server from a network; floating IPs of the port stay, disassociated."""
        with self.lock:
            self.ports.pop(port.id, None)
            self.ports_of[port.device_id].remove(port)
            for floating in port.floating:
                floating.port_id = None
            self._server_changed(port.device_id)

    def _rename_network(self, network: Network, name: str) -> None:
        network.name = name
        for port in self.ports.values():
            if port.network_id == network.id:
                self._server_changed(port.device_id)

    def _server_changed(self, server_id: str) -> None:
        raise NotImplementedError


def _project_id(holder: Holder) -> str:
    return holder.id if isinstance(holder, Project) else holder.project_id
