"""A low limit on open files with many projects: connections are shared, and a limit that is too low is reported."""

from __future__ import annotations

import os
import resource
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
import yaml
from world import World

from cos_update.fakes import Sandbox
from cos_update.fakes.clouds import sized_cloud
from cos_update.fakes.concertim import ConcertimApp
from cos_update.fakes.openstack import OpenStackApp

PROJECTS = 60


@pytest.fixture
def world(tmp_path: Path) -> Iterator[World]:
    """Many watched projects with a little in each, read by one session per project."""
    world = World(OpenStackApp(sized_cloud(PROJECTS, per_stack=1, projects=PROJECTS)), ConcertimApp(), tmp_path)
    with Sandbox(world.openstack), Sandbox(world.concertim):
        world.add_owners()
        world.configure("CM_team_000")
        path = tmp_path / "config.yaml"
        document = yaml.safe_load(path.read_text())
        document["openstack"]["scope"] = "project"
        path.write_text(yaml.safe_dump(document))
        yield world


def run(world: World, files: int, *arguments: str) -> tuple[int, str, int]:
    """Runs the program with this limit on open files; returns exit code, output, and its maximum of open files."""
    program = [sys.executable, "-m", "cos_update", "--config", str(world.folder / "config.yaml"), *arguments]
    process = subprocess.Popen(
        program,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        preexec_fn=lambda: resource.setrlimit(resource.RLIMIT_NOFILE, (files, files)),
    )
    most = 0
    while process.poll() is None:
        try:
            most = max(most, len(os.listdir(f"/proc/{process.pid}/fd")))
        except OSError:
            break
    said, _ = process.communicate()
    return process.returncode, said, most


def test_many_projects_take_no_more_connections_than_one(world: World) -> None:
    code, said, most = run(world, 110, "bulk", "--once")
    assert code == 0, said
    assert most < PROJECTS
    assert len(world.concertim.state.racks) == PROJECTS
    world.concertim.wire.reset()
    assert run(world, 110, "bulk", "--once")[0] == 0
    assert world.writes() == []


def test_a_project_is_logged_in_to_once_and_versions_are_asked_for_once(world: World) -> None:
    run(world, 256, "bulk", "--once")
    counts = world.openstack.wire.counts
    # Besides, the administrators' project is looked at.
    assert counts["keystone", "POST", "/identity/v3/auth/tokens"] <= PROJECTS + 1
    assert counts["keystone", "GET", "/identity/v3"] <= 8, "those that began before the first answer came"


@pytest.mark.parametrize("command", [["bulk", "--once"], ["bulk"], ["diff"]], ids=" ".join)
def test_what_is_left_of_the_limit_is_known_at_the_start(world: World, command: list[str]) -> None:
    code, said, _ = run(world, 60, *command)
    assert code == 1
    assert "more files and connections may be opened, and up to 90 are needed" in said
    assert "ulimit -n" in said
    assert world.openstack.wire.requests == []


def test_check_tells_how_many_files_are_left(world: World) -> None:
    _, said, _ = run(world, 60, "check")
    assert "FAIL  open files" in said
    _, said, _ = run(world, 256, "check")
    assert "ok    open files" in said


def test_the_limit_is_raised_where_that_is_allowed(world: World) -> None:
    script = (
        "import resource, sys; resource.setrlimit(resource.RLIMIT_NOFILE, (40, 400));"
        "from cos_update.cli.main import main; main(sys.argv[1:])"
    )
    config = str(world.folder / "config.yaml")
    done = subprocess.run([sys.executable, "-c", script, "--config", config, "bulk", "--once"], capture_output=True)
    assert done.returncode == 0, done.stderr


WITHOUT_FILES = """
import os, resource, sys
from cos_update.concertim.client import ConcertimClient
from cos_update.model.errors import CosUpdateError
from cos_update.model.settings import CloudSettings, ConcertimSettings
from cos_update.openstack.sessions import Sessions
from cos_update.store import ViewStore
url, folder = sys.argv[1:]
auth = {"auth_url": url, "username": "x", "password": "x", "project_name": "x", "user_domain_name": "Default",
        "project_domain_name": "Default"}
session = Sessions(CloudSettings(auth=auth, retries=0)).base
client = ConcertimClient(ConcertimSettings(url, "x", "x", retries=0))
store = ViewStore(__import__("pathlib").Path(folder), "bulk")
resource.setrlimit(resource.RLIMIT_NOFILE, (30, 30))
try:
    while True:
        os.open("/dev/null", os.O_RDONLY)
except OSError:
    pass
for ask in (session.access, client.read_all, store.prepare):
    try:
        ask()
    except CosUpdateError as error:
        print(error, error.hint)
"""


def test_too_many_open_files_are_named_as_such_wherever_they_are_met(world: World) -> None:
    program = [sys.executable, "-c", WITHOUT_FILES, world.openstack.auth_url, str(world.data_dir)]
    done = subprocess.run(program, capture_output=True, text=True)
    lines = done.stdout.splitlines()
    assert len(lines) == 3, done.stdout + done.stderr
    for line in lines:
        assert "Too many open files" in line
        assert "may open too few files" in line
        assert "owner" not in line
