"""An app that returns 5xx for writes: what it has applied nevertheless is detected, and it is not flooded."""

from __future__ import annotations

import pytest
from world import Pass, World

from cos_update.fakes import Fault, FaultKind
from cos_update.model.kinds import ResourceKind
from cos_update.planning.outcome import Result
from cos_update.planning.plan import Verb
from cos_update.planning.report import ExitCode

BODY = {"errors": [{"status": "500", "title": "ActiveRecord::ConnectionNotEstablished", "description": "down"}]}
DOWN = [Fault(FaultKind.STATUS, "/api/v1/", method, code=500, body=BODY) for method in ("POST", "PATCH", "DELETE")]


def break_down(world: World, *, after: int = 0) -> None:
    for fault in DOWN:
        world.concertim.wire.faults.add(Fault(fault.kind, fault.path, fault.method, after=after, code=500, body=BODY))


def restate_all(world: World) -> None:
    """Something to write for every rack."""
    for rack in world.concertim.state.racks.values():
        rack.status = "STOPPED" if rack.status != "STOPPED" else "FAILED"


@pytest.mark.parametrize("has_racks", [False, True])
def test_after_a_few_failed_writes_nothing_more_is_sent(world: World, one_pass: Pass, has_racks: bool) -> None:
    if has_racks:
        one_pass()
        restate_all(world)
    world.concertim.wire.reset()
    break_down(world)
    report = one_pass()
    assert report.exit_code is ExitCode.IN_PART
    assert len(world.writes()) <= 9
    assert "Concertim failed" in str(report.stopped)
    world.concertim.wire.faults.clear()
    assert one_pass().exit_code is ExitCode.DONE
    assert one_pass().outcomes == ()


def test_a_few_objects_that_are_refused_with_a_500_do_not_keep_the_others_from_being_written(
    world: World, one_pass: Pass
) -> None:
    one_pass()
    restate_all(world)
    bad = sorted(world.concertim.state.racks)[:5]
    for rack_id in bad:
        path = f"/api/v1/racks/{rack_id}$"
        world.concertim.wire.faults.add(Fault(FaultKind.STATUS, path, "PATCH", code=500, body=BODY))
    report = one_pass()
    refused = {o.action.concertim_id for o in report.outcomes if o.result is Result.REFUSED}
    assert refused == set(bad)
    assert not report.stopped


def test_what_was_made_though_answered_by_a_500_is_known_to_be_there(world: World, one_pass: Pass) -> None:
    """As the app does without its Redis: it stores a rack, then fails to tell its front end of it."""
    for method in ("POST", "PATCH"):
        fault = Fault(FaultKind.DONE_THEN_STATUS, "/api/v1/racks", method, code=500, body=BODY)
        world.concertim.wire.faults.add(fault)
    report = one_pass()
    made = {o.action.name for o in report.outcomes if o.action.kind is ResourceKind.STACK and o.result is Result.DONE}
    assert made == {rack.name for rack in world.concertim.state.racks.values()}
    assert 0 < len(made) <= 6
    assert not report.refused
    world.concertim.wire.faults.clear()
    assert one_pass().exit_code is ExitCode.DONE
    assert one_pass().outcomes == ()


@pytest.mark.parametrize("verb", ["PATCH", "DELETE"])
def test_an_answer_of_500_to_what_was_done_is_no_refusal(world: World, one_pass: Pass, verb: str) -> None:
    one_pass()
    server = next(s for s in world.cloud.servers.values() if s.name == "alpha-node0")
    if verb == "PATCH":
        world.cloud.set_server_state(server, "stopped")
    else:
        world.cloud.delete_server(server)
    world.concertim.wire.faults.add(Fault(FaultKind.DONE_THEN_STATUS, "/devices/", verb, code=500, body=BODY, times=1))
    report = one_pass()
    expected = {"PATCH": Verb.UPDATE, "DELETE": Verb.REMOVE}[verb]
    assert {(o.result, o.action.verb) for o in report.outcomes if o.action.openstack_id == server.id} == {
        (Result.DONE, expected)
    }
    assert one_pass().outcomes == ()


def test_a_500_after_which_nothing_can_be_seen_leaves_it_unknown(world: World, one_pass: Pass) -> None:
    one_pass()
    server = next(s for s in world.cloud.servers.values() if s.name == "alpha-node0")
    world.cloud.set_server_state(server, "stopped")
    world.concertim.wire.faults.add(Fault(FaultKind.DONE_THEN_STATUS, "/devices/", "PATCH", code=500, body=BODY))
    world.concertim.wire.faults.add(Fault(FaultKind.STATUS, "/devices/", "GET", code=500, body=BODY))
    report = one_pass()
    outcome = next(o for o in report.outcomes if o.action.openstack_id == server.id)
    assert outcome.result is Result.FAILED
    assert "whether it was done is not known" in outcome.reason
