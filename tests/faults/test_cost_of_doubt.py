"""Doubt costs a bounded time per service and pass: if a service fails for many objects, not each of them is retried.

Counted in requests, since the waits come between them.
"""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor

import pytest
from world import Pass, World, shown

from cos_update.fakes.wire import Fault, FaultKind
from cos_update.model.events import Key
from cos_update.model.kinds import ResourceKind
from cos_update.openstack.absence_check import LONGEST, SAMPLE, confirm
from cos_update.openstack.retry_budget import MOST

pytestmark = pytest.mark.parametrize("world", ["watcher"], indirect=True)
AT_ONCE = 8 + MOST
"""Requests that may be retried: those that run before enough others have failed, and these."""


def a_crowd(world: World, count: int) -> list[str]:
    """Servers of one stack in a cell of their own."""
    stack = next(stack for stack in world.cloud.stacks.values() if stack.name == "every-state")
    servers = [world.cloud.add_server(stack, f"member-{number}") for number in range(count)]
    world.cloud.update_stack(stack)
    for server in servers:
        server.cell = "cell2"
    return [server.id for server in servers]


def asked(world: World, pattern: str) -> int:
    return sum(pattern in request.path for request in world.openstack.wire.requests)


@pytest.mark.parametrize("count", [20, 80])
def test_the_servers_of_a_down_cell_are_not_asked_for_again_and_again(world: World, one_pass: Pass, count: int) -> None:
    servers = a_crowd(world, count)
    one_pass()
    before = shown(world.actual()).keys()
    world.cloud.down_cells.add("cell2")
    for full in ("to see what it lists", ""):
        world.openstack.wire.reset()
        one_pass(reader=one_pass.reader(), allow_deletes=True, full=full)  # type: ignore[attr-defined]
        assert sum(request.path.rpartition("/")[2] in servers for request in world.openstack.wire.requests) <= (
            min(count, SAMPLE) + AT_ONCE
        )
    assert shown(world.actual()).keys() == before


def test_nor_are_the_stacks_of_a_heat_that_fails(world: World, one_pass: Pass) -> None:
    project = next(iter(world.cloud.projects_of(world.cloud.watcher.id)))
    for number in range(20):
        world.cloud.add_server(world.cloud.create_stack(project, f"stack-{number}"), "node")
    world.openstack.wire.faults.add(Fault(FaultKind.STATUS, service="heat", path="/resources$", code=500))
    world.openstack.wire.reset()
    one_pass()
    stacks = sum(stack.parent_id is None for stack in world.cloud.stacks.values())
    assert asked(world, "/resources") <= stacks + AT_ONCE


def test_a_listing_is_tried_again_however_many_objects_have_failed(world: World, one_pass: Pass) -> None:
    servers = a_crowd(world, 10)
    one_pass()
    world.cloud.down_cells.add("cell2")
    reader = one_pass.reader()  # type: ignore[attr-defined]
    one_pass(reader=reader, full="to see what it lists")
    world.openstack.wire.faults.add(Fault(FaultKind.STATUS, service="nova", path="/servers/detail", times=1))
    report = one_pass(reader=reader, full="to see what it lists")
    assert not any("servers" in notice.text and "could not be read" in notice.text for notice in report.notices)
    assert set(servers) <= set(shown(world.actual()))


def test_a_service_that_takes_too_long_is_not_asked_for_the_rest(world: World, one_pass: Pass) -> None:
    project = next(iter(world.cloud.projects_of(world.cloud.watcher.id)))
    keys = [Key(ResourceKind.SERVER, f"gone-{number}", project.id) for number in range(20)]
    reader = one_pass.reader()  # type: ignore[attr-defined]
    moments = iter([0.0, 0.0, 0.0, *[LONGEST] * 20])
    with ThreadPoolExecutor(1) as pool:
        checks = confirm(reader.sessions, keys, pool, (), monotonic=lambda: next(moments))
    reader.close()
    assert [checks[key].presence for key in sorted(keys, key=lambda key: key.id)] == ["gone"] * 2 + ["unknown"] * 18
