"""Concertim's objects: owners, templates, racks and devices, in its own form.

Heights and positions are in rack units, `ram` in MiB, `disk` and volume sizes in GiB. A record with id "" does not
exist in Concertim yet.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import ClassVar, TypeAlias

from cos_update.model.accounts import Accounts
from cos_update.model.kinds import ResourceKind

STACK_ID = "openstack_stack_id"
"""The metadata key that marks a rack as ours: the id of its Heat stack."""
OBJECT_ID = "openstack_instance_id"
"""The metadata key that marks a device as ours: the id of its server, volume or network."""
MAX_RACK_HEIGHT = 72
"""The tallest rack that Concertim accepts, in rack units."""


class ApiFlavour(StrEnum):
    """The flavours of Concertim's API."""

    TEAMS = "teams"
    """The current one: racks belong to teams; devices are instances, volumes and networks."""
    CREDITS = "credits"
    """The newer one: no orders, costs or billing; new objects need the creation time of their OpenStack object, racks
    also the cluster's type. Else as the current one."""
    USERS = "users"
    """The older one: racks belong to users; every device is an instance."""


DETAILS_TYPE: Mapping[ResourceKind, str] = {
    ResourceKind.SERVER: "Device::ComputeDetails",
    ResourceKind.VOLUME: "Device::VolumeDetails",
    ResourceKind.NETWORK: "Device::NetworkDetails",
}
"""The app's type names for the details of each kind of device."""


@dataclass(frozen=True, slots=True)
class Owner:
    """The team (older API: user) of a project; `project_id` is "" if it has none."""

    id: str
    name: str
    project_id: str


@dataclass(frozen=True, slots=True)
class Template:
    """A device template. Those with a `tag` are Concertim's own; ours have the flavor's id in `foreign_id`."""

    kind: ClassVar[ResourceKind] = ResourceKind.FLAVOR

    id: str
    name: str
    height: int
    foreign_id: str = ""
    vcpus: int | None = None
    ram: int | None = None
    disk: int | None = None
    description: str = ""
    tag: str | None = None

    @property
    def openstack_id(self) -> str:
        """The id of the flavor that it is for, or ""."""
        return self.foreign_id


@dataclass(frozen=True, slots=True)
class Rack:
    """A rack. It is ours if its metadata has a stack's id."""

    kind: ClassVar[ResourceKind] = ResourceKind.STACK

    id: str
    name: str
    owner_id: str
    height: int
    status: str
    metadata: Mapping[str, object] = field(default_factory=dict)
    network_details: Mapping[str, object] = field(default_factory=dict)
    creation_output: str = ""
    order_id: str = ""
    cost: str = field(default="", compare=False)
    """What others have charged to it, as the app writes it; sent only when the rack is created again."""
    known_as: str = field(default="", compare=False)
    """The stack that it belongs to although its metadata does not say so; else ""."""

    created: str = field(default="", compare=False)
    """When its stack was created (ISO 8601); sent only when the rack is created."""
    cluster_type: str = field(default="", compare=False)
    """The cluster type that its stack was created from; sent only when the rack is created."""

    @property
    def stack_id(self) -> str:
        """The id of the rack's stack, or "" if we do not manage it."""
        return self.known_as or _text(self.metadata.get(STACK_ID))

    @property
    def openstack_id(self) -> str:
        """The same, by the name that all records have for it."""
        return self.stack_id


@dataclass(frozen=True, slots=True)
class InstanceDetails:
    """Details of an Instance; each entry of `volume_details` is one attached volume."""

    public_ips: str = ""
    private_ips: str = ""
    ssh_key: str = ""
    login_user: str = ""
    volume_details: object = ()


@dataclass(frozen=True, slots=True)
class VolumeDetails:
    """Details of a Volume, `size` in GiB."""

    availability_zone: str = ""
    bootable: bool | None = None
    encrypted: bool | None = None
    read_only: bool | None = None
    size: int | None = None
    volume_type: str = ""


@dataclass(frozen=True, slots=True)
class NetworkDetails:
    """Details of a Network."""

    admin_state_up: bool | None = None
    dns_domain: str = ""
    l2_adjacency: bool | None = None
    mtu: int | None = None
    port_security_enabled: bool | None = None
    shared: bool | None = None
    qos_policy: str = ""


Details = InstanceDetails | VolumeDetails | NetworkDetails


@dataclass(frozen=True, slots=True)
class Location:
    """The position of a device: its lowest and highest unit, counted from 1 at the bottom."""

    start_u: int
    end_u: int
    facing: str = "f"

    @property
    def height(self) -> int:
        """The number of units that it occupies."""
        return self.end_u - self.start_u + 1


@dataclass(frozen=True, slots=True)
class Device:
    """A device in a rack. It is ours if its metadata has an OpenStack object's id."""

    id: str
    name: str
    kind: ResourceKind
    rack_id: str
    template_id: str
    status: str
    location: Location
    details: Details
    description: str = ""
    metadata: Mapping[str, object] = field(default_factory=dict)
    cost: str = field(default="", compare=False)
    """What others have charged to it, as the app writes it; sent only when the device is created again."""
    known_as: str = field(default="", compare=False)
    """The OpenStack object that it represents although its metadata does not say so; else ""."""
    created: str = field(default="", compare=False)
    """When its object was created (ISO 8601); sent only when the device is created."""
    object_id: str = field(init=False, repr=False, compare=False)
    """The id of the server, volume or network that this device represents, or "" if we do not manage it."""

    def __post_init__(self) -> None:
        # Computed once, since each pass reads it a dozen times.
        object.__setattr__(self, "object_id", self.known_as or _text(self.metadata.get(OBJECT_ID)))

    @property
    def openstack_id(self) -> str:
        """The same, by the name that all records have for it."""
        return self.object_id


Record: TypeAlias = Template | Rack | Device
"""The records that are created, changed and removed."""


@dataclass(frozen=True, slots=True)
class Actual:
    """One reading of Concertim: records by id. `began` is the Unix time at which the reading began."""

    began: float
    flavour: ApiFlavour = ApiFlavour.TEAMS
    owners: Mapping[str, Owner] = field(default_factory=dict)
    templates: Mapping[str, Template] = field(default_factory=dict)
    racks: Mapping[str, Rack] = field(default_factory=dict)
    devices: Mapping[str, Device] = field(default_factory=dict)
    is_narrowed: bool = False
    """Whether our user is not a root user of the app, and sees only objects of its own teams."""
    accounts: Accounts | None = None
    """The accounts of the owners, and the users; None if no other service needs them."""
    costs: Mapping[str, str] = field(default_factory=dict)
    """Device id -> current cost, of devices that are otherwise unchanged."""


def _text(value: object) -> str:
    return value if isinstance(value, str) else ""
