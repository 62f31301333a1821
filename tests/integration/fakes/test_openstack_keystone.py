"""Tokens: for whom, for what, for how long; and who may read role assignments."""

from __future__ import annotations

import time
from collections.abc import Iterator

import pytest
from openstack_asking import Asker, by_password

from cos_update.fakes import Sandbox
from cos_update.fakes.openstack import CloudState, OpenStackApp

ASSIGNMENTS = "/identity/v3/role_assignments"


@pytest.fixture
def state() -> CloudState:
    return CloudState()


@pytest.fixture
def asker(state: CloudState) -> Iterator[Asker]:
    app = OpenStackApp(state)
    with Sandbox(app):
        yield Asker(app)


def test_a_wrong_password_and_a_project_without_a_role_are_both_401(asker: Asker, state: CloudState) -> None:
    foreign = state.create_project("foreign")
    assert asker.login(by_password(state.watcher, "wrong")).status_code == 401
    assert asker.login(by_password(state.watcher), {"project": {"id": foreign.id}}).status_code == 401
    assert asker.login(by_password(state.watcher), {"project": {"id": "nowhere"}}).status_code == 401
    assert asker.login(by_password(state.watcher), {"system": {"all": True}}).status_code == 401


@pytest.mark.parametrize("domain", [{"id": "default"}, {"name": "Default"}])
def test_user_and_project_may_be_named_with_their_domain(
    asker: Asker, state: CloudState, domain: dict[str, str]
) -> None:
    project = state.create_project("CM_team", watched=True)
    user = {"name": "concertim", "password": "concertim", "domain": domain}
    answer = asker.login(
        {"methods": ["password"], "password": {"user": user}}, {"project": {"name": "CM_team", "domain": domain}}
    )
    token = answer.json()["token"]
    assert token["project"]["id"] == project.id
    assert [role["name"] for role in token["roles"]] == ["watcher"]


def test_projects_of_one_name_are_told_apart_by_domain(asker: Asker, state: CloudState) -> None:
    state.create_project("twin", watched=True)
    other = state.create_domain("other")
    twin = state.create_project("twin", watched=True, domain=other)
    scope = {"project": {"name": "twin", "domain": {"name": "other"}}}
    assert asker.login(by_password(state.watcher), scope).json()["token"]["project"]["id"] == twin.id


def test_an_unscoped_token_finds_its_projects_and_can_be_exchanged(asker: Asker, state: CloudState) -> None:
    project = state.create_project("CM_team", watched=True)
    token = asker.token(state.watcher)
    listed = asker.get("/identity/v3/auth/projects", token).json()["projects"]
    assert {found["name"] for found in listed} == {"admin", "CM_team"}
    exchanged = asker.login({"methods": ["token"], "token": {"id": token}}, {"project": {"id": project.id}})
    assert exchanged.json()["token"]["project"]["name"] == "CM_team"


def test_a_token_ends_with_its_life(asker: Asker, state: CloudState) -> None:
    state.token_life = 0.2
    token = asker.token(state.watcher)
    deadline = time.monotonic() + 30
    while asker.get("/identity/v3/auth/projects", token).status_code != 401:
        assert time.monotonic() < deadline
        time.sleep(0.02)


def test_a_token_ends_with_the_last_role_in_its_project(asker: Asker, state: CloudState) -> None:
    project = state.create_project("CM_team", watched=True)
    token = asker.token(state.watcher, project)
    assert asker.get("/compute/v2.1/servers/detail", token).ok
    state.unwatch(project)
    assert asker.get("/compute/v2.1/servers/detail", token).status_code == 401


def test_there_is_no_login_to_a_deleted_project(asker: Asker, state: CloudState) -> None:
    project = state.create_project("CM_team", watched=True)
    state.delete_project(project)
    assert asker.login(by_password(state.watcher), {"project": {"id": project.id}}).status_code == 401


def test_effective_assignments_spell_out_groups_and_inheritance(asker: Asker, state: CloudState) -> None:
    parent = state.create_project("parent")
    child = state.create_project("child", parent=parent)
    team = state.create_group("watchers", [state.watcher])
    state.assign(state.watcher_role, team, parent, inherited=True)

    query = f"user.id={state.watcher.id}&role.id={state.watcher_role.id}"
    assert asker.as_admin(f"{ASSIGNMENTS}?{query}").json()["role_assignments"] == []
    (found,) = asker.as_admin(f"{ASSIGNMENTS}?{query}&effective=true&include_names=1").json()["role_assignments"]
    assert found["scope"] == {
        "project": {"id": child.id, "name": "child", "domain": {"id": "default", "name": "Default"}}
    }
    assert found["links"]["membership"].endswith(f"/groups/{team.id}/users/{state.watcher.id}")
    assert [project.name for project in state.projects_of(state.watcher.id)].count("child") == 1


def test_inherited_assignments_say_so(asker: Asker, state: CloudState) -> None:
    state.assign(state.watcher_role, state.watcher, state.domains["default"], inherited=True)
    query = f"user.id={state.watcher.id}&role.id={state.watcher_role.id}"
    (found,) = asker.as_admin(f"{ASSIGNMENTS}?{query}").json()["role_assignments"]
    assert found["scope"] == {"domain": {"id": "default"}, "OS-INHERIT:inherited_to": "projects"}


def test_include_subtree_is_refused(asker: Asker, state: CloudState) -> None:
    answer = asker.as_admin(f"{ASSIGNMENTS}?user.id={state.watcher.id}&effective=true&include_subtree=true")
    assert answer.status_code == 400


def test_a_watcher_may_not_look_for_users_and_roles(asker: Asker, state: CloudState) -> None:
    project = state.create_project("CM_team", watched=True)
    assert asker.as_watcher(project, "/identity/v3/users?name=concertim").status_code == 403
    assert asker.as_watcher(project, "/identity/v3/roles?name=watcher").status_code == 403


def test_users_and_roles_are_found_by_name(asker: Asker, state: CloudState) -> None:
    (user,) = asker.as_admin("/identity/v3/users?name=concertim").json()["users"]
    (role,) = asker.as_admin("/identity/v3/roles?name=watcher").json()["roles"]
    assert (user["id"], role["id"]) == (state.watcher.id, state.watcher_role.id)


def test_a_cloud_without_admin_gives_concertim_nothing_but_watching() -> None:
    state = CloudState(admin=False)
    watched = state.create_project("CM_team", watched=True)
    assert state.projects_of(state.watcher.id) == [watched]


def test_every_stack_brings_a_helper_project_in_heats_domain(asker: Asker, state: CloudState) -> None:
    stack = state.create_stack(state.create_project("CM_team", watched=True), "cluster-1")
    assert state.projects[stack.user_project_id].domain_id == state.heat_domain.id
