"""What a pass works with: the services, what it is to do, and both sides as it has read them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

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
    """What a pass is to do: the projects (names or ids; none: all that are watched) and what it may remove.

    `racks` (names, ids, or ids of their stacks) narrows what is posted, not what is read. `full` says why the cloud
    must be read in full; "": it may be read by changes.
    """

    projects: tuple[str, ...] = ()
    allow_deletes: bool = False
    prune_unwatched: bool = False
    racks: tuple[str, ...] = ()
    full: str = ""


@dataclass(frozen=True, slots=True)
class Services:
    """Both sides, and where the view is kept."""

    cloud: CloudReader
    concertim: ConcertimClient
    store: ViewStore
    settings: Settings
    concertim_settings: ConcertimSettings
    publisher: Publisher = field(default_factory=Publisher)
    """Writes the view that other services load."""
    orders: OrderFinder | None = None
    """Where the order ids of new racks are looked up; None where they are not."""
    site: Site | None = None
    """This machine among the others that post to the same Concertim; None: there is no other."""
    grant: Grant | None = None
    """Beside others: what may be posted now."""
    in_hand: InHand = field(default_factory=InHand)
    """What whoever ends the process gives time to finish."""

    @property
    def shards(self) -> Shards | None:
        """The part of the projects that is read and planned for; None: all."""
        return self.grant.shards if self.grant else None

    @property
    def openstack_address(self) -> str:
        """The address of Keystone, or the name of the cloud in clouds.yaml that has it."""
        cloud = self.settings.openstack
        return (cloud.auth.get("auth_url") or cloud.cloud or "") if cloud else ""


@dataclass(frozen=True, slots=True)
class Snapshot:
    """Both sides as they were read, and the plan that follows. `seq` is the journal's when the reading began."""

    inventory: Inventory
    actual: Actual
    plan: Plan
    seq: int
    origins: Mapping[str, Origin]
    """What OpenStack itself says of the objects read, by their ids."""
    past: View = NOTHING
    """What was known before, and spared part of the reading."""
    devices_in_full: bool = True
    """Whether every device of Concertim was read in full."""
    stacks_in_full: bool = True
    """Whether Heat was asked what every stack holds."""
    is_whole: bool = True
    """Whether the plan is about everything, not only about some projects or stacks."""
    last_read: str = ""
    """The id of the last device that was read because it was its turn."""
    view_for: ViewFor = ViewFor.NONE
    """Who else is to load the view, and whose accounts therefore were read."""
    cloud: CloudReading | None = None
    """How the cloud was read, and what that leaves to the next reading."""

    @property
    def projects(self) -> Mapping[str, Project]:
        """The watched projects."""
        return self.inventory.projects
