"""Listeners on several machines, alone and beside bulk: a shard's queue is read by the machine that holds the shard."""

from __future__ import annotations

import signal
from collections.abc import Iterator
from pathlib import Path

import pytest
from bus import Bus
from engines import Engine
from hands import key
from listening import QUEUE, consumers, queues, rmq
from rabbit import RabbitNode, wait_for
from sites import Start, is_true, site_of, writes_by
from world import World, served

from cos_update.fakes.openstack.records import Server
from cos_update.model.kinds import ResourceKind

pytestmark = pytest.mark.broker


@pytest.fixture
def world(tmp_path: Path, broker: RabbitNode) -> Iterator[World]:
    names = (QUEUE, *(f"{QUEUE}-{n}" for n in range(2)))
    with queues(broker, *names), served(tmp_path, rmq=rmq(broker)) as world:
        yield world


def node(world: World) -> Server:
    return next(s for s in world.cloud.servers.values() if s.name == "alpha-node0")


def stop_server(world: World, bus: Bus, state: str = "stopped") -> None:
    """A change of the cloud, and what Nova says of it."""
    world.cloud.set_server_state(node(world), state)
    bus.tell(key(ResourceKind.SERVER, node(world)))


def test_listeners_share_the_shards_and_take_over_what_a_killed_one_had(
    world: World, broker: RabbitNode, etcd: Engine, start: Start
) -> None:
    bus = Bus(broker)  # and with it the exchanges
    sites = {name: site_of(world, name, etcd.url(), shards=2) for name in ("one", "two")}
    running = {name: start(site, "listen") for name, site in sites.items()}
    wait_for(lambda: all(consumers(broker, f"{QUEUE}-{n}") == 1 for n in range(2)), what="a consumer of each shard")
    wait_for(lambda: is_true(world), what="what a first pass posts")
    wait_for(lambda: all("listening for shard" in site.log("mq") for site in sites.values()), what="a share each")
    wait_for(lambda: all(consumers(broker, f"{QUEUE}-{n}") == 1 for n in range(2)), what="a consumer of each shard")
    world.concertim.wire.reset()
    stop_server(world, bus)
    wait_for(lambda: is_true(world), what="the change in Concertim")
    (holder,) = writes_by(world)
    running[holder].kill()
    stop_server(world, bus, "active")
    wait_for(lambda: is_true(world), what="the change that nobody heard")
    assert len(writes_by(world)) == 2


def test_bulk_and_the_listener_of_a_machine_act_under_the_same_leases(
    world: World, broker: RabbitNode, etcd: Engine, start: Start
) -> None:
    bus = Bus(broker)
    one, two = site_of(world, "one", etcd.url()), site_of(world, "two", etcd.url())
    bulk = start(one, "bulk", "--interval", "2")
    wait_for(lambda: "is held" in one.log(), what="the lease")
    start(one, "listen")
    start(two, "listen")
    wait_for(lambda: consumers(broker) == 1, what="one consumer")
    wait_for(lambda: is_true(world), what="what a first pass posts")
    assert "listening for shard 0" in one.log("mq")
    stop_server(world, bus)
    wait_for(lambda: is_true(world), what="the change in Concertim")
    # If the process that keeps the leases ends, the machine's other process or another machine takes over.
    bulk.send_signal(signal.SIGTERM)
    bulk.wait()
    stop_server(world, bus, "active")
    wait_for(lambda: is_true(world), what="the change after bulk has ended")
