"""The log of a long-running daemon: no repeated lines, no line lost to logrotate, and no secret."""

from __future__ import annotations

import json
import re
import signal
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path
from subprocess import Popen

import pytest
from daemons import log_of, until
from world import World

from cos_update.fakes.wire import Fault, FaultKind

Start = Callable[..., Popen[str]]
PASSES = 4


def passes(world: World) -> int:
    """The number of logins to OpenStack's services, counted by requests for stacks."""
    return sum(request.path.endswith("/stacks") for request in world.openstack.wire.requests)


def test_the_same_refusal_is_reported_once_and_its_end_once(world: World, daemon: Start) -> None:
    world.concertim.wire.faults.add(
        Fault(FaultKind.STATUS, path="/nodes$", method="POST", code=422, body={"errors": {"name": ["is odd"]}})
    )
    daemon("--interval", "1")
    until(lambda: log_of(world).count("pass ends") >= PASSES)
    log = log_of(world)
    assert log.count("is odd") > 1
    assert log.count(" alpha-node0 in cluster-1: ") == 1
    world.concertim.wire.faults.clear()
    until(lambda: "instance alpha-node0 in cluster-1 not created: over after" in log_of(world))
    assert log_of(world).count(" created alpha-node0 in cluster-1 ") == 1


def test_what_could_not_be_read_is_reported_once_and_its_end_once(world: World, daemon: Start) -> None:
    world.openstack.wire.faults.add(Fault(FaultKind.STATUS, path="/volumes", code=503))
    daemon("--interval", "1")

    def ends() -> int:
        return len(re.findall(r"Cinder.*: over after", log_of(world)))

    until(lambda: log_of(world).count("pass ends") >= PASSES)
    gaps = [line for line in log_of(world).splitlines() if "service Cinder: " in line]
    assert len(gaps) == len({line.partition("run=")[2].partition(" ")[2] for line in gaps})
    world.openstack.wire.faults.clear()
    until(lambda: ends() > 0)
    assert ends() == len(gaps)


def test_passes_that_fail_for_the_same_reason_are_reported_once(world: World, daemon: Start) -> None:
    password = world.cloud.watcher.password
    world.cloud.watcher.password = "changed"
    daemon("--interval", "1")
    until(lambda: sum("/auth/tokens" in request.path for request in world.openstack.wire.requests) >= PASSES)
    assert log_of(world).count("pass failed") == 1
    assert log_of(world).count("pass begins") == 1
    world.cloud.watcher.password = password
    until(lambda: "pass ends" in log_of(world))
    assert log_of(world).count("passes that failed: over after") == 1


def test_another_reason_is_reported_at_once(world: World, daemon: Start) -> None:
    world.cloud.watcher.password = "changed"
    daemon("--interval", "1")
    until(lambda: "pass failed" in log_of(world))
    world.openstack.wire.faults.add(Fault(FaultKind.STATUS, path="/auth/tokens", code=503))
    until(lambda: log_of(world).count("pass failed") == 2)


def test_a_rotated_file_is_opened_again(world: World, daemon: Start) -> None:
    daemon("--interval", "1")
    until(lambda: "pass ends" in log_of(world))
    path = world.folder / "log" / "updates_bulk.log"
    path.rename(path.with_suffix(".log.1"))
    until(lambda: "pass ends" in log_of(world))


@pytest.fixture
def small_log(world: World) -> Iterator[Path]:
    """The log dir on a disk of its own, which is full."""
    folder = world.folder / "log"
    if subprocess.run(["mount", "-t", "tmpfs", "-o", "size=16k", "tmpfs", str(folder)], check=False).returncode:
        pytest.skip("this machine does not let us mount")
    filler = folder / "filler"
    with pytest.raises(OSError, match="space"):
        filler.write_bytes(bytes(64 * 1024))
    yield folder
    subprocess.run(["umount", "-l", str(folder)], check=True)


def test_a_full_disk_for_the_log_stops_nothing(world: World, small_log: Path, daemon: Start) -> None:
    process = daemon("--interval", "1")
    until(lambda: len(world.concertim.state.devices) > 5)
    until(lambda: passes(world) > 4)
    (small_log / "filler").unlink()
    until(lambda: "pass ends" in log_of(world))
    process.send_signal(signal.SIGTERM)
    assert process.wait(60) == 0
    assert process.stderr is not None
    assert process.stderr.read().count("cannot be written") == 1


def test_a_full_disk_for_the_data_fails_passes_and_is_survived(world: World, daemon: Start) -> None:
    folder = str(world.data_dir)
    daemon("--interval", "1")
    until(lambda: "pass ends" in log_of(world))
    if subprocess.run(["mount", "-t", "tmpfs", "-o", "size=16k", "tmpfs", folder], check=False).returncode:
        pytest.skip("this machine does not let us mount")
    try:
        with pytest.raises(OSError, match="space"):
            (world.data_dir / "filler").write_bytes(bytes(64 * 1024))
        until(lambda: "pass failed" in log_of(world))
        (world.data_dir / "filler").unlink()
    finally:
        subprocess.run(["umount", "-l", folder], check=True)
    until(lambda: "passes that failed: over" in log_of(world))


def test_in_json_each_fact_is_a_field(world: World) -> None:
    world.configure(log_format="json")
    world.bulk()
    server = next(s for s in world.cloud.servers.values() if s.name == "alpha-node1")
    world.cloud.set_server_state(server, "stopped")
    world.concertim.wire.faults.add(Fault(FaultKind.STATUS, "/devices/", "PATCH", code=422, body={"status": ["no"]}))
    world.bulk(expect=3)
    lines = [json.loads(line) for line in log_of(world).splitlines()]
    made, refused = (line for line in lines if line.get("openstack_id") == server.id)
    assert (made["action"], made["result"], made["kind"], made["rack"]) == ("create", "done", "instance", "cluster-1")
    assert made["concertim_id"] == refused["concertim_id"]
    assert (refused["action"], refused["result"], refused["attempt"]) == ("update", "refused", 1)
    assert "no" in refused["reason"]
    assert {"field": "status", "old": "ACTIVE", "new": "STOPPED"} in refused["changes"]
    assert [line["refused"] for line in lines if "in_step" in line] == [0, 1]
