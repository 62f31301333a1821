"""A change in OpenStack and its key: Concertim follows, and a pass finds nothing left to do."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from hands import Hands, key
from passes import one_pass
from rabbit import wait_for
from world import World, served, shown

from cos_update.fakes.concertim.records import Device
from cos_update.fakes.openstack.records import Project, Server, Stack
from cos_update.fakes.wire import Fault, FaultKind
from cos_update.model.events import Key
from cos_update.model.kinds import ResourceKind


@pytest.fixture(params=["admin", "watcher"])
def world(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[World]:
    """The demo's cloud in step with Concertim, for an admin, and for nobody but a watcher."""
    with served(tmp_path, admin=request.param == "admin") as world:
        one_pass(world)
        world.concertim.wire.reset()
        world.openstack.wire.reset()
        yield world


@pytest.fixture
def hands(world: World) -> Iterator[Hands]:
    with Hands(world) as hands:
        yield hands


def team(world: World) -> Project:
    return next(p for p in world.cloud.projects.values() if p.name == "CM_team_a")


def alpha(world: World) -> Stack:
    """The top-level stack that holds alpha-node0."""
    server = node(world)
    holder = next(s for s in world.cloud.stacks.values() if server.id in {r.physical_id for r in s.resources.values()})
    return world.cloud.top_of(holder)


def node(world: World, name: str = "alpha-node0") -> Server:
    return next(s for s in world.cloud.servers.values() if s.name == name)


def device_of(world: World, server: Server) -> Device:
    devices = world.concertim.state.devices.values()
    return next(device for device in devices if device.metadata.get("openstack_instance_id") == server.id)


def in_step(world: World) -> None:
    """A pass that reads everything finds nothing left to do, and Concertim never had a reason to refuse anything."""
    one_pass(world, full_read_every=1, membership_refresh=1)
    assert world.writes() == []
    assert world.concertim.refusals == []


def test_a_server_that_stops_costs_one_get_and_one_patch(world: World, hands: Hands) -> None:
    server = node(world)
    world.cloud.set_server_state(server, "stopped")
    hands.tell(key(ResourceKind.SERVER, server))
    assert [w.split()[0] for w in world.writes()] == ["PATCH"]
    reads = [r.path for r in world.openstack.wire.requests if r.method == "GET" and r.service == "nova"]
    assert [path for path in reads if "/servers/" in path] == [f"/compute/v2.1/servers/{server.id}"]
    assert shown(world.actual())[server.id][1] == "STOPPED"
    in_step(world)


def test_an_event_that_changes_nothing_writes_nothing(world: World, hands: Hands) -> None:
    hands.tell(key(ResourceKind.SERVER, node(world)), key(ResourceKind.STACK, alpha(world)))
    assert world.writes() == []


@pytest.mark.parametrize("state", ["suspended", "error", "shelved_offloaded", "building"])
def test_states_follow(world: World, hands: Hands, state: str) -> None:
    server = node(world)
    world.cloud.set_server_state(server, state)
    hands.tell(key(ResourceKind.SERVER, server))
    in_step(world)


def test_a_new_server_appears_through_its_stack(world: World, hands: Hands) -> None:
    stack = alpha(world)
    world.cloud.begin(stack)
    server = world.cloud.add_server(stack, "alpha-late", state="building", task="spawning")
    hands.tell(key(ResourceKind.SERVER, server))
    assert shown(world.actual())[server.id] == (stack.id, "IN_PROGRESS")
    world.cloud.set_server_state(server, "active")
    world.cloud.complete(stack)
    hands.tell(key(ResourceKind.SERVER, server))
    hands.tell(key(ResourceKind.STACK, stack))
    in_step(world)


def test_a_new_stack_brings_its_rack_and_devices(world: World, hands: Hands) -> None:
    stack = world.cloud.create_stack(team(world), "late", outputs={"url": "https://x"})
    nested = world.cloud.add_nested(stack, "group")
    servers = [world.cloud.add_server(nested, f"late-{n}") for n in range(3)]
    hands.tell(key(ResourceKind.STACK, nested))
    assert {shown(world.actual())[server.id][0] for server in servers} == {stack.id}
    in_step(world)


def test_a_stack_of_which_only_a_server_was_heard_of_appears_too(world: World, hands: Hands) -> None:
    stack = world.cloud.create_stack(team(world), "late")
    server = world.cloud.add_server(stack, "late-0")
    hands.tell(key(ResourceKind.SERVER, server))
    in_step(world)


