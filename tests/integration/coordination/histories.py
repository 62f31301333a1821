"""Random histories of several machines on one Concertim: killed, stopped, cut off, joining and leaving, all at once.

After each history everything is as it should be again, nothing was made twice, and every write was made by the machine
that held its shard at that moment.
"""

from __future__ import annotations

import json
import random
import re
import signal
import subprocess
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from datetime import datetime

from engines import Engine
from rabbit import Proxy, wait_for
from sites import SiteOf, is_true, site_of, writer, writes_by
from world import World

from cos_update.fakes.concertim.records import Rack
from cos_update.fakes.openstack.records import Project, Server, Stack
from cos_update.fakes.wire import Recorded
from cos_update.model.shards import shard_of

LEASE = 3
SETTLED = 90.0
"""Seconds within which a history must have come to a good end, once nothing is wrong any more."""
_TAKEN = re.compile(r"^(\S+) INFO +leases .*?shard (\d+) of \d+ is held by this site \((\w+)\) now")
LOGGED_LATE = 0.3
"""Seconds by which the line about a lease may come after the first write under it."""


class Line(Proxy):
    """A connection that can be cut, closed for new ones, or swallow whatever is sent (as after a power cut)."""

    def __init__(self, target: int) -> None:
        self.swallows = False
        super().__init__(target)

    def _pump(self, source: object, sink: object, from_broker: bool) -> None:
        with suppress(OSError):
            while data := source.recv(65536):  # type: ignore[attr-defined]
                if not self.swallows:
                    sink.sendall(data)  # type: ignore[attr-defined]
        for end in (source, sink):
            with suppress(OSError):
                end.shutdown(2)  # type: ignore[attr-defined]

    def break_off(self, how: str) -> None:
        """Cuts it: `refuse` answers with a reset, `swallow` not at all."""
        if how == "refuse":
            self.accepting = False
            self.cut()
        else:
            self.swallows = True

    def restore(self) -> None:
        """Works again; what was lost stays lost."""
        if self.swallows:
            self.swallows = False
            self.cut()
        self.accepting = True


@dataclass
class Machine:
    """A site with a daemon, and its lines to the engine and to Concertim."""

    site: SiteOf
    to_engine: Line
    to_concertim: Line
    interval: float = 1
    process: subprocess.Popen[bytes] | None = None
    is_stopped: bool = False

    def start(self) -> None:
        """Starts its daemon unless it runs."""
        if self.process is None or self.process.poll() is not None:
            self.process = self.site.start("bulk", "--interval", str(self.interval))
            self.is_stopped = False

    def signal(self, number: signal.Signals) -> None:
        """Sends its daemon a signal."""
        if self.process is not None and self.process.poll() is None:
            self.process.send_signal(number)

    def end(self, number: signal.Signals) -> None:
        """Ends its daemon."""
        self.signal(signal.SIGCONT)
        self.signal(number)
        if self.process is not None:
            self.process.wait(30)


@dataclass
class Land:
    """The machines, and the cloud that they all show."""

    world: World
    machines: list[Machine]
    shards: int
    rng: random.Random
    project_of: dict[str, str] = field(default_factory=dict)
    """Of every rack and device that there ever was, by its Concertim id."""
    told: list[str] = field(default_factory=list)
    """What has happened, step by step."""

    def watch(self, ended: threading.Event) -> None:
        """Notes whose every rack and device is, before it is gone."""
        state = self.world.concertim.state
        while not ended.wait(0.03):
            with suppress(RuntimeError, KeyError):  # changed meanwhile
                for rack in tuple(state.racks.values()):
                    self.project_of[rack.id] = self._owner(rack)
                for device in tuple(state.devices.values()):
                    rack = state.racks[device.rack_id]
                    self.project_of[device.id] = self._owner(rack)

    def _owner(self, rack: Rack) -> str:
        team = self.world.concertim.state.teams.get(rack.owner_id)
        return team.project_id or "" if team else ""


