"""OpenStack's objects, with only the fields that racks need.

Units: memory in MiB, disks and volumes in GiB, MTU in bytes, times as the services write them (ISO 8601, UTC).
All strings are as the service sent them; `planning` adapts them to Concertim.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TypeAlias

from cos_update.model.kinds import ResourceKind


@dataclass(frozen=True, slots=True)
class Project:
    """A watched project: one in which the watcher user has the watcher role."""

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
    """One address of a server on one network. `floating` reflects OS-EXT-IPS:type."""

    network: str
    address: str
    floating: bool = False


@dataclass(frozen=True, slots=True)
class Server:
    """A Nova server.

    `vm_state` is OS-EXT-STS:vm_state in lower case, or the equivalent of `status` if that is hidden. `flavor_id` may
    be that of a deleted flavor; `flavor` is then the one embedded in the server.
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
    """One output of a stack; `value` is any JSON value, None if it has none (yet)."""

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
    """The content of a stack including nested stacks: sorted ids by type, and its outputs.

    `outputs` is None if they could not be read. `whole` is False if the resource tree may be incomplete: Heat listed
    nothing at all, or a nested stack without its children (its depth limit). Absence then proves nothing.
    """

    servers: tuple[str, ...] = ()
    volumes: tuple[str, ...] = ()
    networks: tuple[str, ...] = ()
    outputs: tuple[Output, ...] | None = ()
    whole: bool = True

    @property
    def ids(self) -> tuple[str, ...]:
        """The ids of all members."""
        return (*self.servers, *self.volumes, *self.networks)

    def of(self, kind: ResourceKind) -> tuple[str, ...]:
        """The ids of the servers, volumes or networks."""
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
    """The servers that it is attached to according to Cinder."""


@dataclass(frozen=True, slots=True)
class Network:
    """A Neutron network. `cidrs` are those of its subnets, sorted; None if the subnets could not be read.

    Fields of absent extensions (`l2_adjacency`, `dns_domain`, `qos_policy`) are None.
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
    """An incomplete listing of a kind: for one project or (project_id None) all, for one stack or all.

    `reason` completes the sentence "Cinder could not be read: ..." for a person, and `hint` says what to do. `absent`
    marks a service that the cloud does not have: that is no error, but nothing is known. `of_login` means that login
    to the project failed: then each of its listings has such a gap.
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
    """One reading of OpenStack: records by id, and its gaps.

    `contents` is keyed by stack id. A kind in `gaps` may still have some records: they are correct, but there may be
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
    """Projects that would be watched if they were not disabled: they are neither read nor changed."""
    chosen: frozenset[str] | None = None
    """The ids of the projects that were read; None: all in `projects`."""

    def of(self, kind: ResourceKind) -> Mapping[str, Resource]:
        """The records of a stack, server, volume or network, by id."""
        records: Mapping[str, Resource] = getattr(self, kind.listing)
        return records

    def is_complete(self, kind: ResourceKind, project_id: str | None = None, stack_id: str | None = None) -> bool:
        """Whether absence from a kind's listing is reliable, in this project and for this stack (None: all)."""
        return not any(
            gap.kind is kind
            and (gap.project_id is None or project_id is None or gap.project_id == project_id)
            and (gap.stack_id is None or stack_id is None or gap.stack_id == stack_id)
            for gap in self.gaps
        )


@dataclass(frozen=True, slots=True)
class RememberedStack:
    """The content of a stack, valid while its status and update time in Heat stay the same.

    `absent` are member ids that their own services did not list: Heat keeps listing objects that were deleted without
    it.
    """

    status: str
    updated: str | None
    content: StackContent
    absent: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Membership:
    """The memory of Heat's responses: stacks by id, and objects that belong to no stack.

    `unowned` has, by id of a server, volume or network, whether it was still being created at that time.
    """

    stacks: Mapping[str, RememberedStack] = field(default_factory=dict)
    unowned: Mapping[str, bool] = field(default_factory=dict)
