"""`cos-update diff`, the real program: it shows, it asks, it posts exactly what it showed."""

from __future__ import annotations

import contextlib
import json
import os
import pty
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from world import World

from cos_update.fakes import Sandbox
from cos_update.fakes.concertim import ConcertimApp
from cos_update.fakes.demo import demo_cloud
from cos_update.fakes.openstack import OpenStackApp


@pytest.fixture
def world(tmp_path: Path) -> Iterator[World]:
    world = World(OpenStackApp(demo_cloud()), ConcertimApp(), tmp_path)
    with Sandbox(world.openstack, world.concertim):
        world.add_teams()
        world.configure()
        yield world


def test_a_dry_run_writes_nothing_anywhere(world: World) -> None:
    done = world.run("diff", "--dry-run")
    assert "+ instance  alpha-login" in done.stdout
    assert done.stdout.rstrip().endswith("nothing posted")
    assert world.writes() == []
    assert list(world.data_dir.iterdir()) == []


def test_without_a_terminal_and_without_yes_nothing_is_posted(world: World) -> None:
    done = world.run("diff")
    assert "nothing posted (--yes posts it)" in done.stdout
    assert world.writes() == []


def test_yes_posts_what_was_shown(world: World) -> None:
    shown = json.loads(world.run("diff", "--dry-run", "--format", "json").stdout)
    world.run("diff", "--yes")
    assert len(world.writes()) == sum(shown["totals"][verb] for verb in ("create", "update", "remove"))
    again = json.loads(world.run("diff", "--dry-run", "--format", "json", "--exit-code").stdout)
    assert (again["schema"], again["racks"], again["templates"]) == (1, [], [])


def test_a_delta_has_its_own_exit_code_when_asked_for(world: World) -> None:
    world.run("diff", "--dry-run", "--exit-code", expect=5)


def test_changes_and_removals_are_told_with_their_reasons(world: World) -> None:
    world.bulk()
    servers = {server.name: server for server in world.cloud.servers.values()}
    world.cloud.set_server_state(servers["alpha-node1"], "stopped")
    world.cloud.delete_server(servers["alpha-node2"])
    text = world.run("diff", "--dry-run").stdout
    assert "~ instance  alpha-node1" in text
    assert "status  ACTIVE -> STOPPED" in text
    assert "- instance  alpha-node2" in text
    assert "gone from Nova (404)" in text


def _on_a_terminal(world: World, before_answering: Callable[[], None]) -> tuple[int, str]:
    """Runs diff in a terminal of its own, waits for its question, and agrees."""
    pid, terminal = pty.fork()
    if pid == 0:
        config = str(world.folder / "config.yaml")
        os.execv(sys.executable, [sys.executable, "-m", "cos_update", "--config", config, "diff"])
    text = ""
    while "Post this?" not in text:
        text += os.read(terminal, 4096).decode(errors="replace")
    before_answering()
    os.write(terminal, b"y\n")
    with contextlib.suppress(OSError):
        while piece := os.read(terminal, 4096):
            text += piece.decode(errors="replace")
    _, status = os.waitpid(pid, 0)
    return os.waitstatus_to_exitcode(status), text


def test_on_a_terminal_it_asks_and_posts(world: World) -> None:
    code, text = _on_a_terminal(world, lambda: None)
    assert code == 0
    assert "66 posted (66 created)" in text


def test_what_is_no_longer_true_is_not_posted(world: World) -> None:
    server = next(s for s in world.cloud.servers.values() if s.name == "alpha-node0")
    code, text = _on_a_terminal(world, lambda: world.cloud.set_server_state(server, "stopped"))
    assert code == 1
    assert "no longer what is to be done" in text
    assert world.writes() == []
