"""SIGHUP of a listener: it reloads its configuration without losing a message."""

from __future__ import annotations

import signal
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
import yaml
from bus import Bus
from hands import key
from listening import QUEUE, Listener, consumers, drain, in_step, messages, node, queues, rmq, status
from rabbit import RabbitNode, wait_for
from world import World

from cos_update.fakes import Sandbox
from cos_update.fakes.concertim import ConcertimApp
from cos_update.fakes.demo import demo_cloud
from cos_update.fakes.openstack import OpenStackApp
from cos_update.fakes.wire import Fault, FaultKind
from cos_update.model.exit_codes import ExitCode
from cos_update.model.kinds import ResourceKind

pytestmark = pytest.mark.broker

OTHER = f"{QUEUE}-other"
READ_AGAIN = "configuration reloaded; changed: "


@pytest.fixture
def world(tmp_path: Path, broker: RabbitNode) -> Iterator[World]:
    """The demo's cloud in step with Concertim, and a broker whose queue is ours and empty."""
    world = World(OpenStackApp(demo_cloud()), ConcertimApp(), tmp_path)
    with Sandbox(world.openstack, world.concertim), queues(broker, QUEUE, OTHER):
        world.add_owners()
        world.configure(rmq=rmq(broker))
        world.bulk()
        yield world


def rewrite(world: World, section: dict[str, object]) -> None:
    path = world.folder / "config.yaml"
    document = yaml.safe_load(path.read_text())
    document["rmq"] |= section
    path.write_text(yaml.safe_dump(document))


def hang_up(listener: Listener, output: str) -> None:
    before = listener.output().count(output)
    listener.process.send_signal(signal.SIGHUP)
    wait_for(lambda: listener.output().count(output) > before, what=output)


def follows(world: World, bus: Bus) -> None:
    """Whether changes are brought over still."""
    for state, shown_as in (("stopped", "STOPPED"), ("active", "ACTIVE")):
        world.cloud.set_server_state(node(world), state)
        bus.tell(key(ResourceKind.SERVER, node(world)))
        wait_for(lambda shown_as=shown_as: status(world, node(world)) == shown_as, what=shown_as)


def test_a_hangup_ends_nothing(world: World, bus: Bus, listener: Callable[..., Listener]) -> None:
    process = listener()
    hang_up(process, READ_AGAIN + "nothing")
    follows(world, bus)
    (world.folder / "config.yaml").rename(world.folder / "away.yaml")
    hang_up(process, "cannot reload the configuration")
    follows(world, bus)
    (world.folder / "away.yaml").rename(world.folder / "config.yaml")
    in_step(world)
    assert process.end() == 0


def test_another_queue_is_consumed(
    world: World, broker: RabbitNode, bus: Bus, listener: Callable[..., Listener]
) -> None:
    process = listener()
    rewrite(world, {"queue": OTHER})
    hang_up(process, READ_AGAIN + "rmq")
    wait_for(lambda: consumers(broker, OTHER) == 1)
    assert consumers(broker, QUEUE) == 0
    follows(world, bus)
    in_step(world)
    assert process.end() == 0


def test_what_is_in_hand_is_finished_and_what_comes_meanwhile_is_not_lost(
    world: World, broker: RabbitNode, bus: Bus, listener: Callable[..., Listener]
) -> None:
    process = listener()
    world.concertim.wire.latency = 0.1
    servers = [server for server in world.cloud.servers.values() if status(world, server)]
    for number, server in enumerate(servers):
        world.cloud.set_server_state(server, "stopped")
        bus.tell(key(ResourceKind.SERVER, server))
        if number % 5 == 0:
            rewrite(world, {"prefetch": 10 + number})
            process.process.send_signal(signal.SIGHUP)
    wait_for(lambda: all(status(world, server) == "STOPPED" for server in servers), timeout=60)
    wait_for(lambda: messages(broker) == 0, timeout=30)
    world.concertim.wire.latency = 0.0
    in_step(world)
    assert process.end() == 0


def test_another_shard_needs_a_restart(world: World, bus: Bus, listener: Callable[..., Listener]) -> None:
    process = listener()
    rewrite(world, {"shard": {"index": 1, "count": 2}})
    hang_up(process, "changes to rmq take effect when listen is restarted")
    follows(world, bus)


def test_its_threads_tell_where_they_stand(world: World, bus: Bus, listener: Callable[..., Listener]) -> None:
    process = listener()
    process.process.send_signal(signal.SIGUSR1)
    wait_for(lambda: "thread watchdog: " in process.output())
    for name in ("MainThread", "broker", "keeper", "heartbeat"):
        assert f"thread {name}: " in process.output()
    follows(world, bus)


@pytest.mark.parametrize("number", [signal.SIGHUP, signal.SIGTERM], ids=lambda number: number.name)
def test_a_drain_ends_with_what_it_has_not_done_left_in_the_queue(
    world: World, bus: Bus, broker: RabbitNode, number: signal.Signals
) -> None:
    drain(world)  # declares the queue
    world.cloud.set_server_state(node(world), "stopped")
    bus.tell(key(ResourceKind.SERVER, node(world)))
    faults = world.concertim.wire.faults
    hang = faults.add(Fault(FaultKind.HANG, method="PATCH"))
    listener = Listener(world, "--drain")
    wait_for(lambda: faults.struck(hang) > 0, what="the request that hangs")
    assert listener.end(number) == ExitCode.IN_PART
    assert messages(broker) == 1
