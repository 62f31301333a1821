"""Watched projects without a team, and teams with others' project ids: reported once, then on change, and counted."""

from __future__ import annotations

import pytest
from world import Pass, World

from cos_update.fakes.concertim.records import Team
from cos_update.model.exit_codes import ExitCode
from cos_update.planning.plan import NoticeKind
from cos_update.planning.report import Report


def team(world: World, name: str) -> Team:
    return next(team for team in world.concertim.state.teams.values() if team.name == name)


def news(report: Report) -> set[NoticeKind]:
    return {notice.kind for notice in report.news}


def test_a_project_without_a_team_is_reported_once_and_always_counted(world: World, one_pass: Pass) -> None:
    team(world, "CM_team_b").project_id = None
    first = one_pass()
    assert (news(first), first.exit_code) == ({NoticeKind.NO_OWNER}, ExitCode.DONE)
    assert "1 watched projects without a team" in str(first)
    second = one_pass()
    assert (second.news, second.is_quiet) == ((), True)
    assert "1 watched projects without a team" in str(second)


def test_it_is_reported_again_when_it_begins_again(world: World, one_pass: Pass) -> None:
    project_id = team(world, "CM_team_b").project_id
    for given, expected in ((None, True), (None, False), (project_id, False), (None, True)):
        team(world, "CM_team_b").project_id = given
        assert (NoticeKind.NO_OWNER in news(one_pass())) is expected


def test_a_pass_over_another_project_does_not_make_it_news(world: World, one_pass: Pass) -> None:
    one_pass()
    one, other = team(world, "CM_team_a"), team(world, "CM_team_b")
    one.project_id, other.project_id = other.project_id, one.project_id
    assert one_pass().news
    one_pass(projects=("CM_team_a",))
    assert one_pass().news == ()


def test_swapped_project_ids_are_reported_once_and_always_counted(world: World, one_pass: Pass) -> None:
    one_pass()
    racks = len(world.concertim.state.racks)
    one, other = team(world, "CM_team_a"), team(world, "CM_team_b")
    one.project_id, other.project_id = other.project_id, one.project_id
    first = one_pass()
    assert news(first) == {NoticeKind.OTHER_OWNER}
    assert f"{racks} racks in another team" in str(first)
    second = one_pass()
    assert second.is_quiet
    assert f"{racks} racks in another team" in str(second)
    assert len(world.concertim.state.racks) == racks


@pytest.mark.parametrize("world", ["admin"], indirect=True)
def test_cron_hears_of_it_once(world: World) -> None:
    world.bulk()
    team(world, "CM_team_b").project_id = None
    done = world.run("bulk", "--once")
    assert "no team of Concertim has the project id" in done.stdout
    assert "1 watched projects without a team" in done.stdout
    again = world.run("bulk", "--once")
    assert (again.stdout, again.stderr) == ("", "")
