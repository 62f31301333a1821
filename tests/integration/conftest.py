"""Both stand-ins with the daemon run against them."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from subprocess import Popen

import pytest
from checking import Checked
from daemons import start
from rabbit import RabbitNode
from world import World

from cos_update.fakes import Sandbox
from cos_update.fakes.concertim import ConcertimApp
from cos_update.fakes.demo import demo_cloud
from cos_update.fakes.openstack import OpenStackApp


@pytest.fixture
def world(tmp_path: Path) -> Iterator[World]:
    """The demo's cloud, its teams, and nothing else in Concertim."""
    world = World(OpenStackApp(demo_cloud()), ConcertimApp(), tmp_path)
    with Sandbox(world.openstack, world.concertim):
        world.add_teams()
        world.configure()
        yield world


@pytest.fixture
def daemon(world: World) -> Iterator[Callable[..., Popen[str]]]:
    """Starts `bulk` with the given options."""
    started: list[Popen[str]] = []

    def begin(*arguments: str) -> Popen[str]:
        started.append(start(world, "bulk", *arguments))
        return started[-1]

    yield begin
    for process in started:
        process.kill()
        process.communicate()


@pytest.fixture
def checked(world: World, broker: RabbitNode) -> Checked:
    """Runs `cos-update check`."""
    return Checked.prepared(world, broker)
