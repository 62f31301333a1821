"""A random history of a cloud, and the notifications that its services publish about it."""

from __future__ import annotations

import random
from collections.abc import Callable, Iterator

from cos_update.fakes.openstack.records import Flavor, Network, Project, Server, Stack, Volume
from cos_update.fakes.openstack.state import CloudState
from cos_update.model.events import Key
from cos_update.model.kinds import ResourceKind
from tests.integration.listener.bus import Message, message
from tests.integration.listener.hands import key

STATES = ("active", "stopped", "suspended", "error", "paused", "shelved_offloaded", "building")
NAMES = ("node", "node_1", "node 1", "node.1", "日本語", "login", "x" * 255)
Told = Iterator[Message]


class History:
    """Each step changes the cloud and gives the messages about it, in the order in which they are sent."""

    def __init__(self, cloud: CloudState, chance: random.Random) -> None:
        self._cloud = cloud
        self._chance = chance
        self._number = 0
        self._named_after_stacks: set[str] = set()
        self._steps: tuple[Callable[[], Told], ...] = (
            self._state, self._state, self._state, self._rename, self._resize, self._add, self._add, self._scale,
            self._delete, self._delete_behind_heat, self._new_stack, self._end_stack, self._action, self._outputs,
            self._new_volume, self._attach, self._attach, self._detach, self._rename_volume, self._volume_status,
            self._delete_volume, self._new_network, self._subnet, self._network_status, self._rename_network,
            self._plug, self._floating, self._no_floating, self._new_flavor, self._delete_network,
        )  # fmt: skip

    def step(self) -> list[Message]:
        """One change, of whichever kind there is something for."""
        while True:
            step = self._chance.choice(self._steps)
            with self._cloud.lock:
                messages = list(step())
            if messages:
                return messages

    def _state(self) -> Told:
        for server in self._one(self._servers()):
            self._cloud.set_server_state(server, self._chance.choice(STATES))
            yield self._of_server(server)

    def _rename(self) -> Told:
        for server in self._one([item for item in self._servers() if item.name not in self._named_after_stacks]):
            self._cloud.rename(server, self._name())
            yield self._of_server(server)

    def _resize(self) -> Told:
        for server in self._one(self._servers()):
            self._cloud.resize(server, self._flavor())
            yield message("compute.instance.finish_resize.end", key(ResourceKind.SERVER, server))
            yield message("compute.instance.resize.confirm.end", key(ResourceKind.SERVER, server))

    def _add(self) -> Told:
        """As an update of the stack does."""
        for stack in self._one(self._stacks(nested=True)):
            yield from self._new_server(stack)
            self._cloud.update_stack(stack)
            yield message("orchestration.stack.update.end", key(ResourceKind.STACK, stack))

    def _scale(self) -> Told:
        """As autoscaling does: nothing shows it but the server, which is named after its stack."""
        for stack in self._one([stack for stack in self._stacks(nested=True) if stack.parent_id]):
            self._number += 1
            name = f"{self._cloud.top_of(stack).name}-{self._number}"
            self._named_after_stacks.add(name)
            yield from self._new_server(stack, name)

    def _delete(self) -> Told:
        for server in self._one(self._servers()):
            holder = self._holder(server.id)
            yield from self._gone(server)
            if holder is not None:
                self._cloud.update_stack(holder)
                yield message("orchestration.stack.update.end", key(ResourceKind.STACK, holder))

    def _delete_behind_heat(self) -> Told:
        for server in self._one(self._servers()):
            self._cloud.delete_server(server, behind_heat=True)
            yield message("compute.instance.delete.end", key(ResourceKind.SERVER, server))

    def _new_stack(self) -> Told:
        stack = self._cloud.create_stack(self._project(), self._name(), outputs=self._new_outputs())
        yield message("orchestration.stack.create.start", key(ResourceKind.STACK, stack))
        holder = self._cloud.add_nested(stack, "group") if self._chance.random() < 0.5 else stack
        for _ in range(self._chance.randrange(1, 4)):
            yield from self._new_server(holder)
        if self._chance.random() < 0.5:
            yield message("volume.create.end", key(ResourceKind.VOLUME, self._cloud.create_volume(stack, self._name())))
            yield message(
                "network.create.end", key(ResourceKind.NETWORK, self._cloud.create_network(stack, self._name()))
            )
        yield message("orchestration.stack.create.end", key(ResourceKind.STACK, stack))

    def _end_stack(self) -> Told:
        stacks = self._stacks()
        if len(stacks) < 3:
            return
        for stack in self._one(stacks):
            held = self._held(stack)
            yield message("orchestration.stack.delete.start", key(ResourceKind.STACK, stack))
            self._cloud.delete_stack(stack)
            for item in held:
                if isinstance(item, Server):
                    yield message("compute.instance.delete.end", key(ResourceKind.SERVER, item))
                elif isinstance(item, Volume):
                    yield message("volume.delete.end", key(ResourceKind.VOLUME, item))
                else:
                    yield message("network.delete.end", key(ResourceKind.NETWORK, item))
            yield message("orchestration.stack.delete.end", key(ResourceKind.STACK, stack))

    def _action(self) -> Told:
        for stack in self._one(self._stacks()):
            if stack.status.endswith("IN_PROGRESS"):
                (self._cloud.complete if self._chance.random() < 0.7 else self._cloud.fail)(stack)
                yield message("orchestration.stack.update.end", key(ResourceKind.STACK, stack))
            else:
                self._cloud.begin(stack, self._chance.choice(["UPDATE", "SUSPEND", "CHECK"]))
                yield message("orchestration.stack.update.start", key(ResourceKind.STACK, stack))

    def _outputs(self) -> Told:
        for stack in self._one(self._stacks()):
            self._cloud.set_outputs(stack, self._new_outputs() | {"count": self._number})
            self._cloud.update_stack(stack)
            yield message("orchestration.stack.update.end", key(ResourceKind.STACK, stack))

    def _new_volume(self) -> Told:
        """In a stack, or of a project alone, as what is attached by hand often is."""
        holder: Project | Stack = self._project()
        for stack in self._one(self._stacks()) if self._chance.random() < 0.7 else ():
            self._cloud.update_stack(stack)
            holder = stack
            yield message("orchestration.stack.update.end", key(ResourceKind.STACK, stack))
        volume = self._cloud.create_volume(holder, self._name(), self._chance.randrange(1, 100))
        yield message("volume.create.end", key(ResourceKind.VOLUME, volume))

    def _attach(self) -> Told:
        for server in self._one(self._servers()):
            free = [v for v in self._volumes() if not v.attachments and v.project_id == server.project_id]
            for volume in self._one(free):
                self._cloud.attach(volume, server)
                keys = key(ResourceKind.VOLUME, volume), key(ResourceKind.SERVER, server)
                yield message("volume.attach.end", *keys)
                yield message("compute.instance.volume.attach", *reversed(keys))

    def _detach(self) -> Told:
        for volume in self._one([volume for volume in self._volumes() if volume.attachments]):
            yield from self._detached(volume)

    def _rename_volume(self) -> Told:
        for volume in self._one(self._volumes()):
            self._cloud.rename(volume, self._name())
            yield self._of_volume(volume)

    def _volume_status(self) -> Told:
        for volume in self._one([volume for volume in self._volumes() if not volume.attachments]):
            self._cloud.set_volume_status(volume, self._chance.choice(["available", "error", "extending"]))
            yield self._of_volume(volume)

    def _delete_volume(self) -> Told:
        for volume in self._one(self._volumes()):
            if volume.attachments:
                yield from self._detached(volume)
            self._cloud.delete_volume(volume, behind_heat=self._chance.random() < 0.5)
            yield message("volume.delete.end", key(ResourceKind.VOLUME, volume))

    def _new_network(self) -> Told:
        for stack in self._one(self._stacks()):
            network = self._cloud.create_network(stack, self._name(), cidr=None)
            self._cloud.update_stack(stack)
            yield message("network.create.end", key(ResourceKind.NETWORK, network))
            yield message("orchestration.stack.update.end", key(ResourceKind.STACK, stack))

    def _subnet(self) -> Told:
        for network in self._one(self._networks()):
            self._cloud.add_subnet(network, f"10.{self._number % 250}.0.0/16")
            yield message("subnet.create.end", key(ResourceKind.NETWORK, network))

    def _network_status(self) -> Told:
        for network in self._one(self._networks()):
            self._cloud.set_network_status(network, self._chance.choice(["ACTIVE", "DOWN", "ERROR"]))
            yield message("network.update.end", key(ResourceKind.NETWORK, network))

    def _rename_network(self) -> Told:
        for network in self._one(self._networks()):
            self._cloud.rename(network, self._name())
            yield message("network.update.end", key(ResourceKind.NETWORK, network))

    def _delete_network(self) -> Told:
        used = {port.network_id for port in self._cloud.ports.values()}
        for network in self._one([network for network in self._networks() if network.id not in used]):
            self._cloud.delete_network(network)
            yield message("network.delete.end", key(ResourceKind.NETWORK, network))

    def _plug(self) -> Told:
        for server in self._one(self._servers()):
            near = [n for n in self._networks() if n.subnets and self._top(n.id) is self._top(server.id)]
            for network in self._one(near):
                self._cloud.plug(server, network)
                yield message("port.create.end", key(ResourceKind.SERVER, server))
                yield message("instance.interface_attach.end", key(ResourceKind.SERVER, server))

    def _floating(self) -> Told:
        for server in self._one([server for server in self._servers() if self._cloud.ports_of[server.id]]):
            self._cloud.add_floating_ip(server)
            yield message("floatingip.create.end", key(ResourceKind.SERVER, server))

    def _no_floating(self) -> Told:
        addresses = list(self._cloud.floating_ips.values())
        for floating in self._one([item for item in addresses if item.port_id in self._cloud.ports]):
            server = self._cloud.servers[self._cloud.ports[str(floating.port_id)].device_id]
            self._cloud.delete_floating_ip(floating)
            yield message("floatingip.delete.end", key(ResourceKind.SERVER, server))

    def _new_flavor(self) -> Told:
        self._number += 1
        flavor = self._cloud.create_flavor(f"new.{self._number}", self._chance.randrange(1, 5), 1024, 10)
        yield message("flavor.create", Key(ResourceKind.FLAVOR, flavor.id))

    def _new_server(self, holder: Stack, name: str = "") -> Told:
        name = name or self._name()
        server = self._cloud.add_server(holder, name, self._flavor(), state=self._chance.choice(STATES))
        yield message("compute.instance.create.start", key(ResourceKind.SERVER, server))
        yield message("port.create.end", key(ResourceKind.SERVER, server))
        yield message("instance.create.end", key(ResourceKind.SERVER, server))

    def _gone(self, server: Server) -> Told:
        for volume_id in server.volume_ids:
            volume = self._cloud.volumes[volume_id]
            yield message("volume.detach.start", key(ResourceKind.VOLUME, volume), key(ResourceKind.SERVER, server))
            yield message("volume.detach.end", key(ResourceKind.VOLUME, volume))
        self._cloud.delete_server(server)
        yield message("port.delete.end", key(ResourceKind.SERVER, server))
        yield message("instance.delete.end", key(ResourceKind.SERVER, server))

    def _detached(self, volume: Volume) -> Told:
        for held in list(volume.attachments):
            server = self._cloud.servers[held.server_id]
            self._cloud.detach(volume, server)
            yield message("volume.detach.end", key(ResourceKind.VOLUME, volume))
            yield message(
                "compute.instance.volume.detach", key(ResourceKind.SERVER, server), key(ResourceKind.VOLUME, volume)
            )

    def _of_server(self, server: Server) -> Message:
        types = ("compute.instance.update", "instance.update", "compute.instance.power_on.end")
        return message(self._chance.choice(types), key(ResourceKind.SERVER, server), bare=self._chance.random() < 0.3)

    def _of_volume(self, volume: Volume) -> Message:
        """Cinder names the server of a volume that is attached, whatever happens to it."""
        for held in volume.attachments:
            server = key(ResourceKind.SERVER, self._cloud.servers[held.server_id])
            return message("volume.attach.end", key(ResourceKind.VOLUME, volume), server)
        return message("volume.update.end", key(ResourceKind.VOLUME, volume))

    def _one(self, things: list) -> list:  # type: ignore[type-arg]
        return [self._chance.choice(things)] if things else []

    def _servers(self) -> list[Server]:
        return [server for server in self._cloud.servers.values() if self._holder(server.id) is not None]

    def _volumes(self) -> list[Volume]:
        return list(self._cloud.volumes.values())

    def _networks(self) -> list[Network]:
        return [network for network in self._cloud.networks.values() if self._holder(network.id) is not None]

    def _stacks(self, *, nested: bool = False) -> list[Stack]:
        alive = (stack for stack in self._cloud.stacks.values() if not stack.deleted)
        return [stack for stack in alive if nested or stack.parent_id is None]

    def _holder(self, item: str) -> Stack | None:
        """The stack that has an object among its resources."""
        for stack in self._stacks(nested=True):
            if any(resource.physical_id == item for resource in stack.resources.values()):
                return stack
        return None

    def _top(self, item: str) -> Stack | None:
        holder = self._holder(item)
        return self._cloud.top_of(holder) if holder else None

    def _held(self, stack: Stack) -> list[Server | Volume | Network]:
        """What a stack holds, at any depth."""
        cloud = self._cloud
        found: list[Server | Volume | Network] = []
        for resource in stack.resources.values():
            item = resource.physical_id
            thing = cloud.servers.get(item) or cloud.volumes.get(item) or cloud.networks.get(item)
            found += [thing] if thing else self._held(resource.nested) if resource.nested else []
        return found

    def _project(self) -> Project:
        watched = self._cloud.projects_of(self._cloud.watcher.id)
        return self._chance.choice([project for project in watched if project is not self._cloud.admin_project])

    def _flavor(self) -> Flavor:
        return self._chance.choice(list(self._cloud.flavors.values()))

    def _new_outputs(self) -> dict[str, object]:
        """Those of a stack; the newer Concertim takes no rack without a cluster type."""
        return {"web": self._name(), "concertim_cluster_type": "hpc"}

    def _name(self) -> str:
        """Often one that something else has too."""
        self._number += 1
        return self._chance.choice([*NAMES, f"history-{self._number}"])
