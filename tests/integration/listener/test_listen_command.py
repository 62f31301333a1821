"""`cos-update listen` as an operator runs it: the real program, a real broker, both fakes."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from bus import Bus, Message, captured, message, notification
from hands import key
from listening import QUEUE, Listener, consumers, drain, in_step, messages, node, queues, rmq, status, team
from rabbit import RabbitNode, wait_for
from world import World, served, shown

from cos_update.model.events import Key
from cos_update.model.kinds import ResourceKind

pytestmark = pytest.mark.broker


@pytest.fixture
def world(tmp_path: Path, broker: RabbitNode) -> Iterator[World]:
    """The demo's cloud in step with Concertim, and a broker whose queue is ours and empty."""
    with queues(broker, QUEUE, f"{QUEUE}-0", f"{QUEUE}-1"), served(tmp_path, rmq=rmq(broker)) as world:
        world.bulk()
        world.concertim.wire.reset()
        yield world


def test_a_change_shows_as_it_occurs(world: World, bus: Bus, listener: Callable[..., Listener]) -> None:
    listener()
    for state, shown_as in (("stopped", "STOPPED"), ("active", "ACTIVE"), ("error", "FAILED")):
        world.cloud.set_server_state(node(world), state)
        bus.tell(key(ResourceKind.SERVER, node(world)))
        wait_for(lambda status_=shown_as: status(world, node(world)) == status_, what=shown_as)
    in_step(world)


def test_a_start_asks_for_a_resync(world: World, bus: Bus, listener: Callable[..., Listener]) -> None:
    listener()
    wait_for(lambda: json.loads(world.run("view", "dump", "--format", "json").stdout)["resync"], what="the request")


def test_drain_works_off_what_is_queued_and_ends(world: World, bus: Bus, broker: RabbitNode) -> None:
    drain(world)
    for server in list(world.cloud.servers.values())[:20]:
        world.cloud.set_server_state(server, "stopped")
        bus.tell(key(ResourceKind.SERVER, server))
    bus.tell(key(ResourceKind.SERVER, node(world)))
    assert messages(broker) == 21
    done = drain(world)
    assert (messages(broker), done.stderr) == (0, "")
    in_step(world)


def test_with_resync_a_listener_alone_does_everything(world: World, bus: Bus, broker: RabbitNode) -> None:
    for path in world.data_dir.glob("view.*"):
        path.unlink()
    world.cloud.set_server_state(node(world), "stopped")
    stack = world.cloud.create_stack(team(world), "unheard-of")
    world.cloud.add_server(stack, "unheard-of-0")
    drain(world, "--resync")
    in_step(world)


def test_the_real_captures_bring_what_the_cloud_holds(world: World, bus: Bus, broker: RabbitNode) -> None:
    """The messages tell of objects that the fake holds under the same ids, in a state of its own."""
    drain(world)
    stack = world.cloud.create_stack(team(world), "ex-cluster")
    server = world.cloud.add_server(stack, "ex-server", state="stopped")
    volume = world.cloud.create_volume(stack, "ex-volume", 3)
    network = world.cloud.create_network(stack, "excl-net")
    ids = {
        "compute.instance.update": server.id,
        "orchestration.stack.create.start": stack.id,
        "volume.create.end": volume.id,
        "network.create.end": network.id,
    }
    renamed = [(parse_key(event_type).id, new) for event_type, new in ids.items()]
    renamed.append((parse_key("compute.instance.update").project_id, team(world).id))
    for each in captured().values():
        body = each.body.decode()
        for old, new in renamed:
            body = body.replace(old, new)
        bus.publish(Message(each.exchange, each.routing_key, body.encode()))
    drain(world)
    assert shown(world.actual())[server.id] == (stack.id, "STOPPED")
    assert {volume.id, network.id} <= set(shown(world.actual()))
    in_step(world)


def parse_key(event_type: str) -> Key:
    from cos_update.openstack.notifications import parse

    return parse(captured()[event_type].body).keys[0]


