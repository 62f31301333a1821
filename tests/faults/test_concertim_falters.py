"""Whatever Concertim does: nothing is created twice, the rest is synced, and the final state is right."""

from __future__ import annotations

from collections import Counter

import pytest
from world import Pass, World, shown, wanted

from cos_update.fakes.wire import Fault, FaultKind
from cos_update.model.errors import ConcertimLoginError
from cos_update.model.exit_codes import ExitCode


def _doubles(world: World) -> list[str]:
    counts = Counter(d.metadata.get("openstack_instance_id") for d in world.concertim.state.devices.values())
    counts.update(r.metadata.get("openstack_stack_id") for r in world.concertim.state.racks.values())
    return [str(item) for item, count in counts.items() if count > 1]


@pytest.mark.parametrize("kind", [FaultKind.CUT, FaultKind.LOST_ANSWER, FaultKind.TRUNCATE])
@pytest.mark.parametrize("path", ["/nodes", "/racks", "/templates"])
def test_a_lost_answer_makes_nothing_twice(world: World, one_pass: Pass, kind: FaultKind, path: str) -> None:
    world.concertim.wire.faults.add(Fault(kind, path=path + "$", method="POST", after=1, times=3))
    report = one_pass()
    assert world.concertim.refusals == []
    if kind is not FaultKind.CUT:
        assert report.exit_code is ExitCode.DONE
    world.concertim.wire.faults.clear()
    one_pass()
    assert _doubles(world) == []
    assert shown(world.actual()) == wanted(world.desired())


@pytest.mark.parametrize("code", [429, 503, 500])
def test_trouble_on_some_requests_is_over_with_the_next_pass(world: World, one_pass: Pass, code: int) -> None:
    world.concertim.wire.faults.add(Fault(FaultKind.STATUS, path="/nodes$", code=code, after=3, times=4))
    one_pass()
    world.concertim.wire.faults.clear()
    one_pass()
    assert _doubles(world) == []
    assert shown(world.actual()) == wanted(world.desired())


def test_one_token_that_expired_is_renewed_unseen(world: World, one_pass: Pass) -> None:
    world.concertim.wire.faults.add(
        Fault(FaultKind.STATUS, path="/nodes$", code=401, body={"error": "Signature has expired"}, times=1)
    )
    assert one_pass().exit_code is ExitCode.DONE


def test_a_login_that_is_refused_for_ever_ends_the_pass(world: World, one_pass: Pass) -> None:
    world.concertim.wire.faults.add(Fault(FaultKind.STATUS, path="/api/v1", code=401, body={"error": "revoked token"}))
    with pytest.raises(ConcertimLoginError):
        one_pass()


def test_an_object_refused_for_good_does_not_stop_the_others(world: World, one_pass: Pass) -> None:
    one_pass()
    servers = {s.name: s for s in world.cloud.servers.values()}
    world.cloud.set_server_state(servers["alpha-node0"], "stopped")
    world.cloud.set_server_state(servers["alpha-node1"], "stopped")
    device = next(
        d
        for d in world.concertim.state.devices.values()
        if d.metadata.get("openstack_instance_id") == servers["alpha-node0"].id
    )
    world.concertim.wire.faults.add(Fault(FaultKind.STATUS, path=device.id, method="PATCH", code=500))
    world.concertim.wire.reset()
    report = one_pass()
    tries = [r for r in world.concertim.wire.requests if r.method == "PATCH" and device.id in r.path]
    assert report.exit_code is ExitCode.IN_PART
    assert [outcome.action.name for outcome in report.refused] == ["alpha-node0"]
    assert shown(world.actual())[servers["alpha-node1"].id][1] == "STOPPED"
    assert len(tries) == 1
