"""Names and words from outside that would act on a terminal: no command lets them, on a terminal or in a pipe."""

from __future__ import annotations

import contextlib
import json
from collections.abc import Iterator
from pathlib import Path

import pytest
import yaml
from terminals import on_terminal
from world import World

from cos_update.fakes import Sandbox
from cos_update.fakes.concertim import ConcertimApp
from cos_update.fakes.demo import demo_cloud
from cos_update.fakes.openstack import OpenStackApp
from cos_update.fakes.wire import Fault, FaultKind

HOSTILE = "\x1b]0;owned\x07 \x9b31m\u009dpwned\u202eliated\u2066\u200f\x7f\x08\x85 end"
"""A window's title, colours in C1, a turned direction of writing, and what rubs out."""
ACTING = ("\x1b]", "\x07", "\x9b", "\x9d", "\u202e", "\u2066", "\u200f", "\x7f", "\x08", "\x85")

COMMANDS = [
    ["diff", "--dry-run", "--no-pager"],
    ["diff", "--dry-run", "--format", "json"],
    ["diff", "--dry-run", "--summary"],
    ["bulk", "--once"],
    ["bulk", "--once", "--json"],
    ["-v", "bulk", "--once"],
    ["-vv", "bulk", "--once"],
    ["--log-format", "json", "-v", "bulk", "--once"],
    *(["view", "dump", "--no-pager", "--format", form] for form in ("table", "racks")),
    *(["view", "dump", "--format", form] for form in ("json", "yaml")),
    ["explain", "hostile"],
    ["explain", "hostile", "--json"],
    ["status"],
    ["status", "--json"],
    ["health", "bulk"],
    ["check"],
    ["check", "--json"],
    ["config", "show"],
    ["config", "check"],
]


@pytest.fixture
def world(tmp_path: Path) -> Iterator[World]:
    with hostile_world(tmp_path) as world:
        yield world


@contextlib.contextmanager
def hostile_world(tmp_path: Path) -> Iterator[World]:
    """A cloud in which everything has such a name, services that answer in such words, and folders of such names."""
    world = World(OpenStackApp(demo_cloud()), ConcertimApp(), tmp_path)
    cloud = world.cloud
    projects = [project for project in cloud.projects.values() if project is not cloud.admin_project]
    for named in (*projects, *cloud.servers.values(), *cloud.volumes.values(), *cloud.networks.values()):
        named.name += HOSTILE
    for stack in cloud.stacks.values():
        stack.name += HOSTILE
        cloud.set_outputs(stack, {"odd": HOSTILE})
    for flavor in cloud.flavors.values():
        flavor.name += HOSTILE
    with Sandbox(world.openstack, world.concertim):
        world.add_owners()
        world.configure(log_dir=str(tmp_path / f"log{HOSTILE}"), odd_key=HOSTILE)
        (tmp_path / f"log{HOSTILE}").mkdir()
        refusal = {"errors": {"base": [HOSTILE]}}
        world.concertim.wire.faults.add(Fault(FaultKind.STATUS, method="POST", path="nodes", code=422, body=refusal))
        refusal = {"error": {"code": 403, "message": HOSTILE, "title": "Forbidden"}}
        world.openstack.wire.faults.add(Fault(FaultKind.STATUS, service="neutron", code=403, body=refusal))
        yield world


def nothing_acts(shown: str) -> None:
    acting = [part for part in ACTING if part in shown]
    assert not acting, shown[max(0, shown.index(acting[0]) - 100) :][:300]


@pytest.fixture(scope="module")
def passed(tmp_path_factory: pytest.TempPathFactory) -> Iterator[World]:
    """After one pass, with something left to say after every other."""
    with hostile_world(tmp_path_factory.mktemp("passed")) as world:
        world.run("bulk", "--once", expect=3)
        yield world


@pytest.mark.parametrize("command", COMMANDS, ids=" ".join)
def test_in_a_pipe(passed: World, command: list[str]) -> None:
    done = passed.run(*command, expect=None)
    nothing_acts(done.stdout + done.stderr)
    assert "\x1b" not in done.stdout + done.stderr
    assert "Traceback" not in done.stderr or "-vv" in command


@pytest.mark.parametrize("command", COMMANDS, ids=" ".join)
def test_on_a_terminal(passed: World, command: list[str]) -> None:
    with on_terminal(passed, *command) as terminal:
        terminal.end()
    nothing_acts(terminal.seen)


def test_what_programs_read_is_the_same_name_all_the_same(passed: World) -> None:
    names = {project.name for project in passed.cloud.projects.values()}
    for form, load in (("json", json.loads), ("yaml", yaml.safe_load)):
        plain = load(passed.run("view", "dump", "--format", form).stdout)
        found = {project["name"] for project in plain["projects"].values()}
        assert found
        assert found <= names
    assert HOSTILE in yaml.safe_load(passed.run("config", "show").stdout)["log_dir"]


@pytest.mark.parametrize("path", ["auth/tokens", "servers/detail"])
def test_what_a_service_refuses_with(world: World, path: str) -> None:
    body = {"error": {"code": 401, "message": HOSTILE, "title": HOSTILE}}
    world.openstack.wire.faults.add(Fault(FaultKind.STATUS, path=path, code=401, body=body))
    for command in (["bulk", "--once"], ["diff", "--dry-run", "--no-pager"], ["check"]):
        with on_terminal(world, *command) as terminal:
            terminal.end()
        nothing_acts(terminal.seen)