def test_a_server_that_a_nested_stack_got_on_its_own_appears(world: World, hands: Hands) -> None:
    """As autoscaling does: the stack at the top shows no change."""
    stack = world.cloud.create_stack(team(world), "scaled")
    nested = world.cloud.add_nested(stack, "group")
    world.cloud.add_server(nested, "scaled-0")
    hands.tell(key(ResourceKind.STACK, stack))
    server = world.cloud.add_server(nested, "scaled-1")
    hands.tell(key(ResourceKind.SERVER, server))
    assert shown(world.actual())[server.id][0] == stack.id
    in_step(world)


def test_a_soft_deleted_server_is_shown_so_though_the_listing_of_its_project_leaves_it_out(
    world: World, hands: Hands
) -> None:
    stack = world.cloud.create_stack(team(world), "late")
    servers = [world.cloud.add_server(stack, f"late-{n}") for n in range(12)]
    hands.tell(key(ResourceKind.STACK, stack))
    world.cloud.set_server_state(servers[0], "soft-delete")
    hands.tell(key(ResourceKind.STACK, stack))
    assert shown(world.actual())[servers[0].id] == (stack.id, "IN_PROGRESS")
    in_step(world)


def test_a_deleted_server_goes(world: World, hands: Hands) -> None:
    server = node(world)
    world.cloud.delete_server(server)
    hands.tell(key(ResourceKind.SERVER, server))
    assert server.id not in shown(world.actual())
    in_step(world)


def test_a_deleted_stack_goes_with_its_rack(world: World, hands: Hands) -> None:
    stack = alpha(world)
    servers = [s for s in world.cloud.servers.values() if s.name.startswith("alpha")]
    world.cloud.delete_stack(stack)
    hands.tell(*(key(ResourceKind.SERVER, server) for server in servers), key(ResourceKind.STACK, stack))
    assert stack.id not in {rack.stack_id for rack in world.actual().racks.values()}
    in_step(world)


def test_renames_and_resizes_follow(world: World, hands: Hands) -> None:
    server = node(world)
    world.cloud.rename(server, "another name")
    hands.tell(key(ResourceKind.SERVER, server))
    flavor = next(f for f in world.cloud.flavors.values() if f.name == "m1.large")
    world.cloud.resize(server, flavor)
    hands.tell(key(ResourceKind.SERVER, server))
    in_step(world)


def test_a_resize_to_a_flavor_that_is_new_makes_its_template(world: World, hands: Hands) -> None:
    server = node(world)
    flavor = world.cloud.create_flavor("brand.new", 2, 4096, 10)
    world.cloud.resize(server, flavor)
    hands.tell(key(ResourceKind.SERVER, server))
    in_step(world)


def test_a_new_flavor_and_a_renamed_one_follow(world: World, hands: Hands) -> None:
    flavor = world.cloud.create_flavor("brand.new", 2, 4096, 10)
    hands.tell(Key(ResourceKind.FLAVOR, flavor.id))
    assert flavor.id in {template.foreign_id for template in world.actual().templates.values()}
    in_step(world)


def test_a_flavor_that_is_gone_asks_for_a_resync(world: World, hands: Hands) -> None:
    flavor = next(f for f in world.cloud.flavors.values() if f.name == "m1.large")
    world.cloud.delete_flavor(flavor)
    hands.tell(Key(ResourceKind.FLAVOR, flavor.id))
    assert "is gone" in hands.asked[0]


def test_volumes_and_their_attachments_follow(world: World, hands: Hands) -> None:
    stack, server = alpha(world), node(world)
    volume = world.cloud.create_volume(stack, "late data", 20)
    hands.tell(key(ResourceKind.STACK, stack))
    world.cloud.attach(volume, server)
    hands.tell(key(ResourceKind.VOLUME, volume), key(ResourceKind.SERVER, server))
    in_step(world)
    world.cloud.rename(volume, "renamed data")
    hands.tell(key(ResourceKind.VOLUME, volume))
    in_step(world)
    world.cloud.detach(volume, server)
    hands.tell(key(ResourceKind.VOLUME, volume), key(ResourceKind.SERVER, server))
    in_step(world)


