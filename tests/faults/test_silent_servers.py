"""A server that accepts and never responds: every command honours SIGTERM and Ctrl-C, and never claims to be done."""

from __future__ import annotations

import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
import yaml
from daemons import until
from world import World

from cos_update.fakes import Sandbox
from cos_update.fakes.concertim import ConcertimApp
from cos_update.fakes.demo import demo_cloud
from cos_update.fakes.openstack import OpenStackApp

PROMPT = 3.0
"""Seconds, on a busy machine, for what takes one."""


class SilentServer:
    """Accepts every connection, reads what comes, and says nothing."""

    def __init__(self) -> None:
        self._socket = socket.create_server(("127.0.0.1", 0), backlog=50)
        self.port = self._socket.getsockname()[1]
        self.accepted: list[socket.socket] = []
        threading.Thread(target=self._run, daemon=True).start()

    def _run(self) -> None:
        while True:
            try:
                self.accepted.append(self._socket.accept()[0])
            except OSError:
                return

    def close(self) -> None:
        self._socket.close()
        for each in self.accepted:
            each.close()


@pytest.fixture
def silent() -> Iterator[SilentServer]:
    server = SilentServer()
    yield server
    server.close()


@pytest.fixture
def world(tmp_path: Path) -> Iterator[World]:
    world = World(OpenStackApp(demo_cloud()), ConcertimApp(), tmp_path)
    with Sandbox(world.openstack, world.concertim):
        world.add_owners()
        world.configure(rmq={"rmq_address": "127.0.0.1", "rmq_username": "guest", "rmq_password": "guest"})
        yield world


def point(world: World, side: str, port: int) -> None:
    """Has the configuration name another server for one side."""
    path = world.folder / "config.yaml"
    document = yaml.safe_load(path.read_text())
    url = f"http://127.0.0.1:{port}"
    if side == "openstack":
        document["openstack"]["auth_url"] = f"{url}/v3"
    elif side == "concertim":
        document["concertim"]["concertim_url"] = url
    else:
        document["rmq"]["rmq_port"] = port
    path.write_text(yaml.safe_dump(document))


def begin(world: World, *arguments: str) -> subprocess.Popen[str]:
    program = [sys.executable, "-m", "cos_update", "--config", str(world.folder / "config.yaml")]
    pipes = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE, "stdin": subprocess.DEVNULL}
    return subprocess.Popen([*program, *arguments], text=True, **pipes)  # type: ignore[call-overload, no-any-return]


def ended(process: subprocess.Popen[str], number: signal.Signals) -> tuple[int, str]:
    began = time.monotonic()
    process.send_signal(number)
    _, error = process.communicate(timeout=30)
    assert time.monotonic() - began < PROMPT, error
    return process.returncode, error


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT], ids=lambda number: number.name)
@pytest.mark.parametrize(
    ("command", "side"),
    [
        (["bulk", "--once"], "openstack"),
        (["bulk", "--once"], "concertim"),
        (["diff"], "openstack"),
        (["diff", "--yes"], "concertim"),
        (["listen", "--drain"], "openstack"),
        (["listen", "--drain"], "concertim"),
        (["listen", "--drain"], "rabbitmq"),
        (["check"], "openstack"),
        (["check"], "concertim"),
        (["check"], "rabbitmq"),
    ],
)
def test_a_command_that_ends_by_itself(
    world: World, silent: SilentServer, command: list[str], side: str, number: signal.Signals
) -> None:
    point(world, side, silent.port)
    process = begin(world, *command)
    until(lambda: bool(silent.accepted))
    code, _ = ended(process, number)
    assert code == {signal.SIGTERM: 143, signal.SIGINT: 130}[number]
    if command != ["check"]:  # which asks for a rack to be refused
        assert world.writes() == []


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT], ids=lambda number: number.name)
@pytest.mark.parametrize(
    ("command", "side"),
    [
        (["bulk"], "openstack"),
        (["bulk"], "concertim"),
        (["listen"], "openstack"),
        (["listen"], "concertim"),
        (["listen"], "rabbitmq"),
        (["listen", "--resync"], "rabbitmq"),
    ],
)
def test_a_daemon_ends_in_good_order(
    world: World, silent: SilentServer, command: list[str], side: str, number: signal.Signals
) -> None:
    point(world, side, silent.port)
    process = begin(world, "-q", *command)
    until(lambda: bool(silent.accepted))
    assert ended(process, number) == (0, "")


def test_a_drain_whose_broker_cannot_be_reached_can_be_stopped_and_is_not_done(world: World) -> None:
    with socket.socket() as nobody:
        nobody.bind(("127.0.0.1", 0))
        point(world, "rabbitmq", nobody.getsockname()[1])
        process = begin(world, "-v", "listen", "--drain")
        log = world.folder / "log" / "updates_mq.log"
        until(lambda: log.exists() and "not consuming" in log.read_text())
        code, error = ended(process, signal.SIGTERM)
    assert code == 143
    assert "some messages were not processed" in error
