"""Manual changes in Concertim, and those of other services: nothing healthy is removed, nothing is duplicated."""

from __future__ import annotations

from world import Pass, World

from cos_update.planning.plan import NoticeKind


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
    assert "its team has no project id" in " ".join(notice.text for notice in kept.notices)
    one_pass(prune_unwatched=True, allow_deletes=True)
    assert "growing" not in {rack.name for rack in state.racks.values()}


def test_a_login_that_lost_its_rights_learns_what_to_do(world: World) -> None:
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
    assert "concertim.concertim_username is not a root user" in done.stdout
    assert world.writes() == []