def test_networks_and_addresses_follow(world: World, hands: Hands) -> None:
    stack, server = alpha(world), node(world)
    network = world.cloud.create_network(stack, "late-net")
    world.cloud.add_subnet(network, "10.99.0.0/24")
    hands.tell(key(ResourceKind.STACK, stack))
    in_step(world)
    world.cloud.add_subnet(network, "10.98.0.0/24")
    hands.tell(key(ResourceKind.NETWORK, network))
    in_step(world)
    world.cloud.plug(server, network)
    hands.tell(key(ResourceKind.SERVER, server), key(ResourceKind.NETWORK, network))
    in_step(world)


def test_a_floating_ip_comes_and_goes(world: World, hands: Hands) -> None:
    server = node(world)
    floating = world.cloud.add_floating_ip(server)
    hands.tell(key(ResourceKind.SERVER, server))
    in_step(world)
    world.cloud.delete_floating_ip(floating)
    hands.tell(Key(ResourceKind.ADDRESS, floating.address, server.project_id))
    in_step(world)


def test_what_people_did_since_the_last_pass_survives(world: World, hands: Hands) -> None:
    server = node(world)
    device = device_of(world, server)
    device.metadata = {**device.metadata, "note": "keep"}
    device.start_u, place = 30, 30
    world.cloud.add_floating_ip(server)
    world.cloud.set_server_state(server, "stopped")
    hands.tell(key(ResourceKind.SERVER, server))
    assert (device.metadata["note"], device.start_u, device.status) == ("keep", place, "STOPPED")
    in_step(world)


@pytest.mark.parametrize("removed", ["device", "rack"])
def test_what_people_removed_comes_back_with_the_next_event(world: World, hands: Hands, removed: str) -> None:
    server, state = node(world), world.concertim.state
    device = device_of(world, server)
    if removed == "device":
        del state.devices[device.id]
    else:
        state.remove_rack(device.rack_id)
    world.cloud.set_server_state(server, "stopped")
    hands.tell(key(ResourceKind.SERVER, server))
    assert shown(world.actual())[server.id][1] == "STOPPED"


def test_a_change_whose_answer_was_lost_is_looked_for(world: World, hands: Hands) -> None:
    """The app has made it, and the cloud is back where it was before anybody could tell."""
    server, faults = node(world), world.concertim.wire.faults
    world.cloud.set_server_state(server, "stopped")
    lost = faults.add(Fault(FaultKind.LOST_ANSWER, method="PATCH", times=2))
    faults.add(Fault(FaultKind.CUT, method="GET", path="/devices/"))
    hands.tell(key(ResourceKind.SERVER, server), wait=False)
    wait_for(lambda: faults.struck(lost) == 1, what="the change")
    world.cloud.set_server_state(server, "active")
    hands.settled()
    assert faults.struck(lost) == 2
    faults.clear()
    in_step(world)


def test_what_one_listener_has_seen_the_next_one_knows(world: World, hands: Hands) -> None:
    """Somebody changes Concertim, and the cloud alike: nothing is to be posted, but something is to be remembered."""
    server = node(world)
    device_of(world, server).status = "STOPPED"
    world.cloud.set_server_state(server, "stopped")
    hands.tell(key(ResourceKind.STACK, alpha(world)))
    assert world.writes() == []
    world.cloud.set_server_state(server, "active")
    with Hands(world) as successor:
        successor.tell(key(ResourceKind.SERVER, server))
    in_step(world)


def test_a_template_that_was_made_unsaid_is_found(world: World, hands: Hands) -> None:
    """By a process that died before it could write down what it had made."""
    flavor = world.cloud.create_flavor("brand.new", 2, 4096, 10)
    hands.tell(Key(ResourceKind.FLAVOR, flavor.id))
    templates = world.actual().templates.values()
    hands.cache.synced().see_templates(item for item in templates if item.foreign_id != flavor.id)
    world.cloud.resize(node(world), flavor)
    hands.tell(key(ResourceKind.SERVER, node(world)))
    assert world.concertim.refusals == []
    assert len(world.actual().templates) == len(templates)
    in_step(world)


def test_many_servers_of_a_project_are_read_by_one_listing(world: World, hands: Hands) -> None:
    servers = [
        s for s in world.cloud.servers.values() if s.project_id == team(world).id and s.id in shown(world.actual())
    ]
    for server in servers:
        world.cloud.set_server_state(server, "stopped")
    world.openstack.wire.reset()
    hands.tell(*(key(ResourceKind.SERVER, server) for server in servers))
    asked = [r for r in world.openstack.wire.requests if r.service == "nova" and "/servers/" in r.path]
    assert len(servers) > 15
    assert len(asked) < len(servers) / 2
    in_step(world)


