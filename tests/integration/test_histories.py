"""Clouds of hypothesis's making, with hostile names and a history, over real HTTP against both strict fakes.

Whatever happened in the cloud, to Concertim by hand, or to the view, one clean pass makes Concertim show the cloud; a
few more mend what only a full reading shows. Then a pass posts nothing, with the view or without it, and Concertim
never had a reason to refuse anything.
"""

from __future__ import annotations

import contextlib
import os
import subprocess
import sys
import tempfile
import threading
from pathlib import Path

from byhand import HIDDEN, SHOWN, tamper
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from world import World, shown, wanted

from cos_update.concertim import retry
from cos_update.concertim.client import ConcertimClient
from cos_update.fakes import Sandbox
from cos_update.fakes.concertim import ConcertimApp
from cos_update.fakes.openstack import OpenStackApp
from cos_update.fakes.openstack.records import Project
from cos_update.fakes.openstack.state import CloudState
from cos_update.fakes.wire import Fault, FaultKind, Recorded
from cos_update.model.settings import CloudSettings, ConcertimSettings, Settings
from cos_update.openstack.inventory import CloudReader
from cos_update.planning.report import Report
from cos_update.retry import Backoff
from cos_update.store import ViewStore
from cos_update.sync.reconciler import run_pass
from cos_update.sync.services import RunOptions, Services

FULL_READ_EVERY = 4
"""Passes after which the histories have everything read in full."""

FULL_CLOUD_READ_EVERY = 50
"""More passes than a history has: the cloud is read by changes, unless a doubt or the history wants it otherwise."""

NAMES = st.one_of(
    st.sampled_from(
        [
            "node_1",
            "node-1",
            "node 1",
            "node.1",
            "n" * 255,
            "日本語",
            "🙂",
            "é",
            "--",
            "rack",
            "network",
            "'; --",
            "<b>",
        ]
    ),
    st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0/"), min_size=1, max_size=20),
)
STATES = st.sampled_from(["active", "stopped", "paused", "suspended", "error", "building", "shelved_offloaded"])
HAPPENINGS = (
    "stack",
    "flavor",
    "state",
    "rename",
    "resize",
    "delete",
    "end",
    "retire",
    "server",
    "project",
    "volume",
    "network",
    "lost volume",
    "lost network",
    "lost server",
    "attach",
    "plug",
    "unplug",
    "floating IP",
    "subnet",
    "purge",
    "time",
)
LITTLE = HAPPENINGS[HAPPENINGS.index("lost network") :]
FAULTS = st.sampled_from(
    [
        ("openstack", Fault(FaultKind.STATUS, service="nova", code=503)),
        ("openstack", Fault(FaultKind.STATUS, service="heat", path="resources", code=500)),
        ("openstack", Fault(FaultKind.EMPTY, service="cinder", path="/volumes/detail")),
        ("openstack", Fault(FaultKind.TRUNCATE, service="neutron")),
        ("concertim", Fault(FaultKind.LOST_ANSWER, path="/nodes$", method="POST", times=2)),
        ("concertim", Fault(FaultKind.STATUS, path="/devices/", method="PATCH", code=500)),
        ("concertim", Fault(FaultKind.CUT, method="DELETE", times=2)),
    ]
)


