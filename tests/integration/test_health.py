"""`cos-update health`, asked of a real daemon in every condition that it can be in."""

from __future__ import annotations

import json
import signal
import time
from collections.abc import Callable
from subprocess import Popen

import pytest
from daemons import log_of, until
from world import World

from cos_update.observability.heartbeat import file_of

Start = Callable[..., Popen[str]]


def health(world: World, *options: str, expect: int) -> str:
    """What it says, without its configuration."""
    done = world.run("--data-dir", str(world.data_dir), "health", "bulk", *options, expect=expect)
    assert done.stdout.count("\n") == 1
    assert done.stderr == ""
    return done.stdout


def until_health(world: World, expect: int, *options: str) -> str:
    """Waits for that exit code; returns the output."""
    arguments = ("--data-dir", str(world.data_dir), "health", "bulk", *options)
    deadline = time.monotonic() + 30
    while (done := world.run(*arguments, expect=None)).returncode != expect:
        assert time.monotonic() < deadline, done.stdout + done.stderr
        time.sleep(0.3)
    return done.stdout


def test_one_that_was_never_started(world: World) -> None:
    line = health(world, expect=1)
    assert "has never run" in line
    assert str(file_of(world.data_dir, "bulk")) in line


def test_one_that_runs_says_what_became_of_the_last_pass(world: World, daemon: Start) -> None:
    daemon()
    until(lambda: "pass ends" in log_of(world))
    until(lambda: "next pass at" in health(world, expect=0))
    line = health(world, expect=0)
    assert "bulk is alive" in line
    assert "done: " in line
    assert "posted" in line
    details = json.loads(file_of(world.data_dir, "bulk").read_text())["details"]
    assert details["exit_code"] == 0
    assert details["next_pass"] - details["pass_began"] == pytest.approx(150, abs=2)


def test_one_whose_cloud_is_away_is_alive_and_says_it(world: World, daemon: Start) -> None:
    world.cloud.watcher.password = "changed"
    daemon()
    until(lambda: "pass failed" in log_of(world))
    until(lambda: "refused the login" in health(world, expect=0))


def test_one_that_ended(world: World, daemon: Start) -> None:
    process = daemon()
    until(lambda: "pass ends" in log_of(world))
    process.send_signal(signal.SIGTERM)
    assert process.wait(60) == 0
    assert "ended at" in health(world, expect=1)


def test_one_that_is_paused_or_killed(world: World, daemon: Start) -> None:
    process = daemon()
    until_health(world, 0, "--max-age", "8")
    process.send_signal(signal.SIGSTOP)
    assert "no sign of life" in until_health(world, 1, "--max-age", "8")
    process.send_signal(signal.SIGCONT)
    until_health(world, 0, "--max-age", "8")


def test_one_that_was_killed_is_not_alive_from_that_moment_on(world: World, daemon: Start) -> None:
    process = daemon()
    until_health(world, 0)
    process.kill()
    process.wait()
    line = health(world, expect=1)
    assert "is gone" in line
    assert str(process.pid) in line


def test_a_pass_that_does_not_get_on_is_stuck_although_it_beats(world: World, daemon: Start) -> None:
    world.openstack.wire.latency = 60.0
    daemon()
    until_health(world, 0, "--max-age", "7")
    line = until_health(world, 1, "--max-age", "7")
    assert "stuck" in line
    assert "a pass is running since" in line


def test_what_is_no_heartbeat(world: World) -> None:
    file_of(world.data_dir, "bulk").write_text("{")
    done = world.run("--data-dir", str(world.data_dir), "health", "bulk", expect=1)
    assert "not a valid heartbeat" in done.stderr


def test_the_configuration_is_not_needed_nor_read(world: World) -> None:
    (world.folder / "config.yaml").write_text("openstack: [")
    health(world, expect=1)


def test_the_data_dir_can_come_from_the_configuration(world: World) -> None:
    assert str(world.data_dir) in world.run("health", "listen", expect=1).stdout


def test_shards_are_told_apart_and_nothing_else_is_accepted(world: World) -> None:
    assert "health-listen-1.json" in world.run("health", "listen-1", expect=1).stdout
    assert "or listen-N" in world.run("health", "../../etc/passwd", expect=2).stderr