def test_nothing_is_taken_from_other_readers_of_notifications_info(
    world: World, bus: Bus, broker: RabbitNode, listener: Callable[..., Listener]
) -> None:
    with broker.channel() as channel:
        channel.queue_declare("notifications.info")
        channel.queue_bind("notifications.info", "nova", "notifications.info")
    listener()
    told_of = [message("compute.instance.update", key(ResourceKind.SERVER, node(world))) for _ in range(50)]
    world.cloud.set_server_state(node(world), "stopped")
    bus.publish(*told_of)
    wait_for(lambda: status(world, node(world)) == "STOPPED", what="the change")
    with broker.channel() as channel:
        got = [channel.basic_get("notifications.info", auto_ack=True)[2] for _ in told_of]
        channel.queue_delete("notifications.info")
    assert got == [each.body for each in told_of]


def test_an_existing_queue_is_read_when_it_is_named(world: World, bus: Bus, broker: RabbitNode) -> None:
    with broker.channel() as channel:
        channel.queue_declare("concertim.info", durable=True)
        channel.queue_bind("concertim.info", "nova", "notifications.info")
    world.cloud.set_server_state(node(world), "stopped")
    bus.publish(message("compute.instance.update", key(ResourceKind.SERVER, node(world))))
    drain(world, "--queue", "concertim.info")
    with broker.channel() as channel:
        channel.queue_delete("concertim.info")
    assert status(world, node(world)) == "STOPPED"


def test_a_project_that_begins_to_be_watched_appears(world: World, bus: Bus, broker: RabbitNode) -> None:
    drain(world, "--resync")
    project = world.cloud.create_project("CM_team_late", watched=True)
    world.concertim.state.add_team(project.name, project.id)
    stack = world.cloud.create_stack(project, "theirs")
    server = world.cloud.add_server(stack, "theirs-0")
    bus.publish(notification(Key(ResourceKind.PROJECT, project.id)))
    drain(world, "--resync")
    assert server.id in shown(world.actual())
    in_step(world)


def test_shards_part_the_projects_between_them(world: World, bus: Bus, broker: RabbitNode) -> None:
    """Each on a data dir of its own, as on machines of their own."""
    servers = {
        s.project_id: s for s in world.cloud.servers.values() if s.id in shown(world.actual()) and s.name.isascii()
    }
    assert len(servers) == 2
    folders = []
    for index in (0, 1):
        shard = World(world.openstack, world.concertim, world.folder / f"shard{index}")
        shard.folder.mkdir()
        shard.configure(rmq=rmq(broker, shard={"index": index, "count": 2}))
        drain(shard)
        folders.append(shard)
    for server in servers.values():
        world.cloud.set_server_state(server, "suspended")
        bus.publish(notification(key(ResourceKind.SERVER, server)))
    changed = []
    for shard in folders:
        world.concertim.wire.reset()
        drain(shard)
        changed.append(len(world.writes()))
    assert sum(changed) == 2
    assert messages(broker, f"{QUEUE}-0") + messages(broker, f"{QUEUE}-1") == 0
    in_step(world)


def test_a_standby_takes_over_when_the_active_listener_dies(
    world: World, bus: Bus, broker: RabbitNode, listener: Callable[..., Listener]
) -> None:
    world.configure(rmq=rmq(broker, single_active_consumer=True))
    active = listener()
    other = World(world.openstack, world.concertim, world.folder / "other")
    other.folder.mkdir()
    other.configure(rmq=rmq(broker, single_active_consumer=True))
    standby = Listener(other)
    try:
        wait_for(lambda: consumers(broker) == 2, timeout=30, what="the standby")
        active.kill()
        world.cloud.set_server_state(node(world), "stopped")
        bus.tell(key(ResourceKind.SERVER, node(world)))
        wait_for(lambda: status(world, node(world)) == "STOPPED", timeout=30, what="the standby's work")
    finally:
        standby.kill()
