"""Several machines on one cloud, one Concertim, one engine, and perhaps one broker."""

from __future__ import annotations

import itertools
import random
import threading
from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field

import pika.exceptions
from bus import EXCHANGES, notification
from engines import Engine
from listening import QUEUE
from machines import Holding, Line, Machine
from rabbit import RabbitNode
from sites import site_of
from world import World

from cos_update.fakes.concertim.records import Rack
from cos_update.model.events import Key

LEASE = 3
"""The shortest that the configuration takes."""
HEARTBEAT = 5
"""Seconds between those of the connection to the broker."""
WATCH = 0.05


@dataclass
class Cluster:
    """The machines, and the cloud that they all show."""

    world: World
    engine: Engine
    brokers: Sequence[RabbitNode]
    shards: int
    rng: random.Random
    interval: float = 1
    lease: int = LEASE
    machines: list[Machine] = field(default_factory=list)
    gone: list[Machine] = field(default_factory=list)
    """Machines that were removed: what they did stays to be judged."""
    project_of: dict[str, str] = field(default_factory=dict)
    """Of every rack and device that there ever was, by its Concertim id."""
    made: Counter[str] = field(default_factory=Counter)
    """How often each object of the cloud was made in Concertim."""
    told: list[str] = field(default_factory=list)
    """What has happened in this history, step by step."""
    untold: list[Key] = field(default_factory=list)
    """What has changed in the cloud, and no service has said yet."""
    _numbers: Iterator[int] = field(default_factory=itertools.count)

    def add_machine(self, *roles: str) -> Machine:
        """One more machine, which runs."""
        to_engine = Line(*self.engine.ports)
        to_concertim = Line(int(self.world.concertim.url.rpartition(":")[2]))
        to_brokers = tuple(Line(node.port) for node in self.brokers)
        url = self.engine.url(to_engine.port)
        name = f"m{next(self._numbers)}"
        section = {"rmq": self._rmq(to_brokers)} if to_brokers else {}
        site = site_of(self.world, name, url, shards=self.shards, lease=self.lease, **section)
        site.at(f"http://127.0.0.1:{to_concertim.port}")
        machine = Machine(site, roles, to_engine, to_concertim, to_brokers, self.interval)
        self.machines.append(machine)
        machine.start()
        return machine

    def remove_machine(self, machine: Machine) -> None:
        """It does not come back."""
        machine.close()
        self.machines.remove(machine)
        self.gone.append(machine)

    def _rmq(self, lines: Sequence[Line]) -> dict[str, object]:
        return {
            "rmq_username": "guest",
            "rmq_password": "guest",
            "rmq_address": [f"127.0.0.1:{line.port}" for line in lines],
            "queue": QUEUE,
            "queue_type": "quorum" if len(lines) > 1 else "classic",
            "heartbeat": HEARTBEAT,
        }

    def queues(self) -> list[str]:
        """The names of the shards' queues."""
        return [QUEUE] if self.shards == 1 else [f"{QUEUE}-{shard}" for shard in range(self.shards)]

    def draw_roles(self) -> tuple[str, ...]:
        """What runs on a machine."""
        if not self.brokers:
            return ("bulk",)
        return self.rng.choice((("bulk",), ("listen",), ("bulk", "listen"), ("bulk", "listen")))

    def holdings(self) -> list[Holding]:
        """All that was said of leases, in order."""
        return sorted(holding for machine in (*self.machines, *self.gone) for holding in machine.holdings())

    def last_taken(self) -> Machine | None:
        """The machine that has taken a shard last, if it still takes part."""
        names = [holding.site for holding in self.holdings() if holding.is_taken]
        return next((machine for machine in self.machines if names and machine.name == names[-1]), None)

    def tell(self) -> None:
        """The services say what has changed; what no broker takes, they say later."""
        if not self.brokers:
            return
        for node in self.brokers:
            with suppress(pika.exceptions.AMQPError, OSError), node.channel() as channel:
                for exchange in EXCHANGES:
                    channel.exchange_declare(exchange, "topic", durable=False)
                channel.confirm_delivery()
                for number, key in enumerate(self.untold):
                    item = notification(key, number)
                    persistent = pika.BasicProperties(delivery_mode=2)
                    channel.basic_publish(item.exchange, item.routing_key, item.body, persistent)
                self.untold.clear()
                return

    def watch(self, ended: threading.Event) -> None:
        """Notes whose every rack and device is, before it is gone."""
        state = self.world.concertim.state
        while not ended.wait(WATCH):
            with suppress(RuntimeError, KeyError):  # changed meanwhile
                for rack in tuple(state.racks.values()):
                    self.project_of.setdefault(rack.id, self._owner(rack))
                for device in tuple(state.devices.values()):
                    if device.id not in self.project_of:
                        self.project_of[device.id] = self._owner(state.racks[device.rack_id])

    def _owner(self, rack: Rack) -> str:
        team = self.world.concertim.state.teams.get(rack.owner_id)
        return team.project_id or "" if team else ""


@contextmanager
def cluster(
    world: World,
    engine: Engine,
    machines: int,
    shards: int,
    seed: int,
    *,
    brokers: Sequence[RabbitNode] = (),
    interval: float = 1,
    lease: int = LEASE,
) -> Iterator[Cluster]:
    """So many machines, all running, on a cloud of several projects."""
    for number in range(4):
        project = world.cloud.create_project(f"CM_more_{number}", watched=True)
        stack = world.cloud.create_stack(project, f"stack-{number}")
        world.cloud.add_server(stack, f"node-{number}")
        world.concertim.state.add_team(project.name, project.id)
    found = Cluster(world, engine, brokers, shards, random.Random(seed), interval, lease)
    found.tell()  # and with it the exchanges are there
    ended = threading.Event()
    watcher = threading.Thread(target=found.watch, args=(ended,), daemon=True)
    watcher.start()
    try:
        for _ in range(machines):
            found.add_machine(*found.draw_roles())
        yield found
    finally:
        for machine in found.machines:
            machine.close()
        ended.set()
        watcher.join()
        _drop_queues(found)


def _drop_queues(of: Cluster) -> None:
    for node in of.brokers[:1]:
        if not node.is_running:
            node.start()
        with node.channel() as channel:
            for queue in of.queues():
                channel.queue_delete(queue)
