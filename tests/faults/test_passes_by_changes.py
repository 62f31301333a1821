"""Whole passes with incremental readings: what the view remembers, who else posts, and what is never removed."""

from __future__ import annotations

from dataclasses import replace

import pytest
from passes import one_pass as pass_with
from passes import view_of
from world import Pass, World, shown, wanted

from cos_update.model.cloud_memory import CloudMemory
from cos_update.model.concertim import InstanceDetails
from cos_update.store import JournalEntry, ViewStore, cloud_memory
from cos_update.store.cloud_memory import EncodedCloud
from cos_update.sync.services import RunOptions

CHANGES = "cloud read by changes"


def server_named(world: World, name: str):  # type: ignore[no-untyped-def]
    return next(server for server in world.cloud.servers.values() if server.name == name)


def test_the_pass_after_a_full_one_reads_by_changes_and_says_so(world: World, one_pass: Pass) -> None:
    assert "cloud read in full (nothing is remembered)" in str(one_pass())
    world.openstack.wire.reset()
    world.concertim.wire.reset()
    report = one_pass()
    assert CHANGES in str(report)
    assert report.is_quiet
    assert all("changes-since" in r.query for r in world.openstack.wire.requests if r.path.endswith("servers/detail"))
    assert world.writes() == []


def test_what_has_changed_is_posted(world: World, one_pass: Pass) -> None:
    one_pass()
    world.cloud.set_server_state(server_named(world, "alpha-node0"), "stopped")
    world.cloud.delete_server(server_named(world, "beta-node2"))
    world.cloud.pass_time(300)
    assert CHANGES in str(one_pass())
    assert shown(world.actual()) == wanted(world.desired())


def test_a_stack_that_is_deleted_goes_with_all_its_devices(world: World, one_pass: Pass) -> None:
    one_pass()
    world.cloud.pass_time(300)
    stack = next(s for s in world.cloud.stacks.values() if s.name == "cluster-1" and s.parent_id is None)
    world.cloud.delete_stack(stack)
    assert CHANGES in str(one_pass(allow_deletes=True))
    assert shown(world.actual()) == wanted(world.desired())


def test_full_can_be_asked_for_and_comes_in_its_turn(world: World) -> None:
    ways = [str(pass_with(world, full_cloud_read_every=3)) for _ in range(6)]
    assert ["nothing is remembered" in way for way in ways] == [True] + 5 * [False]
    assert ["every 3 passes" in way for way in ways] == [False, False, False, True, False, False]
    assert "cloud read in full (--full)" in str(pass_with(world, RunOptions(full="--full")))
    assert "full_cloud_read_every is 1" in str(pass_with(world, full_cloud_read_every=1))


def test_after_a_pass_over_some_projects_the_next_one_is_full(world: World, one_pass: Pass) -> None:
    one_pass()
    assert "of some projects only" in str(one_pass(projects=("CM_team_a",)))
    assert "nothing is remembered" in str(one_pass())


def test_other_watched_projects_are_read_in_full(world: World, one_pass: Pass) -> None:
    one_pass()
    project = world.cloud.create_project("CM_new", watched=True)
    world.cloud.add_server(world.cloud.create_stack(project, "s"), "n")
    world.concertim.state.add_team("CM_new", project.id)
    assert "other projects are watched" in str(one_pass())
    assert shown(world.actual()) == wanted(world.desired())


def test_a_memory_that_makes_no_sense_is_none(world: World, one_pass: Pass) -> None:
    one_pass()
    view = view_of(world)
    assert isinstance(view.cloud, EncodedCloud)
    plain = view.cloud.plain() or {}
    for damaged in ({}, {**plain, "servers": [("x",)]}, {**plain, "newest": {"server": [(1, 2)]}}):
        ViewStore(world.data_dir, "bulk").save(replace(view, cloud=EncodedCloud(damaged)))
        assert "nothing is remembered" in str(one_pass())


def test_the_view_keeps_what_is_known_of_the_cloud(world: World, one_pass: Pass) -> None:
    one_pass()
    memory = cloud_memory(view_of(world))
    assert isinstance(memory, CloudMemory)
    assert memory.servers.keys() >= {server_named(world, "alpha-node0").id}
    one_pass()
    again = cloud_memory(view_of(world))
    assert again is not None
    assert (again.servers, again.volumes, again.networks) == (memory.servers, memory.volumes, memory.networks)
    assert again.passes == 1


@pytest.mark.parametrize("when", ["before the pass", "while it reads"])
def test_what_the_listener_has_posted_of_an_untold_change_is_not_undone(
    world: World, one_pass: Pass, when: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A server loses its address: Nova and Neutron do not tell, the listener has heard of it and posted it."""
    world.cloud.neutron_validates_filters = False
    one_pass()
    world.cloud.pass_time(300)
    server = server_named(world, "alpha-node0")

    def listener() -> None:
        for port in list(world.cloud.ports_of[server.id]):
            world.cloud.remove_port(port)
        actual = world.actual()
        device = next(d for d in actual.devices.values() if d.object_id == server.id)
        assert isinstance(device.details, InstanceDetails)
        changed = replace(device, details=replace(device.details, private_ips="", public_ips=""))
        row = world.concertim.state.devices[device.id]
        row.details.update({"private_ips": "", "public_ips": ""})
        stack_id = actual.racks[device.rack_id].stack_id
        entry = JournalEntry(0, "listen", 0.0, 1.0, stack_id, devices={device.id: changed})
        ViewStore(world.data_dir, "listen").record(entry)

    if when == "before the pass":
        listener()
        one_pass()
    else:
        load = ViewStore.load

        def then_the_listener_posts(store: ViewStore) -> object:
            view = load(store)
            listener()
            monkeypatch.setattr(ViewStore, "load", load)
            return view

        monkeypatch.setattr(ViewStore, "load", then_the_listener_posts)
        one_pass()
        one_pass()
    device = next(d for d in world.actual().devices.values() if d.object_id == server.id)
    assert isinstance(device.details, InstanceDetails)
    assert device.details.private_ips == ""
    assert CHANGES in str(one_pass())


def test_a_cell_that_is_down_removes_nothing(world: World, one_pass: Pass) -> None:
    one_pass()
    before = shown(world.actual())
    world.cloud.pass_time(300)
    world.cloud.down_cells = {"cell1"}
    for _ in range(3):
        one_pass(allow_deletes=True)
        assert shown(world.actual()).keys() == before.keys()
    world.cloud.down_cells = set()
    one_pass()
    assert shown(world.actual()) == wanted(world.desired())


def test_diff_and_check_read_in_full(world: World) -> None:
    world.bulk()
    for command in (("diff", "--dry-run"), ("check",)):
        world.openstack.wire.reset()
        world.run(*command, expect=None)
        listings = [r for r in world.openstack.wire.requests if r.path.endswith("servers/detail")]
        assert listings
        assert not any("changes-since" in request.query for request in listings)


def test_the_log_says_how_the_cloud_was_read(world: World) -> None:
    world.bulk()
    world.bulk()
    text = (world.folder / "log" / "updates_bulk.log").read_text()
    ends = [line for line in text.splitlines() if "pass ends" in line]
    assert ["cloud read in full" in ends[0], CHANGES in ends[1]] == [True, True]
    assert world.bulk("--full")["cloud"] == "cloud read in full (--full)"
