"""`cos-update diff`, the real program: it shows, it asks, it posts exactly what it showed."""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from cos_update.sandbox import Sandbox
from cos_update.sandbox.concertim import ConcertimApp
from cos_update.sandbox.demo import demo_cloud
from cos_update.sandbox.openstack import OpenStackApp

sys.path.insert(0, str(Path(__file__).parent))

from world import World


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
