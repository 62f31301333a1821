"""Racks and devices whose metadata was wiped or overwritten: recognised, repaired, never duplicated."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from world import Pass, World

from cos_update.fakes import Fault, FaultKind
from cos_update.fakes.concertim.records import Device, Json, Rack
from cos_update.model.exit_codes import ExitCode

WIPED: dict[str, Callable[[Json], Json]] = {
    "emptied": lambda _: {},
    "our id removed": lambda there: {key: value for key, value in there.items() if not key.startswith("openstack_")},
    "our ids overwritten": lambda there: {
        key: "other" if key in ("openstack_stack_id", "openstack_instance_id") else value
        for key, value in there.items()
    },
    "replaced by a note": lambda _: {"note": "mine"},
}


def ids(world: World) -> tuple[set[str], set[str]]:
    return set(world.concertim.state.racks), set(world.concertim.state.devices)


def rack_named(world: World, name: str) -> Rack:
    return next(rack for rack in world.concertim.state.racks.values() if rack.name == name)


def device_named(world: World, name: str) -> Device:
    return next(device for device in world.concertim.state.devices.values() if device.name == name)


def forget(world: World) -> None:
    for name in ("view.pickle", "view.journal"):
        (world.data_dir / name).unlink(missing_ok=True)


def settle(one_pass: Pass) -> None:
    """A pass that repairs, and one that finds nothing left to do."""
    assert one_pass().exit_code is ExitCode.DONE
    assert one_pass().outcomes == ()


@pytest.mark.parametrize("how", WIPED)
@pytest.mark.parametrize("has_view", [True, False])
def test_a_rack_is_known_by_the_view_or_by_its_order_id(world: World, one_pass: Pass, how: str, has_view: bool) -> None:
    one_pass()
    before = ids(world)
    rack = rack_named(world, "growing")
    there = dict(rack.metadata)
    rack.metadata = WIPED[how](there)
    note = rack.metadata.get("note")
    if not has_view:
        forget(world)
    settle(one_pass)
    assert ids(world) == before
    assert {**rack.metadata, "note": None} == {**there, "note": None}
    assert rack.metadata.get("note") == note


@pytest.mark.parametrize("has_view", [True, False])
def test_a_rack_with_an_order_of_its_own_is_known_by_the_view_or_by_what_it_holds(
    world: World, one_pass: Pass, has_view: bool
) -> None:
    one_pass()
    before = ids(world)
    rack = rack_named(world, "growing")
    rack.order_id, rack.metadata = "ORDER-17", {}
    if not has_view:
        forget(world)
    settle(one_pass)
    assert ids(world) == before
    assert rack.order_id == "ORDER-17"


def test_a_rack_and_all_that_it_holds_are_known_without_a_view(world: World, one_pass: Pass) -> None:
    one_pass()
    before = ids(world)
    rack = rack_named(world, "groups")
    rack.metadata = {}
    for device in world.concertim.state.devices_of(rack):
        device.metadata = {}
    forget(world)
    settle(one_pass)
    assert ids(world) == before


def test_another_person_s_rack_is_not_taken_for_ours(world: World, one_pass: Pass) -> None:
    one_pass()
    state = world.concertim.state
    stack = next(s for s in world.cloud.stacks.values() if s.name == "growing")
    rack = rack_named(world, "growing")
    state.remove_rack(rack.id)
    other = next(team for team in state.teams.values() if team.id != rack.owner_id)
    theirs = state.add_rack("growing", other, 42, metadata={"note": "theirs"}, order_id=stack.id)
    mine = state.add_rack("growing", state.teams[rack.owner_id], 42, order_id="mine")
    settle(one_pass)
    assert theirs.metadata == {"note": "theirs"}
    assert mine.metadata == {}
    assert len([r for r in state.racks.values() if r.metadata.get("openstack_stack_id") == stack.id]) == 1


@pytest.mark.parametrize("how", WIPED)
@pytest.mark.parametrize("name", ["alpha-node0", "alpha-home", "alpha-net"])
def test_a_device_is_known_by_the_view(world: World, one_pass: Pass, how: str, name: str) -> None:
    one_pass()
    before = ids(world)
    device = device_named(world, name)
    there = dict(device.metadata)
    device.metadata, device.status = WIPED[how](there), "FAILED"
    settle(one_pass)
    assert ids(world) == before
    assert {**device.metadata, "note": None} == {**there, "note": None}


@pytest.mark.parametrize("name", ["alpha-node0", "alpha-home", "alpha-net"])
def test_a_device_is_known_by_its_looks_without_a_view(world: World, one_pass: Pass, name: str) -> None:
    one_pass()
    before = ids(world)
    device = device_named(world, name)
    device.metadata = {"note": "mine"}
    forget(world)
    settle(one_pass)
    assert ids(world) == before
    assert device.metadata["note"] == "mine"


def test_a_device_made_by_hand_under_the_name_of_ours_stays_theirs(world: World, one_pass: Pass) -> None:
    one_pass()
    state = world.concertim.state
    ours = device_named(world, "alpha-node0")
    rack, template = state.racks[ours.rack_id], state.templates[ours.template_id]
    del state.devices[ours.id]
    theirs = state.add_device(rack, "alpha-node0", template, 30)
    settle(one_pass)
    assert theirs.metadata == {}
    assert len([d for d in state.devices.values() if d.metadata == ours.metadata]) == 1


def test_what_could_not_be_repaired_is_still_known_in_the_next_pass(world: World, one_pass: Pass) -> None:
    one_pass()
    before = ids(world)
    device, rack = device_named(world, "alpha-node0"), rack_named(world, "growing")
    device.metadata = rack.metadata = {}
    rack.order_id = "ORDER-17"
    device.status = "FAILED"
    world.concertim.wire.faults.add(Fault(FaultKind.STATUS, "/(racks|devices)/", "PATCH", code=422, body={"a": ["no"]}))
    for _ in range(2):
        assert one_pass().exit_code is ExitCode.IN_PART
    world.concertim.wire.faults.clear()
    settle(one_pass)
    assert ids(world) == before
    assert device.metadata
    assert rack.metadata


def test_what_lost_its_metadata_is_never_removed(world: World, one_pass: Pass) -> None:
    one_pass()
    before = ids(world)
    rack = rack_named(world, "growing")
    rack.metadata = {}
    world.concertim.wire.faults.add(Fault(FaultKind.STATUS, f"/racks/{rack.id}", "PATCH", code=422, body={"a": ["no"]}))
    one_pass()
    world.concertim.wire.faults.clear()
    world.cloud.delete_stack(next(s for s in world.cloud.stacks.values() if s.name == "growing"))
    one_pass(allow_deletes=True)
    assert ids(world)[0] == before[0]
