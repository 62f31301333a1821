"""The inputs of a pass: the services, its options, and the snapshot of both sides."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from cos_update.concertim.client import ConcertimClient
from cos_update.coordination.site import Grant, Site
from cos_update.killbill.orders import OrderFinder
from cos_update.model.concertim import Actual
from cos_update.model.openstack import Inventory, Project
from cos_update.model.settings import ConcertimSettings, Settings, ViewFor
from cos_update.model.shards import Shards
from cos_update.openstack.inventory import CloudReader, CloudReading
from cos_update.planning.plan import Plan
from cos_update.store import Origin, View, ViewStore
from cos_update.sync.cache_policy import NOTHING
from cos_update.sync.in_hand import InHand
from cos_update.sync.publisher import Publisher


@dataclass(frozen=True, slots=True)
class RunOptions:
    """The options of a pass: the projects (names or ids; none: all watched ones) and what it may remove.

    `racks` (names, ids, or ids of their stacks) limits what is posted, not what is read. `full` is the reason to read
    the cloud in full; "": an incremental reading will do.
    """

    projects: tuple[str, ...] = ()
    allow_deletes: bool = False
    prune_unwatched: bool = False
    racks: tuple[str, ...] = ()
    full: str = ""


@dataclass(frozen=True, slots=True)
class Services:
    """Clients of both sides, and the store of the view."""

    cloud: CloudReader
    concertim: ConcertimClient
    store: ViewStore
    settings: Settings
    concertim_settings: ConcertimSettings
    publisher: Publisher = field(default_factory=Publisher)
    """Writes the view that other services load."""
    orders: OrderFinder | None = None
    """Looks up the order ids of new racks; None if they are not looked up."""
    site: Site | None = None
    """This machine among several that post to the same Concertim; None if it is the only one."""
    grant: Grant | None = None
    """With several machines: what may be posted now."""
    in_hand: InHand = field(default_factory=InHand)
    """Operations that must be finished before the process ends."""

    @property
    def shards(self) -> Shards | None:
        """The part of the projects that is read and planned for; None: all."""
        return self.grant.shards if self.grant else None

    @property
    def openstack_address(self) -> str:
        """The address of Keystone, or the name of the cloud in clouds.yaml."""
        cloud = self.settings.openstack
        return (cloud.auth.get("auth_url") or cloud.cloud or "") if cloud else ""


@dataclass(frozen=True, slots=True)
class Snapshot:
    """Both sides as read, and the resulting plan. `seq` is the last journal entry when the reading began."""

    inventory: Inventory
    actual: Actual
    plan: Plan
    seq: int
    origins: Mapping[str, Origin]
    """The OpenStack origins of the objects read, by id."""
    past: View = NOTHING
    """The previous view, which saved part of the reading."""
    devices_in_full: bool = True
    """Whether every device of Concertim was read in full."""
    stacks_in_full: bool = True
    """Whether the members of every stack were read from Heat."""
    is_whole: bool = True
    """Whether the plan covers everything, not only some projects or stacks."""
    last_read: str = ""
    """The id of the last rack in the rotation of full reads."""
    view_for: ViewFor = ViewFor.NONE
    """The other services that load the view, for which accounts were read."""
    cloud: CloudReading | None = None
    """How the cloud was read, with the memory for the next reading."""
    still: Mapping[str, Any] = field(default_factory=dict)
    """For the view, if the plan changes nothing (see `standstill`); else {}."""

    @property
    def projects(self) -> Mapping[str, Project]:
        """The watched projects."""
        return self.inventory.projects
