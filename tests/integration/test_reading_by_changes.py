"""The cloud read by changes: what each service tells of, what it leads to, and when the cloud is read in full."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from dataclasses import replace

import pytest

from cos_update.fakes import Sandbox
from cos_update.fakes.openstack import OpenStackApp
from cos_update.fakes.openstack.records import Project, Stack
from cos_update.fakes.openstack.state import CloudState
from cos_update.fakes.wire import Fault, FaultKind
from cos_update.model.cloud_memory import CloudMemory
from cos_update.model.openstack import Inventory, Membership
from cos_update.model.settings import CloudSettings, ReadScope
from cos_update.openstack.inventory import CloudReader, CloudReading
from cos_update.openstack.stack_members import remember

PASS = 150.0


class Reader:
    """A cloud, and somebody who reads it again and again."""

    def __init__(self, app: OpenStackApp, scope: ReadScope) -> None:
        self.app, self.scope = app, scope
        self.cloud = app.state
        self.team: Project = self.cloud.create_project("CM_team", watched=True)
        self.stack: Stack = self.cloud.create_stack(self.team, "cluster")
        self.net = self.cloud.create_network(self.stack, "net")
        self.server = self.cloud.add_server(self.stack, "node", networks=[self.net])
        self.volume = self.cloud.create_volume(self.stack, "data")
        self.others = [
            self.cloud.create_network(self.team, "other"),
            self.cloud.create_volume(self.team, "other"),
            self.cloud.add_server(self.team, "other"),
        ]
        self.membership: Membership | None = None
        self.memory: CloudMemory | None = None

    def settings(self) -> CloudSettings:
        auth = {
            "auth_url": self.app.auth_url,
            "username": "concertim",
            "password": "concertim",
            "user_domain_name": "Default",
        }
        if self.scope is ReadScope.AUTO:
            auth |= {"project_name": "admin", "project_domain_name": "Default"}
        return CloudSettings(auth=auth, retries=0, scope=self.scope)

    def start(self) -> None:
        self.reader = CloudReader(self.settings(), sleep=lambda _: None)
        # All of that happened long ago.
        self.cloud.pass_time(900)
        assert self.read().why_full == "nothing is remembered"
        self.cloud.pass_time(PASS)

    def read(self, every: int = 100) -> CloudReading:
        """One more reading, which must have spared what need not be read."""
        self.app.wire.reset()
        found = self.reader.refresh(self.memory, self.membership, every=every)
        self.memory = found.memory
        self.membership = remember(found.inventory, self.membership or Membership())
        refused = {request.service for request in self.app.wire.refusals if request.status == 400}
        assert refused <= ({"neutron"} if self.cloud.neutron_validates_filters else set())
        self.asked = [request.kind for request in self.app.wire.requests]
        return found

    def changes(self) -> Inventory:
        """A reading by changes."""
        found = self.read()
        assert found.why_full == ""
        return found.inventory

    def in_full(self) -> Inventory:
        return CloudReader(self.settings(), sleep=lambda _: None).read()

    def singly(self) -> Counter[str]:
        """What was read by its id, by kind."""
        return Counter(kind.split("/")[-2] for kind in self.asked if kind.endswith("{id}"))


def content(inventory: Inventory) -> Inventory:
    return replace(inventory, began=0.0)


@pytest.fixture(params=[ReadScope.AUTO, ReadScope.PROJECT], ids=["cloud-wide", "per project"])
def scope(request: pytest.FixtureRequest) -> ReadScope:
    return ReadScope(request.param)


@pytest.fixture(params=[False, True], ids=["changed_since", "validated filters"])
def reader(request: pytest.FixtureRequest, scope: ReadScope) -> Iterator[Reader]:
    state = CloudState()
    state.neutron_validates_filters = request.param
    app = OpenStackApp(state)
    with Sandbox(app):
        reader = Reader(app, scope)
        reader.start()
        yield reader


def test_an_unchanged_cloud_is_as_it_was(reader: Reader) -> None:
    for _ in range(3):
        assert content(reader.changes()) == content(reader.in_full())
        assert reader.singly() == Counter()
        reader.cloud.pass_time(PASS)


HAPPENINGS = {
    "a new server": lambda r: r.cloud.add_server(r.stack, "new", networks=[r.net]),
    "a server renamed": lambda r: r.cloud.rename(r.server, "other"),
    "a server stopped": lambda r: r.cloud.set_server_state(r.server, "stopped"),
    "a server resized": lambda r: r.cloud.resize(r.server, r.cloud.create_flavor("big", 4)),
    "a server deleted": lambda r: r.cloud.delete_server(r.server),
    "a server deleted behind its stack": lambda r: r.cloud.delete_server(r.server, behind_heat=True),
    "a volume attached": lambda r: r.cloud.attach(r.volume, r.server),
    "a volume renamed": lambda r: r.cloud.rename(r.volume, "other"),
    "a new volume": lambda r: r.cloud.create_volume(r.stack, "new"),
    "a network renamed": lambda r: r.cloud.rename(r.net, "other"),
    "a network down": lambda r: r.cloud.set_network_status(r.net, "DOWN"),
    "a new network": lambda r: r.cloud.create_network(r.stack, "new"),
    "a new subnet": lambda r: r.cloud.add_subnet(r.net, "10.60.0.0/16"),
    "a server plugged": lambda r: r.cloud.plug(r.server, r.cloud.shared),
    "a floating IP": lambda r: r.cloud.add_floating_ip(r.server),
    "a new stack": lambda r: r.cloud.add_server(r.cloud.create_stack(r.team, "second"), "s"),
    "a stack deleted": lambda r: r.cloud.delete_stack(r.stack),
    "a flavor deleted": lambda r: r.cloud.delete_flavor(r.server.flavor),
}


@pytest.mark.parametrize("happening", HAPPENINGS)
def test_what_happens_is_seen_by_the_next_reading(reader: Reader, happening: str) -> None:
    reader.changes()
    reader.cloud.pass_time(PASS)
    HAPPENINGS[happening](reader)
    for _ in range(2):
        assert content(reader.changes()) == content(reader.in_full())
        reader.cloud.pass_time(PASS)


def test_a_volume_detached_is_seen(reader: Reader) -> None:
    reader.cloud.attach(reader.volume, reader.server)
    assert reader.changes().servers[reader.server.id].volume_ids == (reader.volume.id,)
    reader.cloud.pass_time(PASS)
    reader.cloud.detach(reader.volume, reader.server)
    assert content(reader.changes()) == content(reader.in_full())


def test_absence_means_nothing(reader: Reader) -> None:
    reader.changes()
    reader.cloud.pass_time(PASS)
    reader.app.wire.faults.add(Fault(FaultKind.EMPTY, path="/servers/detail"))
    found = reader.read()
    assert reader.server.id in found.inventory.servers or found.why_full