@contextmanager
def land(world: World, engine: Engine, count: int, shards: int, seed: int, *, interval: float = 1) -> Iterator[Land]:
    """So many machines, all running, on a cloud of several projects."""
    rng = random.Random(seed)
    for number in range(4):
        project = world.cloud.create_project(f"CM_more_{number}", watched=True)
        stack = world.cloud.create_stack(project, f"stack-{number}")
        world.cloud.add_server(stack, f"node-{number}")
        world.concertim.state.add_team(project.name, project.id)
    machines = []
    for number in range(count):
        to_engine, to_concertim = Line(engine.ports[0]), Line(int(world.concertim.url.rpartition(":")[2]))
        site = site_of(world, f"m{number}", engine.url(to_engine.port), shards=shards, lease=LEASE)
        site.at(f"http://127.0.0.1:{to_concertim.port}")
        machines.append(Machine(site, to_engine, to_concertim, interval))
    found = Land(world, machines, shards, rng)
    ended = threading.Event()
    watcher = threading.Thread(target=found.watch, args=(ended,), daemon=True)
    watcher.start()
    try:
        for machine in machines:
            machine.start()
        yield found
    finally:
        for machine in machines:
            machine.end(signal.SIGKILL)
            for line in (machine.to_engine, machine.to_concertim):
                line.__exit__()
        ended.set()
        watcher.join()


def change(of: Land) -> None:
    """Something happens in the cloud."""
    cloud, rng = of.world.cloud, of.rng
    projects: list[Project] = [p for p in cloud.projects.values() if p.name.startswith("CM_")]
    servers: list[Server] = [s for s in cloud.servers.values() if s.name.startswith("node-")]
    stacks: list[Stack] = [s for s in cloud.stacks.values() if s.name.startswith("stack-")]
    what = rng.random()
    if what < 0.35 or len(servers) < 3:
        stack = cloud.create_stack(rng.choice(projects), f"stack-{rng.randrange(10**6)}")
        for _ in range(rng.randint(1, 4)):
            cloud.add_server(stack, f"node-{rng.randrange(10**6)}")
    elif what < 0.8:
        cloud.set_server_state(rng.choice(servers), rng.choice(("active", "stopped", "suspended", "error")))
    elif what < 0.9:
        cloud.delete_server(rng.choice(servers))
    elif stacks:
        cloud.delete_stack(rng.choice(stacks))


def kill(of: Land, machine: Machine) -> None:
    machine.end(signal.SIGKILL)


def leave(of: Land, machine: Machine) -> None:
    machine.end(signal.SIGTERM)


def stop(of: Land, machine: Machine) -> None:
    machine.signal(signal.SIGSTOP)
    machine.is_stopped = True


def stop_amid(of: Land, machine: Machine) -> None:
    """Stops a machine that holds a shard, while it posts, for longer than the lease."""
    machine = _a_holder(of) or machine
    of.world.concertim.wire.latency = 0.1
    for _ in range(8):
        change(of)
    before = len(writes_by(of.world).get(machine.site.name, ()))
    with suppress(AssertionError):
        wait_for(lambda: len(writes_by(of.world).get(machine.site.name, ())) > before, 3.0)
    stop(of, machine)
    time.sleep(LEASE * of.rng.choice((1.2, 2.0)))


def _a_holder(of: Land) -> Machine | None:
    return next((m for m in of.machines if m.site.name == last_taken(of)), None)


def last_taken(of: Land) -> str:
    """The name of the machine that has taken a shard last, or ""."""
    return max((when[-1] for when in taken(of).values()), default=(0.0, ""))[1]


def lose_engine_amid(of: Land, machine: Machine) -> None:
    """The same with the line to the engine, which swallows all."""
    machine = _a_holder(of) or machine
    of.world.concertim.wire.latency = 0.2
    for _ in range(12):
        change(of)
    machine.to_engine.break_off("swallow")
    time.sleep(LEASE * of.rng.choice((1.2, 2.0)))


def go_on(of: Land, machine: Machine) -> None:
    machine.signal(signal.SIGCONT)
    machine.is_stopped = False
    machine.start()


def lose_engine(of: Land, machine: Machine) -> None:
    machine.to_engine.break_off(of.rng.choice(("refuse", "swallow")))


def lose_concertim(of: Land, machine: Machine) -> None:
    machine.to_concertim.break_off(of.rng.choice(("refuse", "swallow")))


def find_both(of: Land, machine: Machine) -> None:
    machine.to_engine.restore()
    machine.to_concertim.restore()


FAULTS: tuple[Callable[[Land, Machine], None], ...] = (
    kill, leave, stop, stop_amid, go_on, lose_engine, lose_engine_amid, lose_concertim, find_both, go_on,
)  # fmt: skip


