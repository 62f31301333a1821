"""Heat's stacks and resources: nesting, lookups, deleted objects, projects."""

from __future__ import annotations

from openstack_asking import Asker

from cos_update.fakes.openstack import CloudState
from cos_update.fakes.openstack.records import Project, Stack


def stacks(project: Project, rest: str = "") -> str:
    return f"/orchestration/v1/{project.id}/stacks{rest}"


def href(stack: Stack, rest: str = "") -> str:
    return f"/orchestration/v1/{stack.project_id}/stacks/{stack.name}/{stack.id}{rest}"


def listed(asker: Asker, project: Project, query: str = "") -> list[str]:
    return [stack["stack_name"] for stack in asker.as_watcher(project, stacks(project, query)).json()["stacks"]]


def test_a_watcher_lists_its_own_project_and_an_admin_every_one(asker: Asker, state: CloudState, team: Project) -> None:
    state.create_stack(team, "mine")
    hidden = state.create_stack(state.create_project("unwatched"), "hidden")
    assert listed(asker, team) == ["mine"]
    found = asker.as_admin(stacks(state.admin_project)).json()["stacks"]
    assert [stack["stack_name"] for stack in found] == ["hidden", "mine"]
    assert found[0]["links"][0]["href"].endswith(href(hidden))


def test_an_admins_plain_listing_may_go_without_the_project(asker: Asker, state: CloudState, team: Project) -> None:
    state.create_stack(team, "mine")
    state.stacks_name_project = False
    (shown,) = asker.as_admin(stacks(state.admin_project)).json()["stacks"]
    assert "project" not in shown


def test_the_global_listing_is_open_to_the_system_or_by_policy(asker: Asker, state: CloudState, team: Project) -> None:
    path = stacks(state.admin_project, "?global_tenant=True")
    assert asker.as_admin(path).status_code == 403
    assert asker.get(path, asker.token(state.admin, scope={"system": {"all": True}})).ok
    state.global_stacks_allowed = True
    assert asker.as_admin(path).ok
    assert asker.as_watcher(team, stacks(team, "?global_tenant=True")).status_code == 403


def test_a_path_of_another_project_is_403_but_for_admins(asker: Asker, state: CloudState, team: Project) -> None:
    hidden = state.create_stack(state.create_project("unwatched"), "hidden")
    assert asker.as_watcher(team, href(hidden)).status_code == 403
    assert asker.as_watcher(team, stacks(team, f"/hidden/{hidden.id}")).status_code == 404
    assert asker.as_admin(href(hidden)).ok


def test_a_lookup_by_name_or_by_id_alone_redirects(asker: Asker, state: CloudState, team: Project) -> None:
    stack = state.create_stack(team, "mine")
    for rest in ("/mine", f"/{stack.id}", f"/{stack.id}/resources?nested_depth=2"):
        answer = asker.as_watcher(team, stacks(team, rest))
        assert answer.status_code == 302
        tail = "/resources?nested_depth=2" if "?" in rest else ""
        assert answer.headers["Location"] == asker.app.url + href(stack, tail)
    assert asker.as_admin(stacks(state.admin_project, "/mine")).status_code == 404


def test_pages_end_without_a_link_and_begin_again_at_a_lost_marker(
    asker: Asker, state: CloudState, team: Project
) -> None:
    made = [state.create_stack(team, f"s{number}") for number in range(3)]
    page = asker.as_watcher(team, stacks(team, "?limit=2")).json()
    assert [stack["stack_name"] for stack in page["stacks"]] == ["s2", "s1"]
    rest = asker.get(page["links"][0]["href"], asker.token(state.watcher, team)).json()
    assert [stack["stack_name"] for stack in rest["stacks"]] == ["s0"]
    assert "links" not in rest
    state.delete_stack(made[1])
    assert listed(asker, team, f"?limit=2&marker={made[1].id}") == ["s2", "s0"]


def test_a_page_has_the_count_of_all_stacks_if_that_is_asked_for(
    asker: Asker, state: CloudState, team: Project
) -> None:
    made = [state.create_stack(team, f"s{number}") for number in range(3)]
    assert "count" not in asker.as_watcher(team, stacks(team, "?limit=2")).json()
    for query in ("?limit=2&with_count=true", f"?with_count=True&marker={made[1].id}"):
        assert asker.as_watcher(team, stacks(team, query)).json()["count"] == 3


