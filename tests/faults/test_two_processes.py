"""Two processes on one data dir: neither overwrites what the other has posted or is posting, and both report it."""

from __future__ import annotations

from collections import Counter

import pytest
from world import Pass, World, shown

from cos_update.fakes import Fault, FaultKind
from cos_update.fakes.openstack.records import Flavor
from cos_update.model.exit_codes import ExitCode
from cos_update.planning.desired import template_height
from cos_update.planning.outcome import Result
from cos_update.store import JournalEntry, ViewStore
from cos_update.sync import reconciler
from cos_update.sync.services import Snapshot


def _stopped(world: World, name: str) -> tuple[str, str]:
    server = next(s for s in world.cloud.servers.values() if s.name == name)
    world.cloud.set_server_state(server, "stopped")
    return server.id, next(d for d in world.actual().devices.values() if d.object_id == server.id).rack_id


def test_a_rack_that_another_process_holds_is_left_and_the_rest_is_synced(
    world: World, one_pass: Pass, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("cos_update.sync.apply.RACK_WAIT", 0.1)
    one_pass()
    held, rack_id = _stopped(world, "alpha-node0")
    free, _ = _stopped(world, "beta-node0")
    other = ViewStore(world.data_dir, "listen")
    with other.rack_lock(world.actual().racks[rack_id].stack_id, 5):
        report = one_pass()
    assert shown(world.actual())[held][1] == "ACTIVE"
    assert shown(world.actual())[free][1] == "STOPPED"
    assert report.exit_code is ExitCode.IN_PART
    assert "1 racks left to another process" in str(report)
    one_pass()
    assert shown(world.actual())[held][1] == "STOPPED"


def test_a_rack_that_another_process_has_posted_to_is_looked_at_again(
    world: World, one_pass: Pass, monkeypatch: pytest.MonkeyPatch
) -> None:
    one_pass()
    server_id, rack_id = _stopped(world, "alpha-node0")
    stack_id = world.actual().racks[rack_id].stack_id
    looks = []
    read_and_plan = reconciler.read_and_plan

    def then_the_other_posts(*arguments: object, **more: object) -> Snapshot:
        snapshot = read_and_plan(*arguments, **more)  # type: ignore[arg-type]
        if not looks:
            ViewStore(world.data_dir, "listen").record(JournalEntry(0, "listen", 0.0, 0.0, stack_id))
        looks.append(more.get("stacks"))
        return snapshot

    monkeypatch.setattr(reconciler, "read_and_plan", then_the_other_posts)
    report = one_pass()
    assert looks == [None, frozenset({stack_id})]
    assert report.exit_code is ExitCode.DONE
    assert shown(world.actual())[server_id][1] == "STOPPED"


def _made_anew(world: World, vcpus: int) -> Flavor:
    """The flavor m1.small was deleted and recreated with the same name and id, but this many vCPUs."""
    flavor = next(f for f in world.cloud.flavors.values() if f.name == "m1.small")
    flavor.vcpus = vcpus
    return flavor


def _heights(world: World, flavor: Flavor) -> Counter[int]:
    """The heights of the devices of the flavor's servers."""
    servers = {s.id for s in world.cloud.servers.values() if s.flavor.id == flavor.id}
    return Counter(d.location.height for d in world.actual().devices.values() if d.object_id in servers)


@pytest.mark.parametrize("vcpus", [1, 4, 8])
def test_a_flavor_made_anew_under_its_name_gets_its_template_in_the_same_pass(
    world: World, one_pass: Pass, vcpus: int
) -> None:
    one_pass()
    flavor = _made_anew(world, vcpus)
    report = one_pass()
    assert report.exit_code is ExitCode.DONE, report
    assert set(_heights(world, flavor)) == {template_height(vcpus)}
    assert one_pass().outcomes == ()
    assert [t.height for t in world.actual().templates.values() if t.foreign_id == flavor.id] == [
        template_height(vcpus)
    ]


def test_a_template_that_the_other_process_has_made_meanwhile_is_taken(
    world: World, one_pass: Pass, monkeypatch: pytest.MonkeyPatch
) -> None:
    one_pass()
    flavor = _made_anew(world, 8)
    read_and_plan = reconciler.read_and_plan

    def then_the_other_makes_them(*arguments: object, **more: object) -> Snapshot:
        snapshot = read_and_plan(*arguments, **more)  # type: ignore[arg-type]
        state = world.concertim.state
        old = next(t for t in state.templates.values() if t.foreign_id == flavor.id)
        old.name += " (old)"
        made = state.add_template(flavor.name, 4, foreign_id=flavor.id, vcpus=8, ram=2048, disk=20)
        other = ViewStore(world.data_dir, "listen")
        for template in (old, made):
            record = next(t for t in world.actual().templates.values() if t.id == template.id)
            other.record(JournalEntry(0, "listen", 0.0, 0.0, "", templates={record.id: record}))
        return snapshot

    monkeypatch.setattr(reconciler, "read_and_plan", then_the_other_makes_them)
    one_pass()
    assert set(_heights(world, flavor)) == {4}
    assert len([t for t in world.actual().templates.values() if (t.foreign_id, t.height) == (flavor.id, 4)]) == 1


def test_no_device_goes_for_a_template_that_was_refused(world: World, one_pass: Pass) -> None:
    one_pass()
    flavor = _made_anew(world, 8)
    before = _heights(world, flavor)
    world.concertim.wire.faults.add(Fault(FaultKind.STATUS, "/templates$", "POST", code=422, body={"name": ["no"]}))
    report = one_pass()
    assert report.exit_code is ExitCode.IN_PART
    assert _heights(world, flavor) == before
    assert not [o for o in report.outcomes if o.action.device and o.result is Result.DONE]
    world.concertim.wire.faults.clear()
    assert one_pass().exit_code is ExitCode.DONE
    assert set(_heights(world, flavor)) == {4}
