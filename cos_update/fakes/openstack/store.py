"""What every part of the fake cloud's state builds on: its lock, its clock, its ids, its switches."""

from __future__ import annotations

import random
import threading
import uuid
from datetime import UTC, datetime, timedelta

EPOCH = datetime(2026, 1, 5, 8, 0, tzinfo=UTC)
DEFAULT_PAGES = {"nova": 1000, "cinder": 1000}
"""The caps of Nova and Cinder as they come; Heat and Neutron have none."""


class Store:
    """What the rest of the state builds on.

    Time is the cloud's own, from `EPOCH` on: a second passes with every event, more when `pass_time` says so. It is
    what Nova, Heat, Cinder and Neutron tell in the header Date.
    """

    def __init__(self, seed: int) -> None:
        self.lock = threading.RLock()
        """Held by every answer and every change; hold it to make several changes appear as one."""
        self.region = "RegionOne"
        self.token_life = 4 * 3600.0
        """Seconds for which the tokens issued from now on are valid."""
        self.page_size: dict[str, int] = dict(DEFAULT_PAGES)
        """The most that one page of a service holds, by service name; without an entry there is no cap."""
        self.absent_services: set[str] = set()
        """Services that the catalog leaves out: nova, heat, cinder, neutron."""
        self.endpoints: dict[str, str] = {}
        """By service name where the catalog has it at another address: scheme, host and port."""
        self.disabled_projects_listed = False
        """Whether Keystone lists a user's disabled projects among its own."""
        self.down_cells: set[str] = set()
        """Nova cells that do not respond."""
        self.global_stacks_allowed = False
        """Whether Heat's policy opens `global_tenant` to project-scoped admins; by default it does not."""
        self.stacks_name_project = True
        """Whether Heat adds `project` to the stacks that it lists for an admin."""
        self.neutron_validates_filters = True
        """As it does by default (filter_validation), and then refuses changed_since."""
        self.clock_offsets: dict[str, float] = {}
        """Seconds by which the clock of a service's host is ahead, by service name."""
        self.lateness = 0.0
        """Seconds from the time that a change bears to the moment at which it is there for others to see."""
        self._random = random.Random(seed)  # noqa: S311
        self._time = EPOCH

    def now(self) -> datetime:
        """The time that an event bears which happens now: a second after the event before, less the `lateness`."""
        self._time += timedelta(seconds=1)
        return self._time - timedelta(seconds=self.lateness)

    def pass_time(self, seconds: float) -> None:
        """Let time pass without an event; a negative number sets the clocks back."""
        with self.lock:
            self._time += timedelta(seconds=seconds)

    def keystones_time(self) -> datetime:
        """What the clock of Keystone's host says: the time of this machine, unless that clock is ahead or behind."""
        return datetime.now(UTC) + timedelta(seconds=self.clock_offsets.get("keystone", 0.0))

    def clock_of(self, service: str) -> datetime:
        """What the clock of a service's host says."""
        return self._time + timedelta(seconds=self.clock_offsets.get(service, 0.0))

    def new_uuid(self) -> str:
        """An id as Nova, Heat, Cinder and Neutron make them."""
        return str(uuid.UUID(int=self._random.getrandbits(128), version=4))

    def new_hex(self) -> str:
        """An id as Keystone makes them."""
        return f"{self._random.getrandbits(128):032x}"

    def new_mac(self) -> str:
        """A MAC address in Neutron's range."""
        tail = self._random.getrandbits(24).to_bytes(3, "big")
        return "fa:16:3e:" + tail.hex(":")

    def new_suffix(self) -> str:
        """The random end of a name that Heat makes."""
        return "".join(self._random.choices("abcdefghijklmnopqrstuvwxyz234567", k=12))
