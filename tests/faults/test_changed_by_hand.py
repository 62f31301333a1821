"""What people, or other services, change in Concertim by hand: nothing healthy goes, and nothing is there twice."""

from __future__ import annotations

from collections import Counter

from world import Pass, World

from cos_update.planning.plan import NoticeKind
from cos_update.planning.report import ExitCode


def test_a_team_that_lost_its_project_id_loses_no_rack_of_a_stack_that_is_there(world: World, one_pass: Pass) -> None:
    one_pass()
    state = world.concertim.state
    next(team for team in state.teams.values() if team.name == "CM_team_b").project_id = None
    racks, devices = set(state.racks), set(state.devices)
    report = one_pass(prune_unwatched=True, allow_deletes=True)
    assert (set(state.racks), set(state.devices)) == (racks, devices)
    assert {notice.kind for notice in report.notices} >= {NoticeKind.OTHER_OWNER, NoticeKind.NO_OWNER}


def test_a_team_that_stands_for_another_project_now_loses_no_rack_either(world: World, one_pass: Pass) -> None:
    one_pass()
    state = world.concertim.state
    next(team for team in state.teams.values() if team.name == "CM_team_b").project_id = "not-watched"
    racks = set(state.racks)
    one_pass(prune_unwatched=True, allow_deletes=True)
    assert set(state.racks) == racks


def test_a_rack_of_a_team_without_a_project_goes_with_its_stack(world: World, one_pass: Pass) -> None:
    one_pass()
    state = world.concertim.state
    next(team for team in state.teams.values() if team.name == "CM_team_b").project_id = None
    world.cloud.delete_stack(next(s for s in world.cloud.stacks.values() if s.name == "growing"))
    kept = one_pass(allow_deletes=True)
    assert "its team stands for no project" in " ".join(notice.text for notice in kept.notices)
    one_pass(prune_unwatched=True, allow_deletes=True)
    assert "growing" not in {rack.name for rack in state.racks.values()}


def test_a_rack_whose_metadata_was_wiped_shows_nothing_twice(world: World, one_pass: Pass) -> None:
    one_pass()
    state = world.concertim.state
    wiped = next(rack for rack in state.racks.values() if rack.name == "growing")
    template = state.add_template("by hand", 1)
    foreign = state.add_device(wiped, "mine", template, wiped.u_height)
    wiped.metadata = {}
    one_pass()
    report = one_pass()
    shown = Counter(device.metadata.get("openstack_instance_id") for device in state.devices.values())
    assert {item: count for item, count in shown.items() if count > 1} == {}
    assert state.devices_of(wiped) == (foreign,)
    assert NoticeKind.DUPLICATE in {notice.kind for notice in report.notices}
    silent = one_pass()
    assert (silent.outcomes, silent.exit_code) == ((), ExitCode.DONE)


def test_a_login_that_lost_its_rights_is_told_what_to_do(world: World) -> None:
    login = next(user for user in world.concertim.state.users.values() if user.login == "admin")
    login.root = False
    for team in world.concertim.state.teams.values():
        world.concertim.state.add_role(login, team, "member")
    done = world.run("bulk", "--once", expect=3)
    assert "Not Authorized" in done.stdout
    assert "Check the role of concertim.concertim_username" in done.stdout


def test_a_login_that_sees_its_own_teams_only_does_not_pass_for_all_of_them(world: World) -> None:
    world.bulk()
    world.concertim.wire.reset()
    next(user for user in world.concertim.state.users.values() if user.login == "admin").root = False
    done = world.run("bulk", "--once", expect=3)
    assert "concertim.concertim_username is no root user" in done.stdout
    assert world.writes() == []
