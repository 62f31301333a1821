"""Even the most verbose log contains no password and no token, including the libraries' own messages."""

from __future__ import annotations

import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
import yaml
from rabbit import RabbitNode
from world import World

from cos_update.fakes import Sandbox
from cos_update.fakes.concertim import ConcertimApp
from cos_update.fakes.demo import demo_cloud
from cos_update.fakes.openstack import OpenStackApp

SECRET = "Tr0ub4dor&3/x y"
TOKENS = re.compile(r"gAAAAA|eyJ[\w-]{8}")
"""What tokens of Keystone and of Concertim begin with."""

_CONSUME = """
import logging, sys
from pathlib import Path
from cos_update.observability import logs
from cos_update.listener.consumer import BrokerConsumer
from cos_update.model.settings import BrokerSettings, Settings
port, password, folder = int(sys.argv[1]), sys.argv[2], Path(sys.argv[3])
logs.configure(Settings(log_dir=folder, log_level="DEBUG"), secrets=[password], process="listen", verbosity=2)
for name in [name for name in logging.root.manager.loggerDict if name.startswith("pika.")]:
    logging.getLogger(name).setLevel(logging.DEBUG)  # the product keeps pika silent
settings = BrokerSettings(("127.0.0.1",), "talker", password, port=port, queue="talker", expires=60.0)
consumer = BrokerConsumer(settings, lambda delivery: None, lambda reason: None)
consumer.start()
serving = consumer.wait_serving(5)
consumer.stop(10)
sys.exit(0 if serving else 1)
"""


@pytest.fixture
def world(tmp_path: Path) -> Iterator[World]:
    """A world whose passwords are secrets."""
    world = World(OpenStackApp(demo_cloud()), ConcertimApp(admin_password=SECRET), tmp_path)
    world.cloud.watcher.password = SECRET
    with Sandbox(world.openstack, world.concertim):
        world.add_owners()
        world.configure(log_level="DEBUG")
        path = tmp_path / "config.yaml"
        document = yaml.safe_load(path.read_text())
        document["openstack"]["password"] = document["concertim"]["concertim_password"] = SECRET
        path.write_text(yaml.safe_dump(document))
        yield world


def secrets_in(text: str) -> list[str]:
    """The lines that hold one."""
    return [line for line in text.splitlines() if SECRET in line or TOKENS.search(line)]


def test_a_pass_with_everything_said(world: World) -> None:
    done = world.run("-vv", "bulk", "--once")
    output = done.stderr + (world.folder / "log" / "updates_bulk.log").read_text()
    for library in ("X-Auth-Token", "/api/v1/", "POST /users/sign_in"):
        assert library in output
    assert secrets_in(output + done.stdout) == []


def test_responses_of_services_are_not_logged_since_they_may_hold_secrets(world: World) -> None:
    planted = "cGFzc3dvcmQ6IHBsYW50ZWQ="
    for server in world.cloud.servers.values():
        server.user_data = planted
        server.metadata["admin_pass"] = planted
    for stack in world.cloud.stacks.values():
        world.cloud.set_outputs(stack, {"admin_password": planted})
    done = world.run("-vv", "bulk", "--once")
    shown = world.run("-vv", "explain", "cluster-1")
    output = done.stderr + shown.stderr + (world.folder / "log" / "updates_bulk.log").read_text()
    assert "/servers/detail" in output
    assert [line for line in output.splitlines() if planted in line] == []


def test_logins_that_are_refused(world: World) -> None:
    world.cloud.watcher.password = "another"
    output = world.run("-vv", "bulk", "--once", expect=1).stderr
    world.cloud.watcher.password = SECRET
    world.concertim.state.users[next(iter(world.concertim.state.users))].password = "another"
    output += world.run("-vv", "bulk", "--once", expect=1).stderr
    assert output.count("Traceback") == 2
    assert secrets_in(output) == []


@pytest.mark.broker
@pytest.mark.parametrize("right", [True, False])
def test_a_consumer_with_everything_said(broker: RabbitNode, tmp_path: Path, right: bool) -> None:
    broker.ctl("add_user", "talker", SECRET if right else "another")
    try:
        broker.ctl("set_permissions", "-p", "/", "talker", ".*", ".*", ".*")
        program = [sys.executable, "-c", _CONSUME, str(broker.port), SECRET, str(tmp_path)]
        done = subprocess.run(program, capture_output=True, text=True, timeout=60)
    finally:
        broker.ctl("delete_user", "talker")
    assert done.returncode == (0 if right else 1), done.stderr
    output = done.stderr + (tmp_path / "updates_mq.log").read_text()
    assert "ConnectionParameters" in output
    assert secrets_in(output) == []
