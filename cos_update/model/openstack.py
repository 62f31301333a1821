"""What OpenStack holds, as records of what the racks need and nothing more.

Units: memory in MiB, disks and volumes in GiB, MTU in bytes, times as the services write them (ISO 8601, UTC).
Every text is as the service sent it; making it fit for Concertim is left to `planning`.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TypeAlias

from cos_update.model.kinds import ResourceKind


@dataclass(frozen=True, slots=True)
class Project:
    """A watched project: one in which the watching user holds the watching role."""

    id: str
    name: str


@dataclass(frozen=True, slots=True)
class Flavor:
    """A Nova flavor. `disk` is the root disk in GiB and may be 0 (boot from volume); `ram` is in MiB."""

    id: str
    name: str
    vcpus: int
    ram: int
    disk: int
    description: str = ""


@dataclass(frozen=True, slots=True)
class Address:
    """One address of a server on one network. `floating` tells OS-EXT-IPS:type apart."""

    network: str
    address: str
    floating: bool = False


@dataclass(frozen=True, slots=True)
class Server:
    """A Nova server.

    `vm_state` is OS-EXT-STS:vm_state in lower case, or what the plain `status` says in its words where that is
    hidden. `flavor_id` may name a deleted flavor; `flavor` is then what the server itself remembers of it.
    """

    id: str
    project_id: str
    name: str
    vm_state: str
    task_state: str | None = None
    flavor_id: str = ""
    flavor: Flavor | None = None
    addresses: tuple[Address, ...] = ()
    key_name: str | None = None
    volume_ids: tuple[str, ...] = ()
    description: str = ""
    created: str = ""


@dataclass(frozen=True, slots=True)
class Output:
    """One output of a stack; `value` is any JSON value, None for what has none (yet)."""

    key: str
    value: object
    description: str = ""


@dataclass(frozen=True, slots=True)
class Stack:
    """A top-level Heat stack, as its listing shows it. `owner` is the owner's user *name*."""

    id: str
    project_id: str
    name: str
    status: str
    status_reason: str = ""
    owner: str = ""
    created: str = ""
    updated: str | None = None
    tags: tuple[str, ...] = ()
    description: str = ""


@dataclass(frozen=True, slots=True)
class StackContent:
    """What a stack holds, nested stacks included: sorted ids by type, and its outputs.

    `outputs` is None when they could not be read. `whole` is False when the resource tree may have been cut: Heat
    listed nothing at all, or a nested stack without its children (its depth limit). Absence then proves nothing.
    """

    servers: tuple[str, ...] = ()
    volumes: tuple[str, ...] = ()
    networks: tuple[str, ...] = ()
    outputs: tuple[Output, ...] | None = ()
    whole: bool = True

    @property
    def ids(self) -> tuple[str, ...]:
        """The ids of all that it holds."""
        return (*self.servers, *self.volumes, *self.networks)

    def of(self, kind: ResourceKind) -> tuple[str, ...]:
        """The ids of its servers, volumes or networks."""
        ids: tuple[str, ...] = getattr(self, kind.listing)
        return ids


@dataclass(frozen=True, slots=True)
class Volume:
    """A Cinder volume, `size` in GiB."""

    id: str
    project_id: str
    name: str
    status: str
    size: int = 0
    availability_zone: str = ""
    bootable: bool | None = None
    encrypted: bool | None = None
    read_only: bool | None = None
    volume_type: str = ""
    description: str = ""
    created: str = ""
    server_ids: tuple[str, ...] = ()
    """The servers that Cinder takes it to be attached to."""


@dataclass(frozen=True, slots=True)
class Network:
    """A Neutron network. `cidrs` are its subnets', sorted; None when the subnets could not be read.

    What an absent extension leaves unsaid (`l2_adjacency`, `dns_domain`, `qos_policy`) is None.
    """

    id: str
    project_id: str
    name: str
    status: str
    admin_state_up: bool | None = None
    mtu: int | None = None
    shared: bool | None = None
    port_security_enabled: bool | None = None
    l2_adjacency: bool | None = None
    dns_domain: str | None = None
    qos_policy: str | None = None
    description: str = ""
    cidrs: tuple[str, ...] | None = ()
    created: str = ""


Resource: TypeAlias = Stack | Server | Volume | Network


@dataclass(frozen=True, slots=True)
class Gap:
    """A kind whose listing is not complete: for one project or (project_id None) for all, for one stack or all.

    `reason` ends the sentence "Cinder could not be read: ..." for a person, and `hint` says what to do. `absent` marks
    a service that the cloud does not have: nothing is wrong then, but nothing is known either. `of_login` marks that
    the whole project could not be logged in to: then each of its listings has such a gap.
    """

    kind: ResourceKind
    reason: str
    project_id: str | None = None
    stack_id: str | None = None
    absent: bool = False
    of_login: bool = False
    hint: str = ""


@dataclass(frozen=True, slots=True)
class Inventory:
    """One reading of OpenStack: records by id, and what the reading could not complete.

    `contents` is keyed by stack id. What is in `gaps` may still hold some records: they are true, but there may be
    more. `began` is the Unix time at which the reading began: nothing in it is older.
    """

    began: float
    projects: Mapping[str, Project] = field(default_factory=dict)
    flavors: Mapping[str, Flavor] = field(default_factory=dict)
    stacks: Mapping[str, Stack] = field(default_factory=dict)
    contents: Mapping[str, StackContent] = field(default_factory=dict)
    servers: Mapping[str, Server] = field(default_factory=dict)
    volumes: Mapping[str, Volume] = field(default_factory=dict)
    networks: Mapping[str, Network] = field(default_factory=dict)
    gaps: tuple[Gap, ...] = ()
    disabled: Mapping[str, Project] = field(default_factory=dict)
    """Projects that would be watched if they were not disabled: nothing of them is read, and nothing changed."""
    chosen: frozenset[str] | None = None
    """The ids of the projects whose objects were read; None: of all in `projects`."""

    def of(self, kind: ResourceKind) -> Mapping[str, Resource]:
        """The records of a stack, server, volume or network, by id."""
        records: Mapping[str, Resource] = getattr(self, kind.listing)
        return records

    def is_complete(self, kind: ResourceKind, project_id: str | None = None, stack_id: str | None = None) -> bool:
        """Whether absence from a kind's listing can be believed, in this project and for this stack (None: all)."""
        return not any(
            gap.kind is kind
            and (gap.project_id is None or project_id is None or gap.project_id == project_id)
            and (gap.stack_id is None or stack_id is None or gap.stack_id == stack_id)
            for gap in self.gaps
        )


@dataclass(frozen=True, slots=True)
class RememberedStack:
    """The content of a stack, and what Heat says when it has not changed since: status and update time.

    `absent` are the ids in it that their own services did not list: Heat goes on naming what was deleted behind its
    back.
    """

    status: str
    updated: str | None
    content: StackContent
    absent: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Membership:
    """What is remembered of Heat's answers: stacks by id, and the objects that were found in no stack.

    `unowned` tells by id of a server, volume or network whether it was still being made when it was looked for.
    """

    stacks: Mapping[str, RememberedStack] = field(default_factory=dict)
    unowned: Mapping[str, bool] = field(default_factory=dict)
