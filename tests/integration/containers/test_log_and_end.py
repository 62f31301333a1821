"""The daemon's log is complete whatever happens to the file, and it ends in time whatever is in flight."""

from __future__ import annotations

import os
import shutil
from pathlib import Path

import pytest
from container import LOG, UID, Container, owner
from host import Host, Make, until
from world import shown, wanted

from cos_update.fakes import Fault, FaultKind

PASSES = ("bulk", "--interval", "1")


def moved_away(log: Path) -> None:
    log.rename(log.with_name("updates_bulk.log.1"))


def moved_and_made_by_root(log: Path) -> None:
    moved_away(log)
    log.touch(0o644)


def copied_and_emptied(log: Path) -> None:
    shutil.copy(log, log.with_name("updates_bulk.log.1"))
    os.truncate(log, 0)


@pytest.mark.parametrize("rotate", [moved_away, moved_and_made_by_root, copied_and_emptied])
def test_after_a_rotation_by_the_host_the_log_goes_on(host: Host, container: Make, rotate: object) -> None:
    assert callable(rotate)
    bulk = container().start(*PASSES)
    until(lambda: "pass ends" in host.logged())
    rotate(host.log / "updates_bulk.log")
    until(lambda: "pass ends" in host.logged())
    assert owner(host.log / "updates_bulk.log")[0] == UID
    shown = bulk.execute("tail", "-50", f"{LOG}/updates_bulk.log").stdout
    assert "pass ends" in shown
    assert "pass ends" in host.logged("updates_bulk.log.1")


def test_the_log_can_be_followed_live(host: Host, container: Make) -> None:
    bulk = container().start(*PASSES)
    until(lambda: "pass ends" in host.logged())
    with bulk.follow("tail", "-50f", f"{LOG}/updates_bulk.log") as tail:
        assert tail.stdout is not None
        ends = 0
        while ends < 3:
            ends += "pass ends" in tail.stdout.readline()
        tail.kill()


def test_a_log_that_was_there_gives_way_to_a_user_who_may_not_write_it(host: Host, container: Make) -> None:
    host.give(1234)
    (host.log / "updates_bulk.log").write_text("an old line\n")
    container(user="1234:1234").start()
    until(lambda: "pass ends" in host.logged())
    [aside] = host.log.glob("updates_bulk.log.until-*")
    assert aside.read_text() == "an old line\n"


def test_between_passes_it_ends_at_once(host: Host, container: Make) -> None:
    bulk = container().start()
    until(lambda: "pass ends" in host.logged())
    assert bulk.stop() == 0


def hang_amid_posting(host: Host, container: Make) -> Container:
    """A daemon that has posted some of it, and has requests in flight that are never answered."""
    concertim = host.world.concertim
    concertim.wire.latency = 0.05
    bulk = container().start()
    until(lambda: len(concertim.state.devices) > 5)
    hang = concertim.wire.faults.add(Fault(FaultKind.HANG))
    until(lambda: concertim.wire.faults.struck(hang) > 0)
    return bulk


def test_while_posting_it_ends_within_dockers_time_and_the_next_one_makes_nothing_twice(
    host: Host, container: Make
) -> None:
    assert hang_amid_posting(host, container).stop() == 0
    host.world.concertim.wire.faults.clear()
    host.world.concertim.wire.latency = 0.0
    container().start()
    until(lambda: host.logged().count("pass ends: ") >= 2)
    assert shown(host.world.actual()) == wanted(host.world.desired())
    assert host.world.concertim.refusals == []
    ours = [device.object_id for device in host.world.actual().devices.values()]
    assert len(ours) == len(set(ours))