def test_a_deleted_stack_is_in_no_listing_but_shown_by_its_id(asker: Asker, state: CloudState, team: Project) -> None:
    stack = state.create_stack(team, "gone")
    server = state.add_server(state.add_nested(stack, "nodes"), "node")
    volume = state.create_volume(stack, "home")
    state.attach(volume, server)
    state.delete_stack(stack)
    assert listed(asker, team) == []
    shown = asker.as_watcher(team, href(stack)).json()["stack"]
    assert (shown["stack_status"], shown["deletion_time"] is None) == ("DELETE_COMPLETE", False)
    assert (server.id in state.servers, volume.id in state.volumes) == (False, False)


def test_nested_stacks_are_listed_only_on_request(asker: Asker, state: CloudState, team: Project) -> None:
    stack = state.create_stack(team, "outer")
    nested = state.add_nested(stack, "nodes")
    assert listed(asker, team) == ["outer"]
    assert listed(asker, team, "?show_nested=True") == [nested.name, "outer"]
    assert asker.as_watcher(team, href(nested)).json()["stack"]["parent"] == stack.id


def test_resources_are_flat_down_to_the_depth_asked_and_never_below_five(
    asker: Asker, state: CloudState, team: Project
) -> None:
    stack = level = state.create_stack(team, "deep")
    for depth in range(7):
        state.add_server(level, f"s{depth}", resource=f"server{depth}")
        level = state.add_nested(level, f"group{depth}")

    def servers(depth: int) -> list[tuple[str, str | None]]:
        path = href(stack, f"/resources?nested_depth={depth}&type=OS::Nova::Server")
        found = asker.as_watcher(team, path).json()["resources"]
        return [(resource["resource_name"], resource.get("parent_resource")) for resource in found]

    assert servers(0) == [("server0", None)]
    assert servers(2) == [("server0", None), ("server1", "group0"), ("server2", "group1")]
    assert len(servers(50)) == 6


def test_a_nested_link_leads_through_the_callers_own_project(asker: Asker, state: CloudState, team: Project) -> None:
    stack = state.create_stack(team, "outer")
    nested = state.add_nested(stack, "nodes")
    (group,) = asker.as_admin(href(stack, "/resources")).json()["resources"]
    links = {link["rel"]: link["href"] for link in group["links"]}
    assert links["stack"] == asker.app.url + href(stack)
    assert links["nested"].endswith(f"/{state.admin_project.id}/stacks/{nested.name}/{nested.id}")
    assert asker.as_admin(links["nested"]).ok


def test_two_type_filters_are_400(asker: Asker, state: CloudState, team: Project) -> None:
    stack = state.create_stack(team, "s")
    path = href(stack, "/resources?type=OS::Nova::Server&type=OS::Cinder::Volume")
    assert asker.as_watcher(team, path).status_code == 400


def test_outputs_are_left_out_on_request(asker: Asker, state: CloudState, team: Project) -> None:
    stack = state.create_stack(team, "s", outputs={"web_access": "http://a/?b=c", "none": None})
    shown = asker.as_watcher(team, href(stack)).json()["stack"]["outputs"]
    assert {output["output_key"]: output["output_value"] for output in shown} == {
        "web_access": "http://a/?b=c",
        "none": None,
    }
    assert "outputs" not in asker.as_watcher(team, href(stack, "?resolve_outputs=false")).json()["stack"]


def test_only_an_update_sets_the_update_time(asker: Asker, state: CloudState, team: Project) -> None:
    stack = state.create_stack(team, "s", status="CREATE_IN_PROGRESS")

    def shown() -> tuple[str, str | None]:
        (found,) = asker.as_watcher(team, stacks(team)).json()["stacks"]
        return found["stack_status"], found["updated_time"]

    assert shown() == ("CREATE_IN_PROGRESS", None)
    state.complete(stack)
    state.begin(stack, "SUSPEND")
    state.complete(stack)
    assert shown() == ("SUSPEND_COMPLETE", None)
    state.begin(stack)
    state.fail(stack, "no room")
    status, updated = shown()
    assert status == "UPDATE_FAILED"
    assert updated is not None


def test_a_server_deleted_behind_heats_back_is_still_named_by_its_stack(
    asker: Asker, state: CloudState, team: Project
) -> None:
    stack = state.create_stack(team, "s")
    known, hidden = state.add_server(stack, "known"), state.add_server(stack, "hidden")
    state.delete_server(known)
    state.delete_server(hidden, behind_heat=True)
    (resource,) = asker.as_watcher(team, href(stack, "/resources")).json()["resources"]
    assert resource["physical_resource_id"] == hidden.id
