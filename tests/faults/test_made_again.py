"""Values that are not ours survive when one of our devices or racks must be recreated."""

from __future__ import annotations

from dataclasses import replace

from world import Pass, World

from cos_update.fakes import Fault, FaultKind
from cos_update.fakes.concertim.records import Device
from cos_update.fakes.concertim.values import decimal
from cos_update.fakes.openstack.records import Server

THEIRS = {"note": "keep", "nested": {"list": [1, {"two": 2}]}}


def server(world: World, name: str = "alpha-node0") -> Server:
    return next(s for s in world.cloud.servers.values() if s.name == name)


def device(world: World, name: str = "alpha-node0") -> Device:
    item = server(world, name).id
    return next(d for d in world.concertim.state.devices.values() if d.metadata.get("openstack_instance_id") == item)


def write_to(found: Device) -> None:
    """All that others write to a device."""
    found.cost = decimal("12.34") or found.cost
    found.details = {**found.details, "login_user": "alice"}
    found.metadata = {**found.metadata, **THEIRS}
    found.start_u, found.facing = 38, "b"


def assert_kept(world: World, former: Device) -> None:
    now = device(world)
    assert now.id != former.id
    assert now.details["login_user"] == "alice"
    assert {key: now.metadata[key] for key in THEIRS} == THEIRS
    assert (str(now.cost), now.start_u, now.facing) == ("12.34", 38, "b")


def resize(world: World) -> None:
    world.cloud.resize(server(world), next(f for f in world.cloud.flavors.values() if f.name == "m1.medium"))


def test_a_resized_server_s_device_keeps_all_that_is_not_ours(world: World, one_pass: Pass) -> None:
    one_pass()
    former = device(world)
    write_to(former)
    resize(world)
    one_pass()
    assert_kept(world, former)
    assert one_pass().outcomes == ()


def test_a_device_of_a_changed_type_keeps_what_its_own_type_can_hold(world: World, one_pass: Pass) -> None:
    one_pass()
    former = device(world)
    write_to(former)
    former.type = "Volume"
    one_pass()
    now = device(world)
    assert (str(now.cost), now.type, now.metadata["note"]) == ("12.34", "Instance", "keep")


def test_devices_that_went_with_their_template_come_back_as_they_were(world: World, one_pass: Pass) -> None:
    one_pass()
    former = device(world)
    write_to(former)
    former.status = "FAILED"  # so that it is read
    one_pass()
    state = world.concertim.state
    for other in state.devices.values():
        if other.template_id == former.template_id:
            del state.devices[other.id]
    del state.templates[former.template_id]
    one_pass()
    assert_kept(world, former)
    assert one_pass().outcomes == ()


def test_what_could_not_be_made_again_at_once_is_as_it_was_later(world: World, one_pass: Pass) -> None:
    one_pass()
    former = device(world)
    write_to(former)
    resize(world)
    world.concertim.wire.faults.add(Fault(FaultKind.STATUS, "/nodes$", "POST", code=422, body={"name": ["no"]}))
    for _ in range(2):
        one_pass()
    world.concertim.wire.faults.clear()
    one_pass()
    assert_kept(world, former)


def test_a_device_whose_server_moved_to_another_stack_keeps_its_cost_and_notes(world: World, one_pass: Pass) -> None:
    one_pass()
    former = device(world, "beta-login")
    write_to(former)
    moved = server(world, "beta-login")
    target = next(s for s in world.cloud.stacks.values() if s.name == "groups")
    for stack in set(world.cloud.stacks.values()) - {target}:
        for name, resource in list(stack.resources.items()):
            if resource.physical_id == moved.id:
                target.resources["moved"] = replace(resource, name="moved")
                del stack.resources[name]
                world.cloud.update_stack(stack)
    world.cloud.update_stack(target)
    one_pass()
    now = device(world, "beta-login")
    assert (now.rack_id != former.rack_id, str(now.cost), now.details["login_user"]) == (True, "12.34", "alice")


def test_a_rack_that_somebody_deleted_comes_back_with_its_order_its_cost_and_its_notes(
    world: World, one_pass: Pass
) -> None:
    one_pass()
    state = world.concertim.state
    rack = next(rack for rack in state.racks.values() if rack.name == "groups")
    rack.order_id, rack.cost = "ORDER-17", decimal("5.60") or rack.cost
    rack.metadata = {**rack.metadata, **THEIRS}
    one_pass()
    state.remove_rack(rack.id)
    one_pass()
    now = next(rack for rack in state.racks.values() if rack.name == "groups")
    assert (now.id != rack.id, now.order_id, str(now.cost), now.metadata["note"]) == (True, "ORDER-17", "5.60", "keep")