class Life:
    """One cloud and what becomes of it."""

    def __init__(self, data: st.DataObject, folder: Path) -> None:
        self.draw = data.draw
        state = CloudState()
        self.projects = [state.create_project(f"CM_{name}", watched=True) for name in "ab"]
        self.world = World(OpenStackApp(state), ConcertimApp(race_window=0.0), folder)
        self.cloud = state
        self.views: list[bytes] = []
        for _ in range(2):
            self.new_flavor()

    def new_flavor(self) -> None:
        names = {flavor.name for flavor in self.cloud.flavors.values()}
        name = self.draw(NAMES.filter(lambda n: n not in names and bool(n.strip())))
        self.cloud.create_flavor(name, self.draw(st.integers(1, 6)), 512, self.draw(st.sampled_from([0, 20])))

    def new_stack(self) -> None:
        names = {stack.name for stack in self.cloud.stacks.values()}
        name = self.draw(NAMES.filter(lambda n: n not in names))
        stack = self.cloud.create_stack(self.draw(st.sampled_from(self.projects)), name, outputs={"a=b": "x, y=z"})
        holder = self.cloud.add_nested(stack, "group") if self.draw(st.booleans()) else stack
        for _ in range(self.draw(st.integers(1, 4))):
            self.cloud.add_server(holder, self.draw(NAMES), self._flavor(), state=self.draw(STATES))
        if self.draw(st.booleans()):
            self.cloud.create_volume(stack, self.draw(NAMES | st.none()))
            self.cloud.create_network(stack, self.draw(NAMES))

    def _flavor(self):  # type: ignore[no-untyped-def]
        return self.draw(st.sampled_from(sorted(self.cloud.flavors.values(), key=lambda f: f.id)))

    def something_happens(self) -> None:
        servers = sorted(self.cloud.servers.values(), key=lambda s: s.id)
        stacks = sorted((s for s in self.cloud.stacks.values() if s.parent_id is None), key=lambda s: s.id)
        what = self.draw(st.sampled_from(HAPPENINGS))
        volumes = sorted(self.cloud.volumes.values(), key=lambda v: v.id)
        networks = sorted((n for n in self.cloud.networks.values() if not n.shared), key=lambda n: n.id)
        if what == "stack" or not servers or not stacks:
            self.new_stack()
        elif what == "project":
            self.turn(self.draw(st.sampled_from(self.projects)))
        elif what == "volume" and volumes:
            volume = self.draw(st.sampled_from(volumes))
            self.cloud.set_volume_status(volume, self.draw(st.sampled_from(["available", "error", "extending"])))
        elif what == "network" and networks:
            network = self.draw(st.sampled_from(networks))
            self.cloud.set_network_status(network, self.draw(st.sampled_from(["ACTIVE", "DOWN", "ERROR"])))
        elif what == "lost volume" and volumes:
            self.cloud.delete_volume(self.draw(st.sampled_from(volumes)))
        elif what in LITTLE:
            self.something_little_happens(what)
        elif what == "flavor":
            self.new_flavor()
        elif what == "state":
            self.cloud.set_server_state(self.draw(st.sampled_from(servers)), self.draw(STATES))
        elif what == "rename":
            self.cloud.rename(self.draw(st.sampled_from(servers)), self.draw(NAMES))
        elif what == "resize":
            self.cloud.resize(self.draw(st.sampled_from(servers)), self._flavor())
        elif what == "delete":
            self.cloud.delete_server(self.draw(st.sampled_from(servers)))
        elif what == "end":
            self.cloud.delete_stack(self.draw(st.sampled_from(stacks)))
        elif what == "retire" and len(self.cloud.flavors) > 1:
            self.cloud.delete_flavor(self._flavor())
        else:
            self.cloud.add_server(self.draw(st.sampled_from(stacks)), self.draw(NAMES), self._flavor())

    def something_little_happens(self, what: str) -> None:
        """What some services tell of and others do not, and what none tells of."""
        cloud = self.cloud
        server = self.draw(st.sampled_from(sorted(cloud.servers.values(), key=lambda s: s.id)))
        ports = cloud.ports_of[server.id]
        volumes = sorted(cloud.volumes.values(), key=lambda v: v.id)
        networks = sorted((n for n in cloud.networks.values() if n.subnets), key=lambda n: n.id)
        if what == "time":
            cloud.pass_time(self.draw(st.sampled_from([30.0, 150.0, 1000.0, 4000.0, -500.0])))
        elif what == "purge":
            cloud.deleted_servers.clear()
        elif what == "lost server":
            cloud.delete_server(server, behind_heat=True)
        elif what == "attach" and volumes:
            volume = self.draw(st.sampled_from(volumes))
            move = cloud.detach if volume.id in server.volume_ids else cloud.attach
            move(volume, server)
        elif what == "plug":
            cloud.plug(server, self.draw(st.sampled_from(networks)))
        elif what == "unplug" and ports:
            cloud.remove_port(ports[0])
        elif what == "floating IP" and ports:
            cloud.add_floating_ip(server)
        elif what == "subnet":
            cloud.add_subnet(self.draw(st.sampled_from(networks)), "10.60.0.0/16")
        elif what == "lost network" and (own := [n for n in networks if not n.shared and not n.external]):
            cloud.delete_network(self.draw(st.sampled_from(own)))

    def turn(self, project: Project) -> None:
        """A watched project is watched no more, or again."""
        if project in self.cloud.projects_of(self.cloud.watcher.id):
            self.cloud.unwatch(project)
        else:
            self.cloud.watch(project)

    def something_is_done_by_hand(self) -> None:
        # Concertim's ids are not hypothesis's, so that what is drawn must not depend on what is there.
        tamper(self.world.concertim.state, self.draw(st.sampled_from((*SHOWN, *HIDDEN))), self.draw(st.integers(0, 99)))

    def notes_of_hand(self) -> set[str]:
        """The devices that carry a note of somebody else's."""
        return {device.id for device in self.world.concertim.state.devices.rows() if "note" in device.metadata}

    def put_back_an_old_view(self) -> None:
        """As a restored backup does."""
        number = self.draw(st.integers(0, 99))
        if self.views:
            (self.world.data_dir / "view.pickle").write_bytes(self.views[number % len(self.views)])

    def keep_the_view(self) -> None:
        view = self.world.data_dir / "view.pickle"
        if view.exists():
            self.views.append(view.read_bytes())

    def killed_pass(self) -> None:
        """A pass of the real program, killed at a random point (or not, when it is quicker than that)."""
        config = str(self.world.folder / "config.yaml")
        process = subprocess.Popen(
            [sys.executable, "-m", "cos_update", "--config", config, "bulk", "--once", "--allow-deletes"],
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )
        with contextlib.suppress(subprocess.TimeoutExpired):
            process.wait(self.draw(st.floats(0.35, 1.0)))
        process.kill()
        process.wait()

    def one_pass(self, full: str = "") -> Report:
        auth = {
            "auth_url": self.world.openstack.auth_url,
            "username": "concertim",
            "password": "concertim",
            "user_domain_name": "Default",
            "project_name": "admin",
            "project_domain_name": "Default",
        }
        settings_ = ConcertimSettings(self.world.concertim.url, "admin", "admin", retries=2)
        with ConcertimClient(settings_) as client:
            cloud = CloudReader(CloudSettings(auth=auth, retries=1), sleep=lambda _: None)
            often = Settings(full_read_every=FULL_READ_EVERY, full_cloud_read_every=FULL_CLOUD_READ_EVERY)
            services = Services(cloud, client, ViewStore(self.world.data_dir, "bulk"), often, settings_)
            return run_pass(
                services, RunOptions(allow_deletes=True, prune_unwatched=True, full=full), threading.Event()
            )[0]

    def refusals(self) -> list[Recorded]:
        """What Concertim refused; that something is gone, which was asked for to find out, is an answer."""
        return [found for found in self.world.concertim.refusals if (found.method, found.status) != ("GET", 404)]

    def posts_nothing(self) -> None:
        """One more pass writes nothing and asks for nothing that is refused."""
        self.world.concertim.wire.reset()
        again = self.one_pass()
        assert self.world.writes() == [], str(again)
        assert self.world.concertim.refusals == []