def history(of: Land, steps: int) -> None:
    """One history. Raises AssertionError when it has no good end."""
    for _ in range(steps):
        of.world.concertim.wire.latency = of.rng.choice((0.0, 0.05, 0.1))
        machine = of.rng.choice(of.machines)
        fault = of.rng.choice(FAULTS)
        of.told.append(f"{fault.__name__} {machine.site.name}")
        fault(of, machine)
        for _ in range(of.rng.randint(0, 6)):
            change(of)
        time.sleep(of.rng.choice((0.1, 0.3, 0.6, LEASE * 0.5, LEASE * 1.2)))
    of.world.concertim.wire.latency = 0.0
    for machine in of.machines:
        find_both(of, machine)
        go_on(of, machine)
    settle(of)
    check_writers(of)
    check_made_once(of)


def settle(of: Land) -> None:
    """Concertim comes to show the cloud, and then nobody writes any more."""
    wait_for(lambda: is_true(of.world), SETTLED, "a Concertim that shows the cloud")

    def passes(machine: Machine) -> int:
        return machine.site.log().count("pass ends")

    def quiet() -> bool:
        before = sum(map(len, writes_by(of.world).values()))
        counts = {machine.site.name: passes(machine) for machine in of.machines}

        def has_passed() -> bool:
            held = [m for m in of.machines if _holds(m)]
            return bool(held) and all(passes(m) > counts[m.site.name] + 1 for m in held)

        wait_for(has_passed, SETTLED, "passes that end")
        return before == sum(map(len, writes_by(of.world).values()))

    wait_for(quiet, SETTLED, "passes that write nothing")
    assert is_true(of.world)


def _holds(machine: Machine) -> bool:
    with suppress(OSError):  # it was killed before it could say so
        status = json.loads((machine.site.data_dir / "health-bulk.json").read_text())
        return bool(status["details"]["leases"]["held"])
    return False


def taken(of: Land) -> dict[int, list[tuple[float, str]]]:
    """By shard when it was taken, and by whom."""
    found: dict[int, list[tuple[float, str]]] = {}
    for machine in of.machines:
        for line in machine.site.log().splitlines():
            if match := _TAKEN.match(line):
                found.setdefault(int(match[2]), []).append((datetime.fromisoformat(match[1]).timestamp(), match[3]))
    return {shard: sorted(when) for shard, when in found.items()}


def check_writers(of: Land) -> None:
    """Every write to a rack was made by the machine that had taken its shard last."""
    takings = taken(of)
    for request in of.world.concertim.wire.requests:
        project = _project_written(of, request)
        if project is None:
            continue
        shard = shard_of(project, of.shards)
        by = writer(of.world, request)
        before = [who for when, who in takings.get(shard, ()) if when <= request.began]
        soon = [who for when, who in takings.get(shard, ()) if 0 < when - request.began <= LOGGED_LATE]
        if not (before and before[-1] == by) and by not in soon:
            when_taken = [(round(when - request.began, 3), who) for when, who in takings.get(shard, ())]
            raise AssertionError(f"{by} wrote {request.method} {request.path} to shard {shard}, taken at {when_taken}")


def _project_written(of: Land, request: Recorded) -> str | None:
    """The project of the rack that a write was about; None for reads, templates, and what was gone too soon."""
    if request.method == "GET" or "sign_in" in request.path:
        return None
    body = request.body if isinstance(request.body, dict) else {}
    if request.method == "POST":
        about = {**body, **body.get("rack", {}), **body.get("device", {})}
        if request.path.endswith("/racks"):
            team = of.world.concertim.state.teams.get(str(about.get("team_id", "")))
            return team.project_id if team else None
        location = about.get("location") or {}
        return of.project_of.get(str(location.get("rack_id", "")))
    return of.project_of.get(request.path.rpartition("/")[2])


def check_made_once(of: Land) -> None:
    """No object was made a second time: so none was removed that was there."""
    made: Counter[str] = Counter()
    for request in of.world.concertim.wire.requests:
        if request.method == "POST" and request.status in (200, 201):
            name = b"stack" if request.path.endswith("/racks") else b"instance"
            made.update(item.decode() for item in re.findall(b'"openstack_%s_id": "([^"]+)"' % name, request.raw))
    twice = {item: count for item, count in made.items() if count > 1}
    assert not twice, f"made more than once: {twice}"
