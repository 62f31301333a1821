"""The Prometheus metrics of a real daemon."""

from __future__ import annotations

import socket
import subprocess
import sys
import urllib.error
import urllib.request
from collections.abc import Callable
from pathlib import Path
from subprocess import Popen

import pytest
from daemons import log_of, until
from prometheus_client.parser import text_string_to_metric_families
from world import World

from cos_update.fakes.wire import Fault, FaultKind
from cos_update.observability.metrics import FIGURES, MOST_TYPES, ListenMetrics

Start = Callable[..., Popen[str]]


@pytest.fixture
def port() -> int:
    """One that was free a moment ago."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def scrape(port: int) -> dict[str, float]:
    """Every sample, by its name with the values of its labels in the order of their names."""
    with urllib.request.urlopen(f"http://127.0.0.1:{port}/metrics", timeout=60) as answer:
        families = text_string_to_metric_families(answer.read().decode())
        return {
            sample.name + "".join(f" {value}" for value in sample.labels.values()): sample.value
            for family in families
            for sample in family.samples
        }


def test_a_pass_is_counted_with_what_it_did(world: World, daemon: Start, port: int) -> None:
    daemon("--metrics-port", str(port), "--interval", "1")
    until(lambda: log_of(world).count("pass ends") >= 2)
    found = scrape(port)
    assert found["cos_update_passes_total done"] >= 2
    assert found["cos_update_passes_total failed"] == 0
    assert found["cos_update_actions_total rack done create"] == len(world.concertim.state.racks)
    devices = sum(found[f"cos_update_actions_total {kind} done create"] for kind in ("instance", "volume", "network"))
    assert devices == len(world.concertim.state.devices)
    assert found["cos_update_in_step"] == len(world.concertim.state.racks) + len(world.concertim.state.devices)
    assert found["cos_update_last_success_timestamp_seconds"] > 1e9
    assert found["cos_update_view_saved_timestamp_seconds"] == pytest.approx(
        (world.data_dir / "view.pickle").stat().st_mtime, abs=5
    )
    assert found["process_resident_memory_bytes"] > 0
    assert not any("event" in name for name in found)


def test_a_failed_pass_is_counted(world: World, daemon: Start, port: int) -> None:
    password = world.cloud.watcher.password
    world.cloud.watcher.password = "changed"
    daemon("--metrics-port", str(port), "--interval", "1")
    until(lambda: "pass failed" in log_of(world))
    until(lambda: scrape(port)["cos_update_passes_total failed"] > 0)
    assert scrape(port)["cos_update_last_success_timestamp_seconds"] == 0
    world.cloud.watcher.password = password
    until(lambda: scrape(port)["cos_update_passes_total done"] > 0)


def test_what_could_not_be_read_is_shown_as_long_as_it_is_so(world: World, daemon: Start, port: int) -> None:
    world.openstack.wire.faults.add(Fault(FaultKind.STATUS, path="/volumes", code=503))
    daemon("--metrics-port", str(port), "--interval", "1")
    until(lambda: "pass ends" in log_of(world))
    until(lambda: scrape(port)["cos_update_passes_total in_part"] > 0)
    assert scrape(port)["cos_update_notices unread"] > 0
    world.openstack.wire.faults.clear()
    until(lambda: scrape(port)["cos_update_passes_total done"] > 0)
    assert scrape(port)["cos_update_notices unread"] == 0


def test_a_scrape_is_answered_in_the_middle_of_a_pass(world: World, daemon: Start, port: int) -> None:
    world.openstack.wire.latency = 60.0
    daemon("--metrics-port", str(port))
    until(lambda: "pass begins" in log_of(world))
    assert scrape(port)["cos_update_passes_total done"] == 0


def test_it_listens_on_the_loopback_alone(world: World, daemon: Start, port: int) -> None:
    daemon("--metrics-port", str(port))
    until(lambda: "pass begins" in log_of(world))
    listening = Path("/proc/net/tcp").read_text()
    assert f"0100007F:{port:04X} 00000000:0000 0A" in listening
    assert f"00000000:{port:04X} 00000000:0000 0A" not in listening


def test_a_port_that_is_taken_is_reported(world: World) -> None:
    with socket.socket() as other:
        other.bind(("127.0.0.1", 0))
        other.listen()
        port = other.getsockname()[1]
        done = world.run("bulk", "--metrics-port", str(port), expect=1)
    assert f"127.0.0.1:{port}: Address already in use" in done.stderr
    assert "--metrics-port" in done.stderr.splitlines()[-1]


@pytest.mark.parametrize("options", [("--once", "--metrics-port", "9464"), ("--metrics-address", "::1")])
def test_options_that_make_no_sense(world: World, options: tuple[str, ...]) -> None:
    assert "--metrics-" in world.run("bulk", *options, expect=2).stderr


def test_without_the_library_it_says_how_to_install_it(world: World) -> None:
    script = "import sys; sys.modules['prometheus_client'] = None; from cos_update.cli.main import main; main()"
    config = str(world.folder / "config.yaml")
    program = [sys.executable, "-c", script, "--config", config, "bulk", "--metrics-port", "9464"]
    done = subprocess.run(program, capture_output=True, text=True, timeout=60)
    assert done.returncode == 1
    assert "pip install 'cos-update[metrics]'" in done.stderr


def test_what_the_listener_tells(tmp_path: Path, port: int) -> None:
    metrics = ListenMetrics(tmp_path / "view.pickle")
    metrics.follow(lambda: dict.fromkeys(FIGURES, 7.0))
    metrics.event("compute.instance.update", keys=3, coalesced=2)
    metrics.effect(lag=0.3)
    metrics.effect()
    with metrics.served("127.0.0.1", port):
        found = scrape(port)
    assert found["cos_update_events_total compute.instance.update"] == 1
    assert (found["cos_update_keys_total"], found["cos_update_keys_coalesced_total"]) == (3, 2)
    assert found["cos_update_effects_total"] == 2
    assert found["cos_update_lag_seconds_bucket 0.5"] == found["cos_update_lag_seconds_count"] == 1
    assert found["cos_update_keys_waiting"] == found["cos_update_reconnects_total"] == 7
    with pytest.raises(urllib.error.URLError):
        scrape(port)


def test_types_from_outside_are_bounded(tmp_path: Path) -> None:
    metrics = ListenMetrics(tmp_path / "view.pickle")
    for number in range(MOST_TYPES + 50):
        metrics.event(f"type.{number}")
    families = {family.name: family for family in metrics.registry.collect()}
    types = {sample.labels["type"] for sample in families["cos_update_events"].samples}
    assert len(types) == MOST_TYPES + 1
    assert "other" in types
