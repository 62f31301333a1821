"""The objects of the fake cloud, one mutable record per object.

A record keeps the JSON that was made of it, per kind of reader; setting any of its fields throws that away. Who
changes a value *inside* a field (a mapping or a list) calls `changed()` afterwards.

Units: memory in MiB, disks and volumes in GiB. Times are aware datetimes in UTC.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Hashable, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum


class Record:
    """The base of all records: an id, and the JSON made of the record."""

    id: str

    def __setattr__(self, name: str, value: object) -> None:
        state = self.__dict__
        state[name] = value
        state.pop("_json", None)

    def changed(self) -> None:
        """Drop the cached JSON."""
        self.__dict__.pop("_json", None)

    def as_json(self, reader: Hashable, view: Callable[[], Mapping[str, object]]) -> str:
        """The record as JSON for one kind of reader; `view` is called only if it is not cached yet."""
        kept: dict[Hashable, str] = self.__dict__.setdefault("_json", {})
        text = kept.get(reader)
        if text is None:
            text = kept[reader] = json.dumps(view())
        return text


@dataclass(eq=False)
class Domain(Record):
    """A Keystone domain."""

    id: str
    name: str
    description: str = ""


@dataclass(eq=False)
class Project(Record):
    """A Keystone project. `parent_id` is another project's, or the domain's."""

    id: str
    name: str
    domain_id: str
    parent_id: str
    description: str = ""
    enabled: bool = True


@dataclass(eq=False)
class User(Record):
    """A Keystone user with its cleartext password."""

    id: str
    name: str
    domain_id: str
    password: str = field(repr=False)
    enabled: bool = True
    email: str | None = None
    description: str | None = None


@dataclass(eq=False)
class Group(Record):
    """A Keystone group; `members` are user ids."""

    id: str
    name: str
    domain_id: str
    members: set[str] = field(default_factory=set)


@dataclass(eq=False)
class Role(Record):
    """A Keystone role; `implies` are ids of roles that come with it."""

    id: str
    name: str
    implies: tuple[str, ...] = ()


class Scope(StrEnum):
    """The target of a role assignment."""

    PROJECT = "project"
    DOMAIN = "domain"
    SYSTEM = "system"


@dataclass(frozen=True, slots=True)
class Assignment:
    """A role of one user or group on one target; `inherited` ones hold in the projects below the target."""

    role_id: str
    scope: Scope
    target_id: str
    user_id: str | None = None
    group_id: str | None = None
    inherited: bool = False


@dataclass(eq=False)
class ApplicationCredential(Record):
    """An application credential of a user in one project, with some of its roles (names; None: all)."""

    id: str
    name: str
    secret: str = field(repr=False)
    user_id: str
    project_id: str
    roles: frozenset[str] | None = None


@dataclass(eq=False)
class Flavor(Record):
    """A Nova flavor. `access` are ids of the projects that may see a private one."""

    id: str
    name: str
    vcpus: int
    ram: int
    disk: int
    public: bool = True
    access: set[str] = field(default_factory=set)
    description: str | None = None
    ephemeral: int = 0
    swap: int = 0
    extra_specs: dict[str, str] = field(default_factory=dict)


@dataclass(eq=False)
class Server(Record):
    """A Nova server. `flavor` stays what it was when the flavor is deleted."""

    id: str
    project_id: str
    user_id: str
    name: str
    flavor: Flavor
    created: datetime
    updated: datetime
    number: int
    vm_state: str = "active"
    task_state: str | None = None
    power_state: int = 1
    launched: datetime | None = None
    host: str | None = None
    cell: str = "cell1"
    image_id: str | None = None
    key_name: str | None = None
    description: str | None = None
    user_data: str | None = None
    fault: str = ""
    metadata: dict[str, str] = field(default_factory=dict)
    tags: list[str] = field(default_factory=list)
    volume_ids: list[str] = field(default_factory=list)


@dataclass(frozen=True, slots=True)
class Attachment:
    """A volume on a server."""

    id: str
    server_id: str
    device: str
    attached: datetime


@dataclass(eq=False)
class Volume(Record):
    """A Cinder volume."""

    id: str
    project_id: str
    user_id: str
    name: str | None
    size: int
    created: datetime
    updated: datetime
    status: str = "available"
    bootable: bool = False
    encrypted: bool = False
    availability_zone: str = "nova"
    volume_type: str = "__DEFAULT__"
    description: str | None = None
    metadata: dict[str, str] = field(default_factory=dict)
    attachments: list[Attachment] = field(default_factory=list)


@dataclass(eq=False)
class Subnet(Record):
    """A Neutron subnet."""

    id: str
    project_id: str
    network_id: str
    name: str
    cidr: str
    created: datetime
    updated: datetime


@dataclass(eq=False)
class Network(Record):
    """A Neutron network."""

    id: str
    project_id: str
    name: str
    segment: int
    created: datetime
    updated: datetime
    status: str = "ACTIVE"
    admin_state_up: bool = True
    mtu: int = 1450
    shared: bool = False
    external: bool = False
    port_security: bool = True
    description: str = ""
    subnets: list[Subnet] = field(default_factory=list)
    handed_out: int = 0
    """How many addresses of the first subnet have been given away."""


@dataclass(eq=False)
class FloatingIp(Record):
    """A Neutron floating IP; `port_id` is None while disassociated."""

    id: str
    project_id: str
    address: str
    network_id: str
    router_id: str
    created: datetime
    updated: datetime
    port_id: str | None = None


@dataclass(eq=False)
class Port(Record):
    """A Neutron port of a server (`device_id`)."""

    id: str
    project_id: str
    network_id: str
    device_id: str
    mac: str
    address: str
    subnet_id: str
    security_group_id: str
    created: datetime
    updated: datetime
    host: str = ""
    name: str = ""
    floating: list[FloatingIp] = field(default_factory=list)


@dataclass(eq=False)
class Resource(Record):
    """One resource of a stack; `nested` is the stack that it expands to, `physical_id` "" before it exists."""

    id: str
    name: str
    type: str
    physical_id: str
    created: datetime
    updated: datetime
    status: str = "CREATE_COMPLETE"
    reason: str = "state changed"
    required_by: list[str] = field(default_factory=list)
    nested: Stack | None = None


@dataclass(eq=False)
class Stack(Record):
    """A Heat stack, top-level or nested. `outputs` are as the API shows them; `owner` is a user's name."""

    id: str
    project_id: str
    name: str
    owner: str
    user_project_id: str
    created: datetime
    status: str = "CREATE_COMPLETE"
    reason: str = "Stack CREATE completed successfully"
    updated: datetime | None = None
    deleted: datetime | None = None
    parent_id: str | None = None
    description: str = ""
    tags: list[str] = field(default_factory=list)
    parameters: dict[str, str] = field(default_factory=dict)
    outputs: list[dict[str, object]] = field(default_factory=list)
    resources: dict[str, Resource] = field(default_factory=dict)
