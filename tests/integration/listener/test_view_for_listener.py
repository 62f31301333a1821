"""The listener keeps view.pickle up to date for metrics and billing, alongside bulk on the same data dir."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from bus import Bus
from hands import key
from listening import QUEUE, Listener, drain, node, queues, rmq, team
from neighbouring import read_by
from rabbit import RabbitNode, wait_for
from world import World, served

from cos_update.model.kinds import ResourceKind
from cos_update.model.settings import ViewFor

pytestmark = pytest.mark.broker


@pytest.fixture
def world(tmp_path: Path, broker: RabbitNode) -> Iterator[World]:
    """The demo's cloud in step with Concertim, and a view for the second generation of services."""
    with queues(broker, QUEUE), served(tmp_path, rmq=rmq(broker), view_for="conser") as world:
        world.bulk()
        yield world


def found_by(world: World) -> dict[str, Any]:
    return read_by(ViewFor.CONSER, world.data_dir / "view.pickle")


def status_in_view(world: World, name: str = "alpha-node0") -> str:
    """The status of a server in the view that others load."""
    devices = found_by(world)["view"]["devices"].values()
    return next(str(device["status"]) for device in devices if device["name"][0] == name)


def test_a_change_is_in_the_view_that_others_load(world: World, bus: Bus, listener: Callable[..., Listener]) -> None:
    listener()
    before = found_by(world)
    for state, shown_as in (("stopped", "STOPPED"), ("active", "ACTIVE")):
        world.cloud.set_server_state(node(world), state)
        bus.tell(key(ResourceKind.SERVER, node(world)))
        wait_for(lambda word=shown_as: status_in_view(world) == word, timeout=60, what=f"{shown_as} in the view")
    after = found_by(world)
    assert after["contract"] is True
    assert after["view"]["teams"] == before["view"]["teams"], "what only passes read is still there"
    assert after["view"]["users"] == before["view"]["users"]


def test_a_new_stack_is_in_the_view_with_its_team(world: World, bus: Bus, listener: Callable[..., Listener]) -> None:
    listener()
    stack = world.cloud.create_stack(team(world), "fresh")
    bus.tell(key(ResourceKind.STACK, stack))
    wait_for(
        lambda: any(rack["id"][1] == stack.id for rack in found_by(world)["view"]["racks"].values()),
        timeout=60,
        what="the new rack in the view",
    )
    assert found_by(world)["contract"] is True


def test_what_is_posted_last_is_in_the_view_at_the_end(world: World, bus: Bus) -> None:
    drain(world)
    world.cloud.set_server_state(node(world), "stopped")
    bus.tell(key(ResourceKind.SERVER, node(world)))
    drain(world)
    assert status_in_view(world) == "STOPPED"


def test_a_listener_alone_leaves_the_view_of_a_service_until_there_is_a_pass(
    world: World, broker: RabbitNode, listener: Callable[..., Listener]
) -> None:
    theirs = (world.data_dir / "view.pickle").read_bytes()
    (world.data_dir / "state.pickle").unlink()
    (world.data_dir / "view.journal").unlink(missing_ok=True)
    world.configure(rmq=rmq(broker))
    listener()
    wait_for((world.data_dir / "state.pickle").exists, timeout=60, what="the request for a resync")
    assert (world.data_dir / "view.pickle").read_bytes() == theirs
    world.cloud.set_server_state(node(world), "stopped")
    world.bulk()
    assert status_in_view(world) == "STOPPED"