@settings(max_examples=int(os.environ.get("HISTORIES", "25")), suppress_health_check=list(HealthCheck))
@given(data=st.data())
def test_any_history_ends_in_step(data: st.DataObject) -> None:
    retry.BACKOFF = Backoff(0.01, 10.0)
    with tempfile.TemporaryDirectory() as folder:
        life = Life(data, Path(folder))
        with Sandbox(life.world.openstack, life.world.concertim):
            for project in life.projects:
                life.world.concertim.state.add_team(project.name, project.id)
            life.world.configure(full_read_every=FULL_READ_EVERY, full_cloud_read_every=FULL_CLOUD_READ_EVERY)
            life.cloud.neutron_validates_filters = data.draw(st.booleans())
            disturbed = False
            for _ in range(data.draw(st.integers(1, 3))):
                for _ in range(data.draw(st.integers(1, 5))):
                    life.something_happens()
                for _ in range(data.draw(st.integers(0, 3))):
                    life.something_is_done_by_hand()
                if data.draw(st.integers(0, 3)) == 0:
                    life.put_back_an_old_view()
                noted = life.notes_of_hand()
                before = shown(life.world.actual()).keys()
                is_left_alone = True
                faults = data.draw(st.lists(FAULTS, max_size=2))
                disturbed = disturbed or bool(faults)
                for where, fault in faults:
                    getattr(life.world, where).wire.faults.add(fault)
                if data.draw(st.integers(0, 3)) == 0:
                    disturbed = True
                    is_left_alone = False
                    life.killed_pass()
                else:
                    life.one_pass()
                for side in (life.world.openstack, life.world.concertim):
                    side.wire.faults.clear()
                life.keep_the_view()
                if is_left_alone and not any(where == "concertim" for where, _ in faults):
                    # By changes or in full: nothing goes that should be there.
                    lost = before - shown(life.world.actual()).keys()
                    assert not lost & wanted(life.world.desired()).keys()
                assert noted & set(life.world.concertim.state.devices) <= life.notes_of_hand()
            for project in life.projects:
                life.cloud.watch(project)
            life.one_pass(full="at last")
            assert disturbed or life.refusals() == []
            assert shown(life.world.actual()) == wanted(life.world.desired())
            for _ in range(FULL_READ_EVERY):
                life.one_pass()
            life.posts_nothing()
            (life.world.data_dir / "view.pickle").unlink()
            life.posts_nothing()
