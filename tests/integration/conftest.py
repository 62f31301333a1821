"""Both fakes, and daemons running against them."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from subprocess import Popen

import pytest
from checking import Checked
from daemons import start
from rabbit import RabbitNode
from world import World, served

from cos_update.fakes import Sandbox
from cos_update.fakes.concertim import ConcertimApp
from cos_update.model.concertim import ApiFlavour


@pytest.fixture
def world(tmp_path: Path) -> Iterator[World]:
    """The demo's cloud, its teams, and nothing else in Concertim."""
    with served(tmp_path) as world:
        yield world


@pytest.fixture
def app() -> Iterator[ConcertimApp]:
    """An empty Concertim."""
    app = ConcertimApp()
    with Sandbox(app):
        yield app


@pytest.fixture
def older() -> Iterator[ConcertimApp]:
    """An empty Concertim of the older API."""
    app = ConcertimApp(ApiFlavour.USERS)
    with Sandbox(app):
        yield app


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
