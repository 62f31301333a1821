"""Devices that the structure shows as they are remembered are not read again, and nothing goes wrong by that."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import pytest
from passes import NEVER, one_pass, reads_of_concertim, view_of
from world import World

from cos_update.fakes import Fault, FaultKind, Sandbox
from cos_update.fakes.concertim import ConcertimApp
from cos_update.fakes.concertim.records import Device
from cos_update.fakes.demo import demo_cloud
from cos_update.fakes.openstack import OpenStackApp
from cos_update.model.concertim import ApiFlavour
from cos_update.store import JournalEntry, ViewStore


def device_of(world: World, server_name: str) -> Device:
    server = next(s for s in world.cloud.servers.values() if s.name == server_name)
    rows = world.concertim.state.devices.rows()
    return next(d for d in rows if d.metadata.get("openstack_instance_id") == server.id)


def test_an_unchanged_concertim_costs_the_structure_read_alone(world: World) -> None:
    one_pass(world)
    assert reads_of_concertim(world) == {"devices": 1}
    one_pass(world)
    assert reads_of_concertim(world) == {"irv/racks": 1}
    assert world.writes() == []


def test_without_the_view_everything_is_read_in_full(world: World) -> None:
    one_pass(world)
    (world.data_dir / "view.pickle").unlink()
    one_pass(world)
    assert reads_of_concertim(world) == {"devices": 1}


@pytest.mark.parametrize("field", ["name", "status", "start_u"])
def test_what_the_structure_shows_to_differ_is_read_by_itself(world: World, field: str) -> None:
    one_pass(world)
    device = device_of(world, "alpha-node0")
    changed = {"name": "by-hand", "status": "FAILED", "start_u": 40}[field]
    setattr(device, field, changed)
    one_pass(world)
    assert reads_of_concertim(world) == {"irv/racks": 1, "devices/{id}": 1}
    after = {"name": "alpha-node0", "status": "ACTIVE", "start_u": 40}[field]
    assert getattr(device, field) == after
    assert view_of(world).actual.devices[device.id].location.start_u == device.start_u


def test_a_device_that_vanished_is_asked_for_and_made_again(world: World) -> None:
    one_pass(world)
    device = device_of(world, "alpha-node0")
    del world.concertim.state.devices[device.id]
    one_pass(world)
    assert reads_of_concertim(world) == {"irv/racks": 1, "devices/{id}": 1}
    assert device_of(world, "alpha-node0").id != device.id


def test_a_rack_removed_with_its_devices_is_made_again_without_asking_for_each(world: World) -> None:
    one_pass(world)
    rack_id = device_of(world, "alpha-node0").rack_id
    world.concertim.state.remove_rack(rack_id)
    one_pass(world)
    assert reads_of_concertim(world) == {"irv/racks": 1}
    assert device_of(world, "alpha-node0").rack_id != rack_id
    assert world.concertim.refusals == []


@pytest.mark.parametrize("every", [2, 4, 24])
def test_what_the_structure_does_not_show_is_seen_when_the_rack_has_its_turn(world: World, every: int) -> None:
    one_pass(world)
    tampered = {name: device_of(world, name) for name in ("alpha-node0", "beta-node1", "row0-node0")}
    device_of(world, "alpha-node0").details["private_ips"] = "by hand"
    device_of(world, "beta-node1").description = "by hand"
    device_of(world, "row0-node0").metadata["net_interfaces"] = []
    for _ in range(every):
        one_pass(world, full_read_every=every)
    assert tampered["alpha-node0"].details["private_ips"] != "by hand"
    assert tampered["beta-node1"].description != "by hand"
    assert tampered["row0-node0"].metadata["net_interfaces"]


@pytest.mark.parametrize("every", [3, 24, 1000])
def test_the_share_that_is_read_is_even_and_each_rack_has_its_turn(world: World, every: int) -> None:
    one_pass(world)
    count = len(world.concertim.state.racks)
    read: list[str] = []
    for _ in range(min(every, 24)):
        one_pass(world, full_read_every=every)
        asked = [r.path for r in world.concertim.wire.requests if r.kind.endswith("/racks/{id}")]
        assert len(asked) in (count // every, count // every + 1)
        assert reads_of_concertim(world)["devices"] == 0
        read += asked
    assert len(read) == len(set(read))
    if every <= 24:
        assert len(read) == count


def test_a_rack_that_cannot_be_read_in_its_turn_is_left_for_the_next(world: World) -> None:
    one_pass(world)
    world.concertim.wire.faults.add(Fault(FaultKind.STATUS, path="/racks/", method="GET", code=500, body={}))
    one_pass(world, full_read_every=4)
    assert reads_of_concertim(world)["devices"] == 0
    assert world.writes() == []


def test_every_device_is_read_in_full_in_each_pass_when_that_is_asked_for(world: World) -> None:
    one_pass(world)
    one_pass(world, full_read_every=1)
    assert reads_of_concertim(world) == {"devices": 1}


def test_what_others_wrote_since_survives_our_next_change(world: World) -> None:
    one_pass(world)
    device = device_of(world, "alpha-node0")
    device.metadata = {**device.metadata, "note": "keep"}
    server = next(s for s in world.cloud.servers.values() if s.name == "alpha-node0")
    world.cloud.plug(server, world.cloud.shared)
    one_pass(world)
    assert len(device.metadata["net_interfaces"]) == 2
    assert device.metadata["note"] == "keep"


def test_a_change_of_single_fields_needs_no_reading_and_leaves_all_else(world: World) -> None:
    one_pass(world)
    device = device_of(world, "alpha-node0")
    device.metadata = {**device.metadata, "note": "keep"}
    device.details["login_user"] = "keep"
    server = next(s for s in world.cloud.servers.values() if s.name == "alpha-node0")
    world.cloud.set_server_state(server, "stopped")
    one_pass(world)
    assert reads_of_concertim(world) == {"irv/racks": 1}
    assert (device.status, device.metadata["note"], device.details["login_user"]) == ("STOPPED", "keep", "keep")
    assert view_of(world).actual.devices[device.id].metadata["note"] == "keep"


def test_a_device_that_is_not_ours_any_more_is_not_removed(world: World) -> None:
    one_pass(world)
    device = device_of(world, "alpha-node0")
    device.metadata = {}
    server = next(s for s in world.cloud.servers.values() if s.name == "alpha-node0")
    world.cloud.delete_server(server)
    one_pass(world)
    assert device.id in world.concertim.state.devices


def test_many_differences_are_read_at_one_go(world: World) -> None:
    one_pass(world)
    for device in world.concertim.state.devices.rows()[:10]:
        device.status = "FAILED"
    one_pass(world)
    assert reads_of_concertim(world) == {"irv/racks": 1, "devices": 1}
    one_pass(world)
    assert reads_of_concertim(world) == {"irv/racks": 1}


NO_STRUCTURE = {
    "not offered": Fault(FaultKind.STATUS, path="/irv/racks", code=404, body={"errors": {"record": ["Not found"]}}),
    "refused": Fault(FaultKind.STATUS, path="/irv/racks", code=500, body={"errors": []}),
    "of another shape": Fault(FaultKind.STATUS, path="/irv/racks", code=200, body={"Racks": {"Rack": [{"id": "x"}]}}),
    "without our racks": Fault(FaultKind.EMPTY, path="/irv/racks"),
}


@pytest.mark.parametrize("fault", NO_STRUCTURE)
def test_a_structure_that_cannot_be_used_is_replaced_by_the_full_reading(world: World, fault: str) -> None:
    one_pass(world)
    before = set(world.concertim.state.devices)
    world.concertim.wire.faults.add(NO_STRUCTURE[fault])
    one_pass(world)
    assert reads_of_concertim(world) == {"irv/racks": 1, "devices": 1}
    assert world.writes() == []
    assert set(world.concertim.state.devices) == before


def test_a_device_that_cannot_be_read_by_itself_does_not_end_the_pass(world: World) -> None:
    one_pass(world)
    device = device_of(world, "alpha-node0")
    device.status = "FAILED"
    world.concertim.wire.faults.add(Fault(FaultKind.STATUS, path="/devices/", method="GET", code=500, body={}))
    one_pass(world)
    assert reads_of_concertim(world) == {"irv/racks": 1, "devices/{id}": 1, "devices": 1}
    assert device.status == "ACTIVE"


def test_the_older_api_is_always_read_in_full(tmp_path: Path) -> None:
    world = World(OpenStackApp(demo_cloud()), ConcertimApp(ApiFlavour.USERS), tmp_path)
    with Sandbox(world.openstack, world.concertim):
        for project in world.cloud.projects_of(world.cloud.watcher.id):
            world.concertim.state.add_user(project.name, project_id=project.id)
        world.configure()
        one_pass(world)
        one_pass(world)
        assert reads_of_concertim(world)["irv/racks"] == 0
        assert reads_of_concertim(world)["devices"] == 1


def test_an_update_with_an_unknown_outcome_is_not_taken_for_undone(world: World) -> None:
    one_pass(world)
    device = device_of(world, "alpha-node0")
    server = next(s for s in world.cloud.servers.values() if s.name == "alpha-node0")
    server.description = "for a moment"
    world.cloud.set_server_state(server, "active")
    # It is done, but neither the answer nor the device can be read after it.
    world.concertim.wire.faults.add(Fault(FaultKind.LOST_ANSWER, path="/devices/", method="PATCH"))
    world.concertim.wire.faults.add(Fault(FaultKind.STATUS, path="/devices/", method="GET", after=1))
    one_pass(world)
    world.concertim.wire.faults.clear()
    assert device.description == "for a moment"
    server.description = None
    world.cloud.set_server_state(server, "active")
    one_pass(world)
    assert not device.description
    one_pass(world)
    assert reads_of_concertim(world) == {"irv/racks": 1}


def test_what_the_journal_says_is_part_of_what_is_remembered(world: World) -> None:
    one_pass(world)
    device = device_of(world, "alpha-node0")
    known = view_of(world).actual.devices[device.id]
    device.status = "STOPPED"
    rack = world.concertim.state.racks[device.rack_id]
    posted = {device.id: replace(known, status="STOPPED")}
    stack_id = str(rack.metadata["openstack_stack_id"])
    ViewStore(world.data_dir, "listen").record(JournalEntry(0, "listen", 0.0, 0.0, stack_id, devices=posted))
    server = next(s for s in world.cloud.servers.values() if s.name == "alpha-node0")
    world.cloud.set_server_state(server, "stopped")
    one_pass(world)
    assert reads_of_concertim(world) == {"irv/racks": 1}
    assert world.writes() == []


def test_a_view_older_than_what_the_journal_holds_is_not_relied_on(world: World) -> None:
    one_pass(world)
    old = (world.data_dir / "view.pickle").read_bytes()
    server = next(s for s in world.cloud.servers.values() if s.name == "alpha-node0")
    world.cloud.set_server_state(server, "stopped")
    one_pass(world)
    (world.data_dir / "view.pickle").write_bytes(old)
    journal = world.data_dir / "view.journal"
    last = json.loads(journal.read_bytes().splitlines()[-1])["seq"]
    journal.write_bytes(json.dumps({"base": last, "id": "other"}).encode() + b"\n")
    one_pass(world)
    assert reads_of_concertim(world) == {"devices": 1}


def test_diff_relies_on_the_memory_and_leaves_it_as_it_is(world: World) -> None:
    world.configure(full_read_every=NEVER)
    world.bulk()
    before = (world.data_dir / "view.pickle").read_bytes()
    world.concertim.wire.reset()
    world.openstack.wire.reset()
    world.run("diff", "--dry-run")
    assert reads_of_concertim(world) == {"irv/racks": 1}
    assert (world.data_dir / "view.pickle").read_bytes() == before
