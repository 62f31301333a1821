"""One cloud of random makings, with hostile names, and what may become of it, of Concertim, the view and a pass.

Over real HTTP against both strict fakes. What is drawn is drawn by hypothesis.
"""

from __future__ import annotations

import contextlib
import json
import resource
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Protocol, TypeVar

from hypothesis import strategies as st

from cos_update.concertim.client import ConcertimClient
from cos_update.fakes.concertim import ConcertimApp
from cos_update.fakes.openstack import OpenStackApp
from cos_update.fakes.openstack.records import Project, Stack
from cos_update.fakes.openstack.state import CloudState
from cos_update.fakes.wire import Fault, FaultKind, Recorded
from cos_update.model.concertim import ApiFlavour
from cos_update.model.settings import CloudSettings, ConcertimSettings, Settings
from cos_update.openstack.inventory import CloudReader
from cos_update.planning.report import Report
from cos_update.store import ViewStore
from cos_update.sync.reconciler import run_pass
from cos_update.sync.services import RunOptions, Services
from tests.histories.broken import NeedlessRefusal, WriteAtRest
from tests.integration.byhand import HIDDEN, SHOWN, tamper
from tests.integration.world import World

T = TypeVar("T")

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
FLAVOURS = st.sampled_from([ApiFlavour.TEAMS, ApiFlavour.TEAMS, ApiFlavour.USERS, ApiFlavour.CREDITS])
UNSTORED = st.sets(
    st.sampled_from(["volume_details", "ssh_key", "private_ips", "availability_zone", "mtu"]), max_size=2
)
"""Fields that a Concertim may accept and not store."""
SKEWED = ("nova", "heat", "cinder", "neutron", "keystone", "concertim")
ENDS = ("SIGKILL", "SIGHUP", "SIGTERM", "few files")
"""What may interrupt a pass of the real program."""
MOST_SECONDS = 90.0
"""So long a pass may take that is asked to end, or has few files."""
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
    "lost nested stack",
    "lost nested stack",
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


class Draw(Protocol):
    """Draws a value by a strategy, as hypothesis's `data.draw` does."""

    def __call__(self, strategy: st.SearchStrategy[T], /) -> T: ...


