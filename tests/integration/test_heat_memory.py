"""Stacks are read again from Heat only if they may have changed, without missing anything."""

from __future__ import annotations

import pytest
from passes import one_pass, stacks_asked, view_of
from world import World, shown, wanted

from cos_update.fakes import Fault, FaultKind
from cos_update.fakes.openstack.records import Project, Stack
from cos_update.planning.report import ExitCode
from cos_update.sync.services import RunOptions

IN_PROGRESS = ["growing"]
"""The stacks of the demo's cloud of which nothing is remembered."""
ALL = ["Awkward_names.and-all", "broken", "cluster-1", "cluster-1", "every-state", "groups", "growing"]


def project(world: World, name: str) -> Project:
    return next(p for p in world.cloud.projects.values() if p.name == name)


def stack(world: World, name: str, project_name: str = "CM_team_a") -> Stack:
    return world.cloud.find_stack(project(world, project_name), name)


def nested(world: World, start: str, project_name: str = "CM_team_a") -> Stack:
    owner = project(world, project_name).id
    return next(s for s in world.cloud.stacks.values() if s.project_id == owner and s.name.startswith(start))


def is_in_step(world: World) -> bool:
    return shown(world.actual()) == wanted(world.desired())


def test_an_unchanged_cloud_costs_pages_and_what_is_in_progress(world: World) -> None:
    one_pass(world)
    assert stacks_asked(world) == ALL
    one_pass(world)
    assert stacks_asked(world) == IN_PROGRESS


def test_the_outputs_and_the_rest_of_a_rack_stay_as_they_are(world: World) -> None:
    one_pass(world)
    before = {rack.id: (rack.creation_output, rack.metadata) for rack in world.actual().racks.values()}
    one_pass(world)
    assert world.writes() == []
    assert {rack.id: (rack.creation_output, rack.metadata) for rack in world.actual().racks.values()} == before


def test_an_updated_stack_is_asked_again(world: World) -> None:
    one_pass(world)
    changed = stack(world, "every-state")
    world.cloud.set_outputs(changed, {"address": "10.0.0.9"})
    world.cloud.add_server(changed, "one-more")
    world.cloud.update_stack(changed)
    one_pass(world)
    assert stacks_asked(world) == ["every-state", *IN_PROGRESS]
    rack = next(rack for rack in world.actual().racks.values() if rack.stack_id == changed.id)
    assert rack.creation_output == "address=10.0.0.9"
    assert is_in_step(world)


def test_a_server_that_a_nested_stack_grew_by_is_found_where_its_name_points(world: World) -> None:
    one_pass(world)
    world.cloud.add_server(nested(world, "cluster-1-nodes"), "alpha-node3")
    one_pass(world)
    assert stacks_asked(world) == ["cluster-1", *IN_PROGRESS]
    assert is_in_step(world)


def test_a_server_that_grew_where_its_name_does_not_point_is_found_too(world: World) -> None:
    one_pass(world)
    world.cloud.add_server(nested(world, "cluster-1-nodes"), "zzz")
    one_pass(world)
    assert set(stacks_asked(world)) == {"broken", "cluster-1", "every-state", "growing"}
    assert is_in_step(world)


def test_a_stack_that_lost_a_server_is_asked_again_once(world: World) -> None:
    one_pass(world)
    server = next(s for s in world.cloud.servers.values() if s.name == "alpha-node0")
    world.cloud.delete_server(server, behind_heat=True)
    one_pass(world)
    assert stacks_asked(world) == ["cluster-1", *IN_PROGRESS]
    assert is_in_step(world)
    one_pass(world)
    assert stacks_asked(world) == IN_PROGRESS


def test_a_server_of_no_stack_makes_its_project_be_asked_once(world: World) -> None:
    one_pass(world)
    world.cloud.add_server(project(world, "CM_team_a"), "on its own")
    one_pass(world)
    assert stacks_asked(world) == ["broken", "cluster-1", "every-state", "growing"]
    one_pass(world)
    assert stacks_asked(world) == IN_PROGRESS


def test_a_server_that_heat_did_not_know_yet_is_found_when_it_is_made(world: World) -> None:
    one_pass(world)
    group = nested(world, "cluster-1-nodes")
    server = world.cloud.add_server(group, "alpha-node3", state="building")
    resource = next(r for r in group.resources.values() if r.physical_id == server.id)
    resource.physical_id = ""
    one_pass(world)
    one_pass(world)
    assert stacks_asked(world) == IN_PROGRESS
    resource.physical_id = server.id
    world.cloud.set_server_state(server, "active")
    one_pass(world)
    assert server.id in shown(world.actual())


def test_all_stacks_are_asked_again_every_so_many_passes(world: World) -> None:
    asked = []
    for _ in range(7):
        one_pass(world, membership_refresh=3)
        asked.append(stacks_asked(world) == ALL)
    assert asked == [True, False, False, True, False, False, True]


@pytest.mark.parametrize("path", ["/resources$", "/stacks/every-state/[^/]+$"])
def test_a_stack_that_could_not_be_read_is_not_remembered(world: World, path: str) -> None:
    world.openstack.wire.faults.add(Fault(FaultKind.STATUS, service="heat", path=path, code=500))
    assert one_pass(world).exit_code is ExitCode.IN_PART
    world.openstack.wire.faults.clear()
    assert one_pass(world).exit_code is ExitCode.DONE
    assert "every-state" in stacks_asked(world)
    assert is_in_step(world)


def test_a_listing_that_failed_costs_no_memory(world: World) -> None:
    one_pass(world)
    for service in ("nova", "cinder", "heat"):
        world.openstack.wire.faults.add(Fault(FaultKind.STATUS, service=service, path="detail|stacks", code=503))
    one_pass(world)
    assert len(view_of(world).origins) > len(world.cloud.servers)
    world.openstack.wire.faults.clear()
    one_pass(world)
    assert stacks_asked(world) == IN_PROGRESS
    assert is_in_step(world)


def test_a_pass_over_one_project_leaves_what_is_remembered_of_the_others(world: World) -> None:
    one_pass(world)
    before = view_of(world)
    one_pass(world, RunOptions(projects=("CM_team_b",)))
    after = view_of(world)
    assert (after.stacks.keys(), after.origins, after.unowned) == (before.stacks.keys(), before.origins, before.unowned)
    one_pass(world)
    assert stacks_asked(world) == IN_PROGRESS
