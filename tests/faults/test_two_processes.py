"""Two processes on one data dir: what the other has posted, or has in hand, is not overwritten, and it is said."""

from __future__ import annotations

import pytest
from world import Pass, World, shown

from cos_update.planning.report import ExitCode
from cos_update.store import JournalEntry, ViewStore
from cos_update.sync import reconciler


def _stopped(world: World, name: str) -> tuple[str, str]:
    server = next(s for s in world.cloud.servers.values() if s.name == name)
    world.cloud.set_server_state(server, "stopped")
    return server.id, next(d for d in world.actual().devices.values() if d.object_id == server.id).rack_id


def test_a_rack_that_another_process_holds_is_left_and_the_rest_is_synced(
    world: World, one_pass: Pass, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(reconciler, "RACK_WAIT", 0.1)
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

    def then_the_other_posts(*arguments: object, **more: object) -> reconciler.Snapshot:
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
