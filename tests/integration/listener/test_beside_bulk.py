"""`bulk` and the listener concurrently on one data dir: neither undoes, duplicates or misses the other's changes."""

from __future__ import annotations

import random
import threading
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from hands import Hands, key
from passes import one_pass
from rabbit import wait_for
from world import World, served, shown, wanted

from cos_update.fakes.openstack.records import Server, Stack
from cos_update.fakes.openstack.state import CloudState
from cos_update.fakes.wire import Fault, FaultKind
from cos_update.model.kinds import ResourceKind


@pytest.fixture
def world(tmp_path: Path) -> Iterator[World]:
    with served(tmp_path) as world:
        one_pass(world)
        yield world


@pytest.fixture
def hands(world: World) -> Iterator[Hands]:
    with Hands(world) as hands:
        yield hands


def node(world: World) -> Server:
    return next(s for s in world.cloud.servers.values() if s.name == "alpha-node0")


def while_bulk_reads(world: World, meanwhile: Callable[[], None]) -> None:
    """Runs a pass by the real program, and `meanwhile` after it has read the cloud and before it posts."""
    faults = world.concertim.wire.faults
    reading = faults.add(Fault(FaultKind.HOLD, method="GET", path="/templates", times=1))
    world.openstack.wire.reset()
    bulk = threading.Thread(target=world.bulk)
    bulk.start()
    for listing in ("/networks", "/servers/detail"):
        wait_for(lambda path=listing: any(path in r.path for r in world.openstack.wire.requests), 60, "bulk's listings")
    wait_for(lambda: faults.struck(reading), 60, "bulk's reading of Concertim")
    meanwhile()
    faults.remove(reading)
    bulk.join()


def in_step(world: World) -> None:
    assert shown(world.actual()) == wanted(world.desired())
    one_pass(world, full_read_every=1, membership_refresh=1)
    assert world.writes() == []
    assert world.concertim.refusals == []


def test_what_the_listener_changed_while_bulk_was_reading_is_not_undone(world: World, hands: Hands) -> None:
    server = node(world)
    world.cloud.set_server_state(server, "error")

    def meanwhile() -> None:
        world.cloud.set_server_state(server, "stopped")
        hands.tell(key(ResourceKind.SERVER, server))

    statuses = []
    while_bulk_reads(world, meanwhile)
    statuses = [r.body for r in world.concertim.wire.requests if r.method == "PATCH"]
    assert shown(world.actual())[server.id][1] == "STOPPED"
    assert "FAILED" not in str(statuses), "bulk has posted what it had read before"
    in_step(world)


def test_what_the_listener_made_while_bulk_was_reading_is_not_made_twice(world: World, hands: Hands) -> None:
    stack = world.cloud.create_stack(next(p for p in world.cloud.projects.values() if p.name == "CM_team_a"), "late")
    servers = [world.cloud.add_server(stack, f"late-{number}") for number in range(4)]
    while_bulk_reads(world, lambda: hands.tell(key(ResourceKind.STACK, stack)))
    held = [d.object_id for d in world.actual().devices.values() if d.object_id in {s.id for s in servers}]
    assert len(held) == len(servers)
    in_step(world)


def test_what_the_listener_removed_while_bulk_was_reading_does_not_come_back(world: World, hands: Hands) -> None:
    server = node(world)
    world.cloud.set_server_state(server, "error")

    def meanwhile() -> None:
        world.cloud.delete_server(server)
        hands.tell(key(ResourceKind.SERVER, server))

    while_bulk_reads(world, meanwhile)
    assert server.id not in shown(world.actual())
    in_step(world)


def test_what_bulk_posted_while_the_listener_was_reading_is_not_undone(world: World, hands: Hands) -> None:
    server = node(world)
    stack = world.cloud.stacks[shown(world.actual())[server.id][0]]
    world.cloud.set_server_state(server, "error")
    # The servers are read before the volumes.
    faults = world.openstack.wire.faults
    reading = faults.add(Fault(FaultKind.HOLD, service="cinder", method="GET", times=1))
    world.openstack.wire.reset()
    hands.tell(key(ResourceKind.STACK, stack), wait=False)
    wait_for(lambda: any("/servers/" in r.path for r in world.openstack.wire.requests), what="the listener's reading")
    wait_for(lambda: faults.struck(reading), what="the rest of it")
    world.cloud.set_server_state(server, "stopped")
    world.bulk()
    world.concertim.wire.reset()
    faults.remove(reading)
    hands.settled()
    assert world.writes() == []
    in_step(world)


@pytest.mark.parametrize("seed", range(3))
def test_a_storm_of_changes_under_passes_and_events_ends_in_step(world: World, hands: Hands, seed: int) -> None:
    chance = random.Random(seed)
    done = threading.Event()
    passes = threading.Thread(target=_passes, args=(world, done))
    passes.start()
    for number in range(120):
        kind, thing = _change(world.cloud, chance, number)
        if chance.random() > 0.05:
            hands.tell(key(kind, thing), wait=False)
        threading.Event().wait(chance.random() * 0.05)
    done.set()
    passes.join()
    hands.settled(60)
    world.bulk()
    in_step(world)


def _passes(world: World, done: threading.Event) -> None:
    while not done.is_set():
        world.bulk(expect=None)


def _change(cloud: CloudState, chance: random.Random, number: int) -> tuple[ResourceKind, object]:
    stacks = [s for s in cloud.stacks.values() if s.parent_id is None and not s.deleted and _servers(cloud, s)]
    stack = chance.choice(stacks)
    server = chance.choice(_servers(cloud, stack))
    match chance.choice(["state", "state", "state", "new", "gone", "rename", "resize", "stack"]):
        case "state":
            cloud.set_server_state(server, chance.choice(["active", "stopped", "suspended", "error"]))
        case "new":
            server = cloud.add_server(stack, f"storm-{number}")
        case "gone":
            if len(_servers(cloud, stack)) > 1:
                cloud.delete_server(server)
        case "rename":
            cloud.rename(server, f"storm-{chance.randrange(5)}")
        case "resize":
            cloud.resize(server, chance.choice(list(cloud.flavors.values())))
        case "stack":
            stack = cloud.create_stack(cloud.projects[stack.project_id], f"storm-{number}")
            cloud.add_server(stack, "first")
            return ResourceKind.STACK, stack
    cloud.update_stack(stack)
    return ResourceKind.SERVER, server


def _servers(cloud: CloudState, stack: Stack) -> list[Server]:
    own = {resource.physical_id for resource in stack.resources.values()}
    return [server for server in cloud.servers.values() if server.id in own]
