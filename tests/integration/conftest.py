"""A real broker, and both stand-ins with the daemon run against them."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from pathlib import Path
from subprocess import Popen

import pytest
from daemons import start
from rabbit import RabbitNode, available
from world import World

from cos_update.sandbox import Sandbox
from cos_update.sandbox.concertim import ConcertimApp
from cos_update.sandbox.demo import demo_cloud
from cos_update.sandbox.openstack import OpenStackApp


@pytest.fixture(scope="session")
def rabbit_node() -> Iterator[RabbitNode]:
    """The one node of this test session. Tests that stop it start it again; `broker` sees to it that it runs."""
    if not available():
        missing = "rabbitmq-server is not installed (apt-get install -y --no-install-recommends rabbitmq-server)"
        if os.environ.get("CI"):
            pytest.fail(missing)
        pytest.skip(missing)
    with RabbitNode() as node:
        yield node


@pytest.fixture
def broker(rabbit_node: RabbitNode) -> RabbitNode:
    """A running node on which no service has published yet."""
    rabbit_node.reset()
    return rabbit_node


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
