"""A nested stack that is gone before its parent, for whose tree Heat returns 404.

While a stack is being deleted, which can take days, that concerns this one stack: what is known of it is shown, what is
not known of it stays, and all others are kept in step.
"""

from __future__ import annotations

import pytest
from world import Pass, World, shown, wanted

from cos_update.fakes.openstack.records import Server, Stack
from cos_update.fakes.wire import Fault, FaultKind
from cos_update.model.exit_codes import ExitCode

ONE_LOGIN = pytest.mark.parametrize("world", ["watcher"], indirect=True)
"""For what does not depend on who reads."""


def stack_of(world: World, name: str) -> Stack:
    return next(stack for stack in world.cloud.stacks.values() if stack.name == name and not stack.deleted)


def neighbour(world: World, stack: Stack) -> Stack:
    """Another stack of the same project."""
    others = (other for other in world.cloud.stacks.values() if other.parent_id is None and other is not stack)
    return next(o for o in others if o.project_id == stack.project_id and o.name != "every-state")


def server_of(world: World, name: str) -> Server:
    return next(server for server in world.cloud.servers.values() if server.name == name)


def rack_status(world: World, stack: Stack) -> str:
    return next(rack.status for rack in world.actual().racks.values() if rack.stack_id == stack.id)


@pytest.fixture
def dying(world: World, one_pass: Pass) -> Stack:
    """A stack in Concertim with one server of its own, and two in nested stacks, whose deletion has begun."""
    project = stack_of(world, "every-state").project_id
    stack = world.cloud.create_stack(world.cloud.projects[project], "dying")
    world.cloud.add_server(stack, "own")
    inner = world.cloud.add_nested(world.cloud.add_nested(stack, "group"), "inner")
    world.cloud.add_server(inner, "deep")
    world.cloud.add_server(world.cloud.add_nested(stack, "lost"), "left-over")
    one_pass()
    world.cloud.begin(stack, "DELETE")
    return stack


def lose(world: World, parent: Stack, name: str) -> None:
    nested = parent.resources[name].nested
    assert nested is not None
    world.cloud.lose_nested(nested)


def test_what_is_known_of_the_stack_is_shown_and_what_is_not_stays(world: World, one_pass: Pass, dying: Stack) -> None:
    lose(world, dying, "lost")
    for name in ("own", "deep", "left-over"):
        world.cloud.set_server_state(server_of(world, name), "stopped")
    report = one_pass(allow_deletes=True)
    assert report.exit_code is ExitCode.DONE
    assert rack_status(world, dying) == "IN_PROGRESS"
    found = shown(world.actual())
    assert [found[server_of(world, name).id][1] for name in ("own", "deep", "left-over")] == ["STOPPED"] * 3


def test_the_other_stacks_of_the_project_are_kept_in_step(world: World, one_pass: Pass, dying: Stack) -> None:
    lose(world, dying, "lost")
    ended, grown = neighbour(world, dying), stack_of(world, "every-state")
    world.cloud.delete_stack(ended)
    world.cloud.add_server(grown, "newcomer")
    world.cloud.update_stack(grown)
    one_pass(allow_deletes=True)
    actual = world.actual()
    assert ended.id not in {rack.stack_id for rack in actual.racks.values()}
    assert server_of(world, "newcomer").id in shown(actual)
    assert server_of(world, "left-over").id in shown(actual)


@ONE_LOGIN
def test_a_server_of_it_goes_when_nova_says_that_it_is_gone(world: World, one_pass: Pass, dying: Stack) -> None:
    lose(world, dying, "lost")
    server = server_of(world, "left-over")
    world.cloud.delete_server(server, behind_heat=True)
    one_pass(allow_deletes=True, full="to see what is there")
    assert server.id not in shown(world.actual())
    assert server_of(world, "deep").id in shown(world.actual())


@ONE_LOGIN
def test_a_server_that_moved_to_another_stack_is_not_kept_from_there(
    world: World, one_pass: Pass, dying: Stack
) -> None:
    lose(world, dying, "lost")
    server = server_of(world, "left-over")
    heir = stack_of(world, "every-state")
    world.cloud.add_resource(heir, "adopted", "OS::Nova::Server", server.id)
    world.cloud.update_stack(heir)
    one_pass(allow_deletes=True)
    assert shown(world.actual())[server.id][0] == heir.id


@ONE_LOGIN
@pytest.mark.parametrize("query", [None, "nested_depth=[1-9]"])
def test_a_stack_whose_resources_are_refused_whole_is_no_other_matter(
    world: World, one_pass: Pass, dying: Stack, query: str | None
) -> None:
    gone = {"code": 404, "title": "Not Found", "explanation": "x", "error": {"message": "", "type": "EntityNotFound"}}
    path = f"/{dying.id}/resources$"
    world.openstack.wire.faults.add(Fault(FaultKind.STATUS, path=path, query=query, code=404, body=gone))
    ended = neighbour(world, dying)
    world.cloud.delete_stack(ended)
    world.cloud.set_server_state(server_of(world, "left-over"), "stopped")
    assert one_pass(allow_deletes=True).exit_code is ExitCode.DONE
    actual = world.actual()
    assert rack_status(world, dying) == "IN_PROGRESS"
    assert shown(actual)[server_of(world, "left-over").id][1] == "STOPPED"
    assert ended.id not in {rack.stack_id for rack in actual.racks.values()}


@ONE_LOGIN
def test_outputs_that_can_not_be_resolved_stay_as_they_were(world: World, one_pass: Pass, dying: Stack) -> None:
    gone = {"code": 404, "title": "Not Found", "explanation": "x", "error": {"message": "", "type": "EntityNotFound"}}
    world.openstack.wire.faults.add(Fault(FaultKind.STATUS, path=f"/{dying.id}$", query="^$", code=404, body=gone))
    before = {rack.stack_id: rack.creation_output for rack in world.actual().racks.values()}
    assert one_pass(allow_deletes=True).exit_code is ExitCode.DONE
    assert rack_status(world, dying) == "IN_PROGRESS"
    assert {rack.stack_id: rack.creation_output for rack in world.actual().racks.values()} == before


@ONE_LOGIN
def test_a_great_many_that_are_gone_cost_a_bounded_number_of_requests(
    world: World, one_pass: Pass, dying: Stack
) -> None:
    for number in range(100):
        world.cloud.lose_nested(world.cloud.add_nested(dying, f"member-{number}"))
    world.openstack.wire.reset()
    assert one_pass(allow_deletes=True).exit_code is ExitCode.DONE
    asked = [request for request in world.openstack.wire.requests if request.path.endswith("/resources")]
    assert len(asked) < 100
    assert {"own", "deep", "left-over"} <= {device.name for device in world.actual().devices.values()}


@ONE_LOGIN
def test_a_stack_that_ends_after_its_nested_one_is_removed(world: World, one_pass: Pass, dying: Stack) -> None:
    lose(world, dying, "lost")
    one_pass()
    world.cloud.delete_stack(dying)
    one_pass(allow_deletes=True)
    assert dying.id not in {rack.stack_id for rack in world.actual().racks.values()}
    assert shown(world.actual()) == wanted(world.desired())
