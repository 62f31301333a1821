"""`cos-update bulk`, the daemon: pass after pass, resyncs, signals, and never two on one data dir."""

from __future__ import annotations

import signal
from collections.abc import Callable
from subprocess import Popen

from daemons import log_of, until
from world import World, shown, wanted

from cos_update.store import ViewStore


def test_a_change_shows_with_the_next_pass(world: World, daemon: Callable[..., Popen[str]]) -> None:
    daemon("--interval", "1")
    until(lambda: "pass ends" in log_of(world))
    server = next(s for s in world.cloud.servers.values() if s.name == "alpha-node0")
    world.cloud.set_server_state(server, "stopped")
    until(lambda: shown(world.actual())[server.id][1] == "STOPPED")


def test_a_failed_pass_is_reported_and_the_next_one_comes(world: World, daemon: Callable[..., Popen[str]]) -> None:
    password = world.cloud.watcher.password
    world.cloud.watcher.password = "changed"
    daemon("--interval", "1")
    until(lambda: "pass failed" in log_of(world))
    world.cloud.watcher.password = password
    until(lambda: "pass ends" in log_of(world))


def test_sigterm_in_the_middle_of_a_pass_saves_the_view_and_ends_with_0(
    world: World, daemon: Callable[..., Popen[str]]
) -> None:
    world.concertim.wire.latency = 0.05
    process = daemon()
    until(lambda: len(world.concertim.state.devices) > 5)
    process.send_signal(signal.SIGTERM)
    assert process.wait(60) == 0
    world.concertim.wire.latency = 0.0
    view = ViewStore(world.data_dir, "test").load()
    assert view is not None
    assert set(view.actual.devices) == set(world.concertim.state.devices)


def test_a_pass_killed_at_any_point_is_finished_by_the_next(world: World, daemon: Callable[..., Popen[str]]) -> None:
    world.concertim.wire.latency = 0.02
    for count in (1, 10, 30):
        process = daemon()
        until(lambda enough=count: len(world.concertim.state.devices) >= enough)  # type: ignore[misc]
        process.kill()
        process.wait()
    world.concertim.wire.latency = 0.0
    world.bulk()
    assert shown(world.actual()) == wanted(world.desired())
    assert world.bulk()["totals"]["created"] == 0
    assert world.concertim.refusals == []


def test_the_second_bulk_on_a_data_dir_says_who_holds_it(world: World, daemon: Callable[..., Popen[str]]) -> None:
    process = daemon()
    until(lambda: "pass ends" in log_of(world))
    world.run("bulk", "--once", expect=75)
    (logged,) = (line for line in log_of(world).splitlines() if "nothing done" in line)
    assert f"pid {process.pid}" in logged
    assert "since" in logged


def test_a_resync_that_is_asked_for_is_served_and_cleared(world: World, daemon: Callable[..., Popen[str]]) -> None:
    daemon("--interval", "3600")
    until(lambda: "pass ends" in log_of(world))
    store = ViewStore(world.data_dir, "listen")
    store.request_resync("a test asks for it")
    until(lambda: log_of(world).count("pass ends") == 2, 40)
    until(lambda: store.resync() is None)


def test_a_pass_that_takes_longer_than_the_interval_is_reported(
    world: World, daemon: Callable[..., Popen[str]]
) -> None:
    world.concertim.wire.latency = 0.05
    daemon("--interval", "1")
    until(lambda: "longer than the interval" in log_of(world))


def test_once_says_3_when_it_was_stopped_with_work_left(world: World, daemon: Callable[..., Popen[str]]) -> None:
    world.concertim.wire.latency = 0.05
    process = daemon("--once")
    until(lambda: len(world.concertim.state.devices) > 5)
    process.send_signal(signal.SIGINT)
    assert process.wait(60) == 3
    world.concertim.wire.latency = 0.0
    world.bulk()
    assert shown(world.actual()) == wanted(world.desired())
