"""`cos-update status`, and what `bulk --once` leaves for it, for `health` and for Prometheus."""

from __future__ import annotations

import json
import signal
from collections.abc import Callable
from subprocess import Popen

from daemons import until
from world import World

from cos_update.fakes import Fault, FaultKind


def test_where_nothing_has_ever_run(world: World) -> None:
    done = world.run("status", expect=1)
    assert "neither bulk nor listen has ever run" in done.stdout
    assert "none yet" in done.stdout


def test_a_pass_of_cron_is_known_to_status_and_health(world: World) -> None:
    world.run("bulk", "--once")
    assert "done: " in world.run("status").stdout
    assert "run by cron or by hand: the last pass ended at" in world.run("health", "bulk").stdout
    (process,) = json.loads(world.run("status", "--json").stdout)["processes"]
    assert (process["process"], process["ok"], process["details"]["exit_code"]) == ("bulk", True, 0)


def test_a_pass_of_cron_that_was_too_long_ago_is_stale(world: World) -> None:
    world.run("bulk", "--once")
    path = world.data_dir / "health-bulk.json"
    document = json.loads(path.read_text())
    path.write_text(json.dumps(document | {"ended": document["ended"] - 4000}))
    assert " s ago" in world.run("health", "bulk", expect=1).stdout
    world.run("status", expect=1)
    world.run("health", "bulk", "--max-age", "9000")


def test_a_pass_that_failed_says_why(world: World) -> None:
    world.concertim.wire.faults.add(Fault(FaultKind.STATUS, "sign_in", "POST", code=401))
    world.run("bulk", "--once", expect=1)
    assert "failed: " in world.run("status").stdout


def test_a_running_daemon_and_its_end(world: World, daemon: Callable[..., Popen[str]]) -> None:
    process = daemon()
    until(lambda: "bulk is alive: next pass at" in _status(world))
    process.send_signal(signal.SIGTERM)
    process.wait(30)
    assert "bulk ended at" in world.run("status", expect=1).stdout


def test_a_damaged_view_is_reported_and_not_touched(world: World) -> None:
    world.run("bulk", "--once")
    (world.data_dir / "view.pickle").write_bytes(b"garbage")
    assert "not a valid view" in world.run("status").stdout
    assert (world.data_dir / "view.pickle").read_bytes() == b"garbage"


def test_metrics_of_a_pass_for_the_textfile_collector(world: World) -> None:
    file = world.folder / "cos-update.prom"
    world.run("bulk", "--once", "--metrics-file", str(file))
    lines = file.read_text().splitlines()
    assert 'cos_update_passes_total{result="done"} 1.0' in lines
    assert any(line.startswith("cos_update_last_success_timestamp_seconds 1") for line in lines)
    world.run("bulk", "--metrics-file", str(file), expect=2)


def test_metrics_of_a_pass_that_failed_are_written_too(world: World) -> None:
    file = world.folder / "cos-update.prom"
    world.concertim.wire.faults.add(Fault(FaultKind.STATUS, "sign_in", "POST", code=401))
    world.run("bulk", "--once", "--metrics-file", str(file), expect=1)
    assert 'cos_update_passes_total{result="failed"} 1.0' in file.read_text()


def _log(world: World) -> str:
    path = world.folder / "log" / "updates_bulk.log"
    return path.read_text() if path.exists() else ""


def _status(world: World) -> str:
    return world.run("status", expect=None).stdout