def test_what_is_in_no_stack_or_not_watched_is_left_alone(world: World, hands: Hands) -> None:
    loose = world.cloud.add_server(team(world), "loose")
    other = next(p for p in world.cloud.projects.values() if p.name == "unwatched")
    stack = world.cloud.create_stack(other, "theirs")
    theirs = world.cloud.add_server(stack, "theirs-0")
    hands.tell(key(ResourceKind.SERVER, loose), key(ResourceKind.SERVER, theirs), key(ResourceKind.STACK, stack))
    assert world.writes() == []
    assert hands.asked == []


def test_a_project_that_becomes_watched_asks_for_a_resync(world: World, hands: Hands) -> None:
    project = world.cloud.create_project("CM_team_late", watched=True)
    hands.tell(Key(ResourceKind.PROJECT, project.id, project.id))
    assert "watched" in hands.asked[0]
    hands.tell(Key(ResourceKind.PROJECT, project.id, project.id))
    assert len(hands.asked) == 1


def test_wiped_metadata_is_repaired_and_nothing_is_there_twice(world: World, hands: Hands) -> None:
    state = world.concertim.state
    server = node(world)
    device = device_of(world, server)
    rack = state.racks[device.rack_id]
    before, stack = (set(state.racks), set(state.devices)), alpha(world)
    device.metadata, rack.metadata = {}, {}
    world.cloud.rename(server, "called-otherwise")
    hands.tell(key(ResourceKind.SERVER, server))
    assert (set(state.racks), set(state.devices)) == before
    assert device.metadata["openstack_instance_id"] == server.id
    assert rack.metadata["openstack_stack_id"] == stack.id
    in_step(world)


def test_a_resize_keeps_what_is_not_ours(world: World, hands: Hands) -> None:
    server = node(world)
    device = device_of(world, server)
    device.details = {**device.details, "login_user": "alice"}
    device.metadata = {**device.metadata, "note": "keep"}
    world.cloud.resize(server, next(f for f in world.cloud.flavors.values() if f.name == "m1.medium"))
    hands.tell(key(ResourceKind.SERVER, server))
    now = device_of(world, server)
    assert (now.id != device.id, now.details["login_user"], now.metadata["note"]) == (True, "alice", "keep")
    in_step(world)


@pytest.mark.parametrize("world", ["watcher"], indirect=True)
def test_a_stack_in_deletion_whose_nested_stack_is_gone_already_keeps_its_devices_up_to_date(
    world: World, hands: Hands
) -> None:
    stack, server = alpha(world), node(world)
    holder = next(s for s in world.cloud.stacks.values() if server.id in {r.physical_id for r in s.resources.values()})
    before = shown(world.actual()).keys()
    world.cloud.begin(stack, "DELETE")
    world.cloud.lose_nested(holder)
    world.cloud.set_server_state(server, "stopped")
    hands.tell(key(ResourceKind.STACK, stack), wait=False)
    wait_for(lambda: shown(world.actual())[server.id][1] == "STOPPED")
    assert shown(world.actual()).keys() == before
    rack = next(rack for rack in world.actual().racks.values() if rack.stack_id == stack.id)
    assert rack.status == "IN_PROGRESS"


def test_what_several_keys_wait_for_is_reported_once_and_is_over_with_the_last(
    world: World, hands: Hands, caplog: pytest.LogCaptureFixture
) -> None:
    stack = world.cloud.create_stack(team(world), "other")
    servers = node(world), world.cloud.add_server(stack, "other-0")
    hands.tell(key(ResourceKind.STACK, stack))
    units = [key(ResourceKind.STACK, each) for each in (alpha(world), stack)]
    faults = world.openstack.wire.faults
    down = [faults.add(Fault(FaultKind.STATUS, path=f"/servers/{s.id}$", code=503, times=10**6)) for s in servers]
    for server in servers:
        world.cloud.set_server_state(server, "stopped")
    hands.tell(*(key(ResourceKind.SERVER, server) for server in servers), wait=False)
    wait_for(lambda: all(hands.queue.failures(unit) for unit in units), what="keys that wait")
    faults.remove(down[0])
    wait_for(lambda: device_of(world, servers[0]).status == "STOPPED", what="the first server's state")
    assert "proceed" not in caplog.text
    faults.remove(down[1])
    hands.settled()
    assert caplog.text.count(" waits: ") == 1
    assert caplog.text.count(" proceed: over after ") == 1
