"""Machines that hold leases and write under them, in simulated time, and their faults."""

from __future__ import annotations

import itertools
import random
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from unittest import mock

from cos_update.coordination import backend as backend_module
from cos_update.coordination import site as site_module
from cos_update.coordination.fence import MARGIN
from cos_update.coordination.keeper import TURNS, Keeper
from cos_update.coordination.site import Grant, Site
from cos_update.model.errors import Fenced
from cos_update.model.settings import CoordinationSettings
from cos_update.model.shards import shard_of

from .engine import Coordinator, Engine, Line
from .times import Process, Times

PROJECTS = tuple(f"project-{number}" for number in range(24))
LEASE = 4
SETTLED = 8
"""Leases after which, with nothing wrong any more, every shard is held and written to."""


class _Calls:
    """Calls whose deadline is the line's business."""

    def __init__(self, name: str, at_once: int) -> None:
        pass

    def __call__(self, function: Callable[[], Any], timeout: float) -> Any:
        return function()

    def close(self) -> None:
        pass


@dataclass(eq=False)
class Machine:
    """A data dir, its line to the engine, by how much its clock differs, and the processes that run."""

    name: str
    data_dir: Path
    line: Line
    offset: float
    processes: list[Process] = field(default_factory=list)


class World:
    """Machines on one engine. `writes` counts what was written; a write without the lease raises AssertionError."""

    def __init__(self, folder: Path, shards: int, seed: int) -> None:
        self.rng = random.Random(seed)
        self.times = Times()
        self.engine = Engine(self.times, LEASE)
        self.shards = shards
        self.writes = 0
        self.fenced = 0
        self.told: list[str] = []
        self.written: dict[int, float] = {}
        """When each shard was written to last."""
        self.machines: list[Machine] = []
        self._folder = folder
        self._numbers = itertools.count()

    def add(self) -> Machine:
        """One more machine, with a process or two."""
        name = f"m{next(self._numbers)}"
        data_dir = self._folder / name
        data_dir.mkdir()
        machine = Machine(name, data_dir, Line(self.times, self.rng), self.rng.uniform(0, 10**6))
        self.machines.append(machine)
        for _ in range(self.rng.randint(1, 2)):
            self.start(machine)
        return machine

    def start(self, machine: Machine) -> None:
        """One more process of a machine: it keeps leases, or waits to, and posts."""
        process = Process(machine.name)
        machine.processes.append(process)

        def clock() -> float:
            return self.times.now + machine.offset

        settings = CoordinationSettings("etcd3+http://simulated", self.shards, LEASE, machine.name)
        site = Site(settings, machine.data_dir, clock)
        self.times.spawn(process, lambda: self._keep(site._keeper))
        self.times.spawn(process, lambda: self._post(process, site))

    def coordinator(self, _: CoordinationSettings, member: bytes, deadline: float) -> Coordinator:
        name = member.decode().partition("-")[0]
        line = next(machine.line for machine in self.machines if machine.name == name)
        return Coordinator(self.engine, line, name, member, deadline)

    def _keep(self, keeper: Keeper) -> None:
        try:
            while True:
                keeper.turn()
                self.times.sleep(LEASE / TURNS)
        finally:
            if keeper._keeping is not None:
                keeper._uses.end(keeper._keeping)  # as the kernel does when a process dies

    def _post(self, process: Process, site: Site) -> None:
        rng = self.rng
        while True:
            self.times.sleep(rng.uniform(0.1, 1.0))
            with site.share() as grant:
                if grant is None:
                    continue
                self.times.sleep(rng.uniform(0, LEASE / 2))  # reading both sides
                for project in rng.sample(PROJECTS, 12):
                    if grant.shards.covers(project):
                        self._write(process, site, grant, project)

    def _write(self, process: Process, site: Site, grant: Grant, project: str) -> None:
        self.times.sleep(self.rng.uniform(0, 0.3))
        try:
            site.check(grant, project)()
        except Fenced:
            self.fenced += 1
            return
        shard = shard_of(project, self.shards)
        # It is on the wire now, whatever becomes of the process, which waits for the answer.
        wire = self.rng.uniform(0, 0.99 * MARGIN * LEASE) if self.rng.random() < 0.2 else 0.02
        self.times.at(self.times.now + wire, lambda: self._arrives(process, shard))
        self.times.sleep(wire + 0.01)

    def _arrives(self, process: Process, shard: int) -> None:
        if process.is_dead:
            return  # the one request that was on the wire: its machine may have handed the shard over
        by = process.name
        taken_by = self.engine.taken_by.get(f"cos-update/shard-{shard}".encode())
        assert taken_by == by, (
            f"{by} wrote to shard {shard}, which was {taken_by or 'nobody'}'s: {'; '.join(self.told)}"
        )
        self.writes += 1
        self.written[shard] = self.times.now

    def live(self, steps: int) -> None:
        """One history. Raises AssertionError."""
        for _ in range(steps):
            machine = self.rng.choice(self.machines)
            fault = self.rng.choice(FAULTS)
            self.told.append(f"{self.times.now - 1000:.2f} {fault.__name__} {machine.name}")
            fault(self, machine)
            self.let_pass(self.rng.choice((0.05, 0.5, LEASE * 0.4, LEASE * 1.2)))
        for machine in self.machines:
            machine.line.way = "ok"
            go_on(self, machine)
        healed = self.times.now
        self.let_pass(LEASE * SETTLED)
        late = {shard for shard in range(self.shards) if self.written.get(shard, 0.0) < healed}
        late &= {shard_of(project, self.shards) for project in PROJECTS}
        assert not late, f"nobody writes to shards {late}: {'; '.join(self.told)}"

    def end(self) -> None:
        """Ends all threads."""
        for machine in self.machines:
            for process in machine.processes:
                self.times.kill(process)

    def let_pass(self, seconds: float) -> None:
        """Time goes by."""
        self.times.run(self.times.now + seconds)


def _some(of: World, machine: Machine) -> list[Process]:
    return machine.processes if of.rng.random() < 0.6 else machine.processes[:1]


def kill(of: World, machine: Machine) -> None:
    for process in _some(of, machine):
        of.times.kill(process)
    machine.processes = [process for process in machine.processes if not process.is_dead]


def stop(of: World, machine: Machine) -> None:
    for process in _some(of, machine):
        process.is_stopped = True


def go_on(of: World, machine: Machine) -> None:
    for process in machine.processes:
        of.times.go_on(process)
    if not machine.processes:
        of.start(machine)


def bad_line(of: World, machine: Machine) -> None:
    machine.line.way = of.rng.choice(Line.WAYS)


def good_line(of: World, machine: Machine) -> None:
    machine.line.way = "ok"


def forget(of: World, machine: Machine) -> None:
    """The engine loses its data. No process begins within a lease of it: it could not tell that the engine is new."""
    of.engine.forget()
    of.let_pass(LEASE)


def join(of: World, machine: Machine) -> None:
    if len(of.machines) < 4:
        of.add()


FAULTS = (kill, stop, stop, go_on, go_on, bad_line, bad_line, good_line, good_line, forget, join)


def history(folder: Path, seed: int, steps: int = 8) -> World:
    """One history: what is left of it. Raises AssertionError."""
    rng = random.Random(seed)
    world = World(folder, rng.choice((1, 6)), seed)
    with (
        mock.patch.object(backend_module, "_coordinator", world.coordinator),
        mock.patch.object(backend_module, "Calls", _Calls),
        mock.patch.object(site_module, "require_installed"),
    ):
        try:
            for _ in range(rng.randint(2, 3)):
                world.add()
            world.live(steps)
        finally:
            world.end()
    return world