class Life:
    """One cloud and what becomes of it."""

    def __init__(self, draw: Draw, folder: Path) -> None:
        self.draw = draw
        state = CloudState()
        self.projects = [state.create_project(f"CM_{name}", watched=True) for name in "ab"]
        self.world = World(OpenStackApp(state), ConcertimApp(draw(FLAVOURS), race_window=0.0), folder)
        self.world.concertim.state.unstored = set(draw(st.just(set()) | UNSTORED))
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
        # In a URL the last two of these mean other paths; Heat takes no such names.
        name = self.draw(NAMES.filter(lambda n: n not in {*names, ".", ".."}))
        # The newer Concertim takes no rack without a cluster type.
        outputs = {"a=b": "x, y=z", "concertim_cluster_type": "hpc"}
        stack = self.cloud.create_stack(self.draw(st.sampled_from(self.projects)), name, outputs=outputs)
        holder = self.cloud.add_nested(stack, "group") if self.draw(st.booleans()) else stack
        for _ in range(self.draw(st.integers(1, 4))):
            self.cloud.add_server(holder, self.draw(NAMES), self._flavor(), state=self.draw(STATES))
        if self.draw(st.booleans()):
            self.cloud.create_volume(stack, self.draw(NAMES | st.none()))
            self.cloud.create_network(stack, self.draw(NAMES))

    def _flavor(self):  # type: ignore[no-untyped-def]
        return self.draw(st.sampled_from(list(self.cloud.flavors.values())))

    def something_happens(self) -> None:
        servers = list(self.cloud.servers.values())
        stacks = [s for s in self.cloud.stacks.values() if s.parent_id is None]
        what = self.draw(st.sampled_from(HAPPENINGS))
        volumes = list(self.cloud.volumes.values())
        networks = [n for n in self.cloud.networks.values() if not n.shared]
        if what == "stack" or not servers or not stacks:
            self.new_stack()
        elif what == "project":
            self.turn(self.draw(st.sampled_from(self.projects)))
        elif what == "lost nested stack":
            self.lose_a_nested_stack()
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
        server = self.draw(st.sampled_from(list(cloud.servers.values())))
        ports = cloud.ports_of[server.id]
        volumes = list(cloud.volumes.values())
        networks = [n for n in cloud.networks.values() if n.subnets]
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

    def lose_a_nested_stack(self) -> None:
        """A stack is being deleted, and one nested in it is gone before it."""
        nested = [s for s in self.cloud.stacks.values() if s.parent_id and not s.deleted]
        if nested:
            lost = self.draw(st.sampled_from(nested))
            top = self.cloud.top_of(lost)
            if top.status != "DELETE_IN_PROGRESS":
                self.cloud.begin(top, "DELETE")
            self.cloud.lose_nested(lost)

    def skew_clocks(self) -> None:
        """The hosts of some services are hours ahead or behind."""
        ahead = {name: self.draw(st.sampled_from([0.0, 0.0, 9000.0, -9000.0])) for name in SKEWED}
        self.world.concertim.state.clock = lambda: time.time() + ahead["concertim"]
        self.cloud.clock_offsets = ahead

    def held(self) -> set[str]:
        """The ids of all that the stacks of watched projects hold, whatever Heat can tell of it."""
        watched = {project.id for project in self.cloud.projects_of(self.cloud.watcher.id)}
        tops = [s for s in self.cloud.stacks.values() if s.parent_id is None and not s.deleted]
        there = self.cloud.servers.keys() | self.cloud.volumes.keys() | self.cloud.networks.keys()
        return {item for stack in tops if stack.project_id in watched for item in _members(stack)} & there

    def alive(self) -> set[str]:
        """The ids of the stacks at the top that are there."""
        return {s.id for s in self.cloud.stacks.values() if s.parent_id is None and not s.deleted}

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

    def program_pass(self) -> None:
        """A pass of the real program that is killed, asked to end, or short of files. Raises AssertionError."""
        what, files = self.draw(st.sampled_from(ENDS)), self.draw(st.sampled_from([16, 24, 40]))
        delay = self.draw(st.floats(0.0, 0.5))
        config = str(self.world.folder / "config.yaml")

        def limit() -> None:
            resource.setrlimit(resource.RLIMIT_NOFILE, (files, files))

        before, written = len(self.world.openstack.wire.requests), len(self.world.writes())
        process = subprocess.Popen(
            [sys.executable, "-m", "cos_update", "--config", config, "bulk", "--once", "--allow-deletes"],
            stdout=subprocess.DEVNULL,
            stderr=subprocess.PIPE,
            text=True,
            preexec_fn=limit if what == "few files" else None,
        )
        try:
            if what != "few files":
                while process.poll() is None and len(self.world.openstack.wire.requests) == before:
                    time.sleep(0.02)
                with contextlib.suppress(subprocess.TimeoutExpired):
                    process.wait(delay)
                process.send_signal(signal.Signals[what])
            _, said = process.communicate(timeout=MOST_SECONDS)
        finally:
            process.kill()
        if what != "SIGKILL":
            # A signal has its usual effect before anything is posted, and once everything is saved.
            is_amid = len(self.world.writes()) != written and not self._has_ended()
            assert process.returncode >= 0 or not is_amid, f"{what} killed it: {process.returncode}"
            assert "This is a bug" not in said, said
            assert "Traceback" not in said, said

    def _has_ended(self) -> bool:
        health = json.loads((self.world.data_dir / "health-bulk.json").read_text())
        return health["ended"] is not None

    def one_pass(self, full: str = "") -> Report:
        with self.services("bulk") as services:
            return run_pass(
                services, RunOptions(allow_deletes=True, prune_unwatched=True, full=full), threading.Event()
            )[0]

    @contextlib.contextmanager
    def services(self, process: str) -> Iterator[Services]:
        """The clients of both sides, for one pass or for as long as a daemon runs."""
        auth = {
            "auth_url": self.world.openstack.auth_url,
            "username": "concertim",
            "password": "concertim",
            "user_domain_name": "Default",
            "project_name": "admin",
            "project_domain_name": "Default",
        }
        settings_ = ConcertimSettings(self.world.concertim.url, "admin", "admin", retries=2)
        cloud = CloudReader(CloudSettings(auth=auth, retries=1), sleep=lambda _: None)
        often = Settings(
            data_dir=self.world.data_dir,
            max_deletes=100,
            full_read_every=FULL_READ_EVERY,
            full_cloud_read_every=FULL_CLOUD_READ_EVERY,
        )
        with ConcertimClient(settings_) as client, contextlib.closing(cloud):
            yield Services(cloud, client, ViewStore(self.world.data_dir, process), often, settings_)

    def refusals(self) -> list[Recorded]:
        """What Concertim refused; that something is gone, which was asked for to find out, is an answer."""
        return [found for found in self.world.concertim.refusals if (found.method, found.status) != ("GET", 404)]


def _members(stack: Stack) -> Iterator[str]:
    for each in stack.resources.values():
        if each.nested is None:
            yield each.physical_id
        else:
            yield from _members(each.nested)


def rest(life: Life) -> None:
    """One more pass writes nothing and asks for nothing that is refused."""
    life.world.concertim.wire.reset()
    report = life.one_pass()
    if life.world.writes():
        raise WriteAtRest(f"{life.world.writes()} {report}")
    if life.world.concertim.refusals:
        raise NeedlessRefusal(life.world.concertim.refusals)
