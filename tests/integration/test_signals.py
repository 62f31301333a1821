"""SIGHUP, SIGQUIT and SIGUSR1 do not end a daemon; for other commands SIGHUP is like SIGTERM."""

from __future__ import annotations

import json
import signal
import subprocess
import sys
from collections.abc import Callable
from subprocess import Popen

import pytest
import yaml
from daemons import log_of, until
from world import World, shown, wanted

from cos_update.fakes.wire import Fault, FaultKind
from cos_update.store import ViewStore

Start = Callable[..., Popen[str]]
READ_AGAIN = "configuration reloaded; changed: "


def rewrite(world: World, **changes: object) -> None:
    """Changes the configuration; a dict changes a section."""
    path = world.folder / "config.yaml"
    document = yaml.safe_load(path.read_text())
    for name, value in changes.items():
        document[name] = {**document[name], **value} if isinstance(value, dict) else value
    path.write_text(yaml.safe_dump(document))


def hang_up(world: World, process: Popen[str], output: str) -> None:
    """Sends SIGHUP, and waits until the log says that once more."""
    before = log_of(world).count(output)
    process.send_signal(signal.SIGHUP)
    until(lambda: log_of(world).count(output) > before)


def running(world: World, daemon: Start, *arguments: str) -> Popen[str]:
    process = daemon(*arguments)
    until(lambda: "pass ends" in log_of(world))
    return process


def test_a_daemon_opens_its_log_anew_and_goes_on(world: World, daemon: Start) -> None:
    process = running(world, daemon)
    path = world.folder / "log" / "updates_bulk.log"
    path.rename(path.with_suffix(".log.1"))
    hang_up(world, process, READ_AGAIN + "nothing")
    assert process.poll() is None
    assert world.run("health", "bulk").stdout.startswith("bulk is alive")
    process.send_signal(signal.SIGTERM)
    assert process.wait(30) == 0


def test_another_interval_and_log_format_take_effect(world: World, daemon: Start) -> None:
    process = running(world, daemon)
    rewrite(world, interval=1, log_format="json")
    hang_up(world, process, READ_AGAIN + "log_format, interval")
    until(lambda: log_of(world).count("pass ends") > 3)
    assert json.loads(log_of(world).splitlines()[-1])["logger"]


def test_another_password_takes_effect_and_neither_is_in_the_log(world: World, daemon: Start) -> None:
    world.cloud.watcher.password = "another-secret"
    process = daemon("--interval", "1")
    until(lambda: "pass failed" in log_of(world))
    rewrite(world, openstack={"password": "another-secret"})
    hang_up(world, process, READ_AGAIN + "openstack")
    until(lambda: "pass ends" in log_of(world))
    assert "another-secret" not in log_of(world)


@pytest.mark.parametrize(
    ("content", "output"),
    [
        ("openstack: [", "cannot reload the configuration"),
        ("interval: soon\n", "interval"),
        ("log_level: INFO\n", "the section openstack is missing"),
        (None, "config.yaml"),
    ],
)
def test_a_wrong_configuration_is_reported_and_the_daemon_keeps_what_it_has(
    world: World, daemon: Start, content: str | None, output: str
) -> None:
    process = running(world, daemon, "--interval", "1")
    path = world.folder / "config.yaml"
    good = path.read_text()
    if content is None:
        path.unlink()
    else:
        path.write_text(content)
    hang_up(world, process, "cannot reload the configuration")
    assert output in log_of(world)
    passes = log_of(world).count("pass ends")
    until(lambda: log_of(world).count("pass ends") > passes)
    path.write_text(good)
    hang_up(world, process, READ_AGAIN + "nothing")


def test_what_needs_a_restart_is_named_and_the_rest_takes_effect(world: World, daemon: Start) -> None:
    process = running(world, daemon)
    (world.folder / "elsewhere").mkdir()
    rewrite(world, data_dir=str(world.folder / "elsewhere"), interval=1)
    hang_up(world, process, "changes to data_dir take effect when bulk is restarted")
    until(lambda: log_of(world).count("pass ends") > 2)
    assert list((world.folder / "elsewhere").iterdir()) == []


def test_a_pass_that_is_under_way_is_finished_first_however_often_it_is_told(world: World, daemon: Start) -> None:
    world.concertim.wire.latency = 0.05
    process = daemon("--interval", "3600")
    until(lambda: len(world.concertim.state.devices) > 3)
    rewrite(world, max_deletes=10)
    for _ in range(20):
        process.send_signal(signal.SIGHUP)
    until(lambda: log_of(world).count("pass ends") == 2)
    assert "not done" not in next(line for line in log_of(world).splitlines() if "pass ends" in line)
    world.concertim.wire.latency = 0.0
    assert shown(world.actual()) == wanted(world.desired())
    process.send_signal(signal.SIGTERM)
    assert process.wait(30) == 0


def test_sigterm_ends_it_also_right_after_a_hangup(world: World, daemon: Start) -> None:
    process = running(world, daemon)
    rewrite(world, max_deletes=10)
    process.send_signal(signal.SIGHUP)
    process.send_signal(signal.SIGTERM)
    assert process.wait(30) == 0


@pytest.mark.parametrize("number", [signal.SIGUSR1, signal.SIGQUIT])
def test_the_state_of_all_threads_goes_into_the_log(world: World, daemon: Start, number: signal.Signals) -> None:
    hanging = world.openstack.wire.faults.add(Fault(FaultKind.HANG, path="servers/detail"))
    rewrite(world, log_level="ERROR")
    process = daemon()
    until(lambda: world.openstack.wire.faults.struck(hanging) > 0)
    process.send_signal(number)
    until(lambda: "thread heartbeat: " in log_of(world) and "thread MainThread: " in log_of(world))
    assert f"({number.name})" in log_of(world)
    assert "cos_update.openstack" in log_of(world)
    assert all("run=" in line for line in log_of(world).splitlines())
    assert process.poll() is None


def test_a_single_pass_takes_a_hangup_for_a_sigterm(world: World, daemon: Start) -> None:
    world.concertim.wire.latency = 0.05
    process = daemon("--once")
    until(lambda: len(world.concertim.state.devices) > 5)
    process.send_signal(signal.SIGUSR1)
    until(lambda: "thread MainThread: " in log_of(world))
    process.send_signal(signal.SIGHUP)
    assert process.wait(30) == 3
    view = ViewStore(world.data_dir, "test").load()
    assert view is not None
    assert set(view.actual.devices) == set(world.concertim.state.devices)


def test_under_nohup_a_hangup_is_nothing_to_a_single_pass(world: World) -> None:
    world.concertim.wire.latency = 0.03
    program = [sys.executable, "-m", "cos_update", "--config", str(world.folder / "config.yaml"), "bulk", "--once"]
    with Popen(["nohup", *program], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL) as process:
        until(lambda: len(world.concertim.state.devices) > 5)
        process.send_signal(signal.SIGHUP)
        assert process.wait(60) == 0
    assert shown(world.actual()) == wanted(world.desired())
