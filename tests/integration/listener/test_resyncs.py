"""A listener that runs resyncs itself repeats one that could only be done in part, until both sides have answered."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from pathlib import Path

import pytest
from hands import Hands
from passes import one_pass
from world import World, served, shown

from cos_update.concertim import retry
from cos_update.fakes.wire import Fault, FaultKind
from cos_update.listener import housekeeping
from cos_update.listener.housekeeping import Housekeeper
from cos_update.observability.observer import Observer
from cos_update.retry import Backoff

UNANSWERED = [
    ("openstack", Fault(FaultKind.STATUS, service="nova", path="/servers", code=503, times=10**6)),
    ("concertim", Fault(FaultKind.CUT, path="/devices/", method="PATCH", times=10**6)),
    ("concertim", Fault(FaultKind.STATUS, path="/devices/", method="PATCH", code=500, times=10**6)),
]


@pytest.fixture
def world(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[World]:
    """The demo's cloud, of which Concertim does not show yet that a server has stopped."""
    monkeypatch.setattr(retry, "BACKOFF", Backoff(0.01, 1.0))
    monkeypatch.setattr(housekeeping, "AGAIN", Backoff(0.0, 0.0))
    with served(tmp_path) as world:
        one_pass(world)
        server = next(server for server in world.cloud.servers.values() if server.name == "alpha-node0")
        world.cloud.set_server_state(server, "stopped")
        yield world


@pytest.fixture
def housekeeper(world: World) -> Iterator[Housekeeper]:
    with Hands(world) as hands:
        yield Housekeeper(hands.services, hands.cache, threading.Event(), Observer(), passes=True, mine=lambda _: True)


def is_right(world: World) -> bool:
    server = next(server for server in world.cloud.servers.values() if server.name == "alpha-node0")
    return shown(world.actual())[server.id][1] == "STOPPED"


@pytest.mark.parametrize(("side", "fault"), UNANSWERED)
def test_what_a_side_did_not_answer_is_done_once_it_does(
    world: World, housekeeper: Housekeeper, side: str, fault: Fault
) -> None:
    faults = getattr(world, side).wire.faults
    faults.add(fault)
    housekeeper.request_soon("messages may be lost")
    housekeeper.turn()
    assert not is_right(world)
    faults.clear()
    housekeeper.turn()
    assert is_right(world)
    asked = len(world.openstack.wire.requests)
    housekeeper.turn()
    assert len(world.openstack.wire.requests) == asked


def test_what_concertim_refuses_is_not_tried_again(world: World, housekeeper: Housekeeper) -> None:
    refusal = Fault(FaultKind.STATUS, path="/devices/", method="PATCH", code=422, times=10**6)
    world.concertim.wire.faults.add(refusal)
    housekeeper.request_soon("messages may be lost")
    housekeeper.turn()
    asked = len(world.openstack.wire.requests)
    housekeeper.turn()
    assert len(world.openstack.wire.requests) == asked
