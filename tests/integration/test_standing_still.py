"""While nothing changes, a new process plans nothing; it plans as soon as anything has changed."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial

import pytest
from byhand import tamper
from passes import one_pass, view_of
from world import World, shown, wanted

from cos_update.concertim import structure
from cos_update.sync.plan_maker import PlanMaker
from cos_update.sync.services import RunOptions


@pytest.fixture
def still(world: World) -> World:
    """Both sides after passes that changed nothing."""
    for _ in range(3):
        one_pass(world)
        world.cloud.pass_time(300)
    assert view_of(world).still
    return world


def _forbidden(*_: object, **__: object) -> object:
    raise AssertionError("nothing has changed")


def test_nothing_is_planned_and_the_structure_is_not_decoded(still: World, monkeypatch: pytest.MonkeyPatch) -> None:
    before = one_pass(still)
    monkeypatch.setattr(PlanMaker, "plan", _forbidden)
    monkeypatch.setattr(structure, "racks", _forbidden)
    for _ in range(2):
        report = one_pass(still)
        assert report.is_quiet
        assert (report.in_step, report.notices) == (before.in_step, before.notices)
    assert shown(still.actual()) == wanted(still.desired())


def _by_hand(what: str, world: World) -> None:
    tamper(world.concertim.state, what, 1)


CHANGES: dict[str, Callable[[World], object]] = {
    **{f"{what} by hand": partial(_by_hand, what) for what in ("restate", "remove", "rename rack", "metadata")},
    "a server": lambda world: world.cloud.set_server_state(_first(world.cloud.servers), "stopped"),
    "a flavor": lambda world: setattr(_first(world.cloud.flavors), "name", "renamed"),
    "a stack": lambda world: setattr(_first(world.cloud.stacks), "status", "UPDATE_FAILED"),
}


def _first(records):  # type: ignore[no-untyped-def]
    return min(records.values(), key=lambda record: record.name)


@pytest.mark.parametrize("change", CHANGES)
def test_every_change_is_planned_for(still: World, change: str) -> None:
    CHANGES[change](still)
    still.cloud.pass_time(300)
    # Within these, every rack has its turn.
    one_pass(still, RunOptions(allow_deletes=True), full_read_every=2)
    one_pass(still, RunOptions(allow_deletes=True), full_read_every=2)
    assert shown(still.actual()) == wanted(still.desired())


def test_a_full_reading_of_the_cloud_is_planned_for(still: World, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(PlanMaker, "plan", _forbidden)
    with pytest.raises(AssertionError, match="nothing has changed"):
        one_pass(still, full_cloud_read_every=1)
