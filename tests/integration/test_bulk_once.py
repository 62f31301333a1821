"""`cos-update bulk --once`, the real program, against both fakes over real HTTP."""

from __future__ import annotations

from collections.abc import Iterator
from decimal import Decimal
from pathlib import Path

import pytest
from daemons import start
from world import World, served, shown, wanted

from cos_update.fakes import Sandbox
from cos_update.fakes.concertim import ConcertimApp
from cos_update.fakes.demo import demo_cloud
from cos_update.fakes.openstack import OpenStackApp
from cos_update.model.concertim import ApiFlavour
from cos_update.store import ViewStore


@pytest.fixture(params=["admin", "watcher"])
def world(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[World]:
    """The demo's cloud, read cloud-wide by an admin, and per project by a mere watcher."""
    with served(tmp_path, admin=request.param == "admin") as world:
        yield world


def test_concertim_shows_the_cloud_after_one_pass(world: World) -> None:
    told = world.bulk()
    assert told["totals"]["created"] > 50
    assert shown(world.actual()) == wanted(world.desired())


def test_nothing_is_refused_in_either_direction(world: World) -> None:
    world.bulk()
    assert world.concertim.refusals == []
    assert [r for r in world.openstack.wire.requests if r.status == 400] == []


@pytest.mark.parametrize("with_view", [True, False])
def test_a_second_pass_posts_nothing(world: World, with_view: bool) -> None:
    world.bulk()
    if not with_view:
        (world.data_dir / "view.pickle").unlink()
    world.concertim.wire.reset()
    done = world.run("bulk", "--once")
    assert done.stdout == ""
    assert world.writes() == []


def test_what_is_made_by_hand_survives(world: World) -> None:
    world.bulk()
    state = world.concertim.state
    team = next(iter(state.teams.values()))
    template = state.add_template("by hand", 2)
    hand = state.add_rack("by-hand", team, 42)
    ours = next(rack for rack in state.racks.values() if rack.metadata.get("openstack_stack_id"))
    foreign = state.add_device(ours, "mine", template, ours.u_height - 5)
    ours.metadata = {**ours.metadata, "note": "keep"}
    ours.cost, order_id = Decimal("12.5"), ours.order_id
    moved = next(d for d in state.devices_of(ours) if d.type == "Instance" and d.metadata.get("openstack_instance_id"))
    moved.start_u, place = 30, 30
    moved.cost = Decimal("7.25")
    moved.metadata = {**moved.metadata, "note": "keep too"}
    for server in world.cloud.servers.values():
        world.cloud.rename(server, f"{server.name}-renamed")
        world.cloud.plug(server, world.cloud.shared)
    for stack in world.cloud.stacks.values():
        world.cloud.set_outputs(stack, {"changed": "yes"})
    world.bulk()
    world.bulk()
    assert {hand.id, ours.id} <= set(state.racks)
    assert {foreign.id, moved.id} <= set(state.devices)
    assert template.id in state.templates
    assert state.devices[moved.id].name.endswith("-renamed")
    there = state.devices[moved.id]
    assert (there.start_u, there.cost, there.metadata["note"]) == (place, Decimal("7.25"), "keep too")
    assert (ours.metadata["note"], ours.cost, ours.order_id) == ("keep", Decimal("12.5"), order_id)


def test_a_resized_and_a_renamed_server_follow(world: World) -> None:
    world.bulk()
    server = next(s for s in world.cloud.servers.values() if s.name == "alpha-node0")
    flavor = next(f for f in world.cloud.flavors.values() if f.name == "m1.large")
    world.cloud.resize(server, flavor)
    world.cloud.rename(server, "alpha big")
    world.bulk()
    device = next(d for d in world.actual().devices.values() if d.object_id == server.id)
    assert (device.name, device.location.height) == ("alpha-big", 4)
    assert world.concertim.refusals == []


def test_the_view_holds_both_sides(world: World) -> None:
    world.bulk()
    view = ViewStore(world.data_dir, "test").load()
    assert view is not None
    there = {d.id: (d.name, d.status, d.location, d.metadata) for d in world.actual().devices.values()}
    assert {d.id: (d.name, d.status, d.location, d.metadata) for d in view.actual.devices.values()} == there
    assert {server.id for server in world.cloud.servers.values()} & set(view.origins)
    table = world.run("view", "dump", "--kind", "racks").stdout
    assert "cluster-1" in table


def test_only_the_named_project_is_touched(world: World) -> None:
    world.bulk("--project", "CM_team_b")
    teams = {rack.owner_id for rack in world.actual().racks.values()}
    names = {world.actual().owners[team].name for team in teams}
    assert names == {"CM_team_b"}


def test_a_project_without_a_team_is_reported_and_no_failure(world: World) -> None:
    state = world.concertim.state
    team = next(team for team in state.teams.values() if team.name == "CM_team_b")
    team.project_id = None
    told = world.bulk()
    assert "no-owner" in {notice["notice"] for notice in told["notices"]}


def test_the_older_api_shows_instances_only(tmp_path: Path) -> None:
    world = World(OpenStackApp(demo_cloud()), ConcertimApp(ApiFlavour.USERS), tmp_path)
    with Sandbox(world.openstack, world.concertim):
        for project in world.cloud.projects_of(world.cloud.watcher.id):
            if project is not world.cloud.admin_project:
                world.concertim.state.add_user(project.name, project_id=project.id)
        world.configure()
        world.bulk()
        assert shown(world.actual()) == wanted(world.desired())
        assert world.concertim.refusals == []
        assert world.bulk()["totals"]["created"] == 0


def test_bad_credentials_say_where_to_look(world: World) -> None:
    config = world.folder / "config.yaml"
    config.write_text(config.read_text().replace("password: concertim", "password: wrong"))
    done = world.run("bulk", "--once", expect=1)
    assert "refused the login" in done.stderr
    assert "Traceback" not in done.stderr
    assert world.writes() == []


def test_what_fits_in_no_rack_is_named_and_the_rest_is_shown(world: World) -> None:
    project = next(p for p in world.cloud.projects_of(world.cloud.watcher.id) if p.name == "CM_team_a")
    stack = world.cloud.create_stack(project, "huge")
    flavor = next(f for f in world.cloud.flavors.values() if f.name == "m1.large")
    for number in range(20):
        world.cloud.add_server(stack, f"big-{number}", flavor)
    told = world.bulk(expect=3)
    rack = next(rack for rack in world.actual().racks.values() if rack.name == "huge")
    placed = [d for d in world.actual().devices.values() if d.rack_id == rack.id]
    unplaced = [notice for notice in told["notices"] if notice["notice"] == "unplaced"]
    assert (rack.height, len(placed), len(unplaced)) == (72, 18, 2)
    assert unplaced[0]["text"] == "needs 4U, 0U free in 72U: not placed"
    world.concertim.wire.reset()
    world.bulk(expect=3)
    assert world.writes() == []
    assert world.concertim.refusals == []


def test_the_outputs_of_a_stack_are_in_no_log_and_no_diff(world: World) -> None:
    world.bulk()
    stack = next(s for s in world.cloud.stacks.values() if s.name == "growing")
    world.cloud.set_outputs(stack, {"admin_password": "tr0ub4dor"})
    shown_ = world.run("diff", "--dry-run")
    done = world.run("-v", "bulk", "--once")
    assert "creation_output  (changed)" in shown_.stdout
    log = (world.folder / "log" / "updates_bulk.log").read_text()
    assert "tr0ub4dor" not in shown_.stdout + done.stdout + done.stderr + log
    assert any("tr0ub4dor" in rack.creation_output for rack in world.actual().racks.values())


def test_a_second_bulk_of_cron_ends_at_once_and_prints_nothing(world: World) -> None:
    with ViewStore(world.data_dir, "bulk").sole("bulk"):
        done = world.run("bulk", "--once", expect=75)
        assert (done.stdout, done.stderr) == ("", "")
        assert "another cos-update bulk" in (world.folder / "log" / "updates_bulk.log").read_text()
    assert world.writes() == []


def test_it_may_wait_for_the_first(world: World) -> None:
    with ViewStore(world.data_dir, "bulk").sole("bulk"):
        waiting = start(world, "bulk", "--once", "--wait", "60")
        # One that began later has come to the lock and ended, so the first has come there too.
        world.run("bulk", "--once", expect=75)
    assert waiting.wait(60) == 0
    assert world.writes()


def test_the_daemon_says_who_is_in_its_way_and_advises_no_second_data_dir(world: World) -> None:
    with ViewStore(world.data_dir, "bulk").sole("bulk"):
        said = world.run("bulk", expect=1).stderr
    assert "another cos-update bulk" in said
    assert "data dir" not in said
