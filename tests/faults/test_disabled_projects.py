"""A disabled project counts as not watched: reported in one line, its racks stay, and the pass succeeds."""

from __future__ import annotations

import pytest
from world import Pass, World, shown, wanted

from cos_update.fakes.openstack.records import Project
from cos_update.fakes.wire import Fault, FaultKind
from cos_update.model.settings import ReadScope
from cos_update.planning.plan import NoticeKind
from cos_update.planning.report import ExitCode

SCOPES = [ReadScope.AUTO, ReadScope.PROJECT]


def may_see_it(world: World) -> bool:
    """Whether the login is an administrator's: others do not see disabled projects at all."""
    return world.cloud.admin_project in world.cloud.projects_of(world.cloud.watcher.id)


def disabled(world: World) -> Project:
    project = next(project for project in world.cloud.projects.values() if project.name == "CM_team_b")
    project.enabled = False
    return project


@pytest.mark.parametrize("scope", SCOPES)
def test_it_is_reported_in_one_line_and_its_racks_stay(world: World, one_pass: Pass, scope: ReadScope) -> None:
    one_pass(scope=scope)
    project = disabled(world)
    for server in world.cloud.servers.values():
        if server.project_id == project.id:
            world.cloud.set_server_state(server, "stopped")
    world.concertim.wire.reset()
    report = one_pass(scope=scope, prune_unwatched=may_see_it(world), allow_deletes=True)
    assert report.exit_code is ExitCode.DONE
    assert world.writes() == []
    about = [notice for notice in report.notices if notice.openstack_id == project.id]
    if may_see_it(world):
        assert [(notice.kind, notice.name) for notice in about] == [(NoticeKind.DISABLED, "CM_team_b")]
        assert NoticeKind.ORPHANED not in {notice.kind for notice in report.notices}


@pytest.mark.parametrize("world", ["watcher"], indirect=True)
def test_a_mere_watcher_learns_of_it_where_keystone_lists_it(world: World, one_pass: Pass) -> None:
    one_pass()
    project = disabled(world)
    world.cloud.disabled_projects_listed = True
    world.concertim.wire.reset()
    report = one_pass(prune_unwatched=True, allow_deletes=True)
    assert report.exit_code is ExitCode.DONE
    assert world.writes() == []
    about = [notice for notice in report.notices if notice.openstack_id == project.id]
    assert [(notice.kind, notice.name) for notice in about] == [(NoticeKind.DISABLED, "CM_team_b")]


@pytest.mark.parametrize("scope", SCOPES)
def test_once_it_is_enabled_again_it_is_brought_in_step(world: World, one_pass: Pass, scope: ReadScope) -> None:
    one_pass(scope=scope)
    project = disabled(world)
    one_pass(scope=scope)
    server = next(server for server in world.cloud.servers.values() if server.project_id == project.id)
    world.cloud.set_server_state(server, "error")
    project.enabled = True
    assert one_pass(scope=scope).exit_code is ExitCode.DONE
    assert shown(world.actual()) == wanted(world.desired())


def test_it_is_news_once(world: World, one_pass: Pass) -> None:
    one_pass()
    disabled(world)
    news = [[notice.kind for notice in one_pass().news] for _ in range(2)]
    assert news == ([[NoticeKind.DISABLED], []] if may_see_it(world) else [[], []])


def test_a_project_that_cannot_be_logged_in_to_has_one_line_too(world: World, one_pass: Pass) -> None:
    one_pass(scope=ReadScope.PROJECT)
    project = disabled(world)
    world.openstack.wire.faults.add(Fault(FaultKind.STATUS, path="/v3/projects$", code=403))
    before = set(world.concertim.state.devices)
    report = one_pass(scope=ReadScope.PROJECT, allow_deletes=True)
    assert set(world.concertim.state.devices) == before
    about = [notice for notice in report.notices if notice.openstack_id == project.id]
    if may_see_it(world):
        assert [notice.kind for notice in about] == [NoticeKind.UNREAD]
        assert "refused the login (401)" in about[0].text
        assert report.exit_code is ExitCode.IN_PART
