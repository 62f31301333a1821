"""Flavors, servers and volumes: the state behind Nova and Cinder."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from itertools import count

from cos_update.fakes.openstack.networks import Networks
from cos_update.fakes.openstack.records import Attachment, Flavor, Network, Project, Server, Stack, Volume
from cos_update.fakes.openstack.stacks import Holder

HOST = "compute-0"
POWER = {"active": 1, "rescued": 1, "resized": 1, "paused": 3, "stopped": 4, "suspended": 4, "shelved": 4}
"""OS-EXT-STS:power_state by vm_state; 0 (no state) for all others."""
HEAT_USER_DATA = "Q29udGVudC1UeXBlOiBtdWx0aXBhcnQvbWl4ZWQ7"
"""The beginning of what Heat gives a server; a real one is about 10 kB, in every listing for an admin from 2.3 on."""
NO_VALID_HOST = "No valid host was found. "


class Machines(Networks):
    """Flavors, servers and volumes by id."""

    def __init__(self, seed: int, admin: bool) -> None:
        self.flavors: dict[str, Flavor] = {}
        self.servers: dict[str, Server] = {}
        self.deleted_servers: dict[str, Server] = {}
        """Deleted servers, which Nova keeps until an operator archives them."""
        self.volumes: dict[str, Volume] = {}
        self._numbers = count(1)
        super().__init__(seed, admin)
        self.image_id = self.new_uuid()

    def create_flavor(
        self,
        name: str,
        vcpus: int = 1,
        ram: int = 512,
        disk: int = 1,
        *,
        access: Iterable[Project] | None = None,
        description: str | None = None,
        extra_specs: Mapping[str, str] | None = None,
    ) -> Flavor:
        """A new flavor: public, or private to the projects in `access`."""
        with self.lock:
            flavor = Flavor(
                self.new_uuid(), name, vcpus, ram, disk,
                public=access is None,
                access={project.id for project in access or ()},
                description=description,
                extra_specs=dict(extra_specs or {}),
            )  # fmt: skip
            self.flavors[flavor.id] = flavor
            return flavor

    def delete_flavor(self, flavor: Flavor) -> None:
        """Remove a flavor; the servers that use it keep it."""
        with self.lock:
            self.flavors.pop(flavor.id, None)

    def add_server(
        self,
        holder: Holder,
        name: str,
        flavor: Flavor | None = None,
        *,
        state: str = "active",
        task: str | None = None,
        networks: Iterable[Network] | None = None,
        key_name: str | None = None,
        description: str | None = None,
        resource: str | None = None,
    ) -> Server:
        """A new server, as a resource of the stack if it is made in one, on `networks` (else the shared one).

        `state` is Nova's vm_state, `task` its task_state. One made in `building` or `error` never got to a host: it
        is on no network. `flavor` defaults to the first one there is.
        """
        with self.lock:
            now = self.now()
            project_id = holder.id if isinstance(holder, Project) else holder.project_id
            hosted = state not in ("building", "error")
            server = Server(
                self.new_uuid(), project_id, self.owner_of(project_id).id, name, flavor or self._any_flavor(),
                now, now, next(self._numbers), state, task, POWER.get(state, 0),
                launched=now if hosted else None,
                host=HOST if hosted else None,
                image_id=self.image_id,
                key_name=key_name,
                description=description,
                user_data=HEAT_USER_DATA if isinstance(holder, Stack) else None,
                fault=NO_VALID_HOST if state == "error" else "",
            )  # fmt: skip
            self.servers[server.id] = server
            if hosted:
                for network in [self.shared] if networks is None else networks:
                    self.plug(server, network)
            if isinstance(holder, Stack):
                self.add_resource(holder, resource or name, "OS::Nova::Server", server.id)
            return server

    def set_server_state(self, server: Server, state: str, task: str | None = None, fault: str = "") -> None:
        """Set vm_state and task_state; `fault` is the message of an `error`."""
        with self.lock:
            server.vm_state = state
            server.task_state = task
            server.power_state = POWER.get(state, 0)
            server.fault = fault or NO_VALID_HOST if state == "error" else ""
            if state not in ("building", "error") and server.host is None:
                server.host, server.launched = HOST, self.now()
            server.updated = self.now()

    def resize(self, server: Server, flavor: Flavor) -> None:
        """A confirmed resize: the server has another flavor."""
        with self.lock:
            server.flavor = flavor
            server.updated = self.now()

    def delete_server(self, server: Server, *, behind_heat: bool = False) -> None:
        """Remove a server, its ports and attachments. `behind_heat`: its stack still names it.

        Nova remembers it; `deleted_servers` may be cleared, as by `nova-manage db archive_deleted_rows`.
        """
        with self.lock:
            for volume_id in list(server.volume_ids):
                self.detach(self.volumes[volume_id], server)
            for port in list(self.ports_of[server.id]):
                self.remove_port(port)
            self.ports_of.pop(server.id, None)
            if self.servers.pop(server.id, None) is not None:
                server.vm_state, server.task_state, server.power_state = "deleted", None, 0
                server.updated = self.now()
                self.deleted_servers[server.id] = server
            if not behind_heat:
                self.remove_resources_of(server.id)

    def create_volume(
        self,
        holder: Holder,
        name: str | None,
        size: int = 10,
        *,
        status: str = "available",
        bootable: bool = False,
        encrypted: bool = False,
        resource: str | None = None,
    ) -> Volume:
        """A new volume on no server, as a resource of the stack if it is made in one."""
        with self.lock:
            now = self.now()
            project_id = holder.id if isinstance(holder, Project) else holder.project_id
            volume = Volume(
                self.new_uuid(), project_id, self.owner_of(project_id).id, name, size, now, now,
                status, bootable, encrypted,
            )  # fmt: skip
            self.volumes[volume.id] = volume
            if isinstance(holder, Stack):
                self.add_resource(holder, resource or name or "volume", "OS::Cinder::Volume", volume.id)
            return volume

    def set_volume_status(self, volume: Volume, status: str) -> None:
        """Set any of Cinder's statuses."""
        with self.lock:
            volume.status = status
            volume.updated = self.now()

    def attach(self, volume: Volume, server: Server) -> None:
        """Attach a volume to a server: it is in-use."""
        with self.lock:
            device = f"/dev/sd{chr(ord('b') + len(server.volume_ids))}"
            volume.attachments = [*volume.attachments, Attachment(self.new_uuid(), server.id, device, self.now())]
            server.volume_ids = [*server.volume_ids, volume.id]
            self.set_volume_status(volume, "in-use")

    def detach(self, volume: Volume, server: Server) -> None:
        """Detach a volume from a server; when it was on no other, it is available."""
        with self.lock:
            volume.attachments = [held for held in volume.attachments if held.server_id != server.id]
            server.volume_ids = [held for held in server.volume_ids if held != volume.id]
            self.set_volume_status(volume, "in-use" if volume.attachments else "available")

    def delete_volume(self, volume: Volume, *, behind_heat: bool = False) -> None:
        """Remove a volume, from its servers too. `behind_heat`: its stack still names it."""
        with self.lock:
            for held in volume.attachments:
                self.detach(volume, self.servers[held.server_id])
            self.volumes.pop(volume.id, None)
            if not behind_heat:
                self.remove_resources_of(volume.id)

    def _any_flavor(self) -> Flavor:
        return next(iter(self.flavors.values()), None) or self.create_flavor("m1.tiny")

    def _server_changed(self, server_id: str) -> None:
        if server_id in self.servers:
            self.servers[server_id].changed()
