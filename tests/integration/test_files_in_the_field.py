"""Each form of config.yaml that deployments have, with every command, but for the addresses untouched."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest
from world import World

from cos_update.fakes import Sandbox
from cos_update.fakes.concertim import ConcertimApp
from cos_update.fakes.demo import demo_cloud
from cos_update.fakes.openstack import OpenStackApp

FORMS = Path(__file__).parents[1] / "fixtures" / "config"


@dataclass(frozen=True)
class Form:
    """A file, and the passwords that are meant by it."""

    name: str
    openstack: str
    concertim: str


ALL = [
    Form("first_generation", "0123456", "12:30:45"),
    Form("first_generation_by_ids", "2024-01-01", "2024-01-01"),
    Form("second_generation", "yes", "null"),
    Form("services", "1e5", "it's"),
    Form("broker_left_open", "p: #1", " with spaces "),
]
OPENSTACK = ("http://10.50.0.5:35357/v3", "http://10.50.0.5:5000/v3", "http://10.50.0.5:5000")


@pytest.fixture(params=ALL, ids=lambda form: form.name)
def world(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[World]:
    """Both fakes with those passwords, and the file with their addresses and ids."""
    form: Form = request.param
    world = World(OpenStackApp(demo_cloud()), ConcertimApp(admin_password=form.concertim), tmp_path)
    world.cloud.watcher.password = form.openstack
    text = (FORMS / f"{form.name}.yaml").read_text()
    with Sandbox(world.openstack, world.concertim):
        world.add_owners()
        for address in OPENSTACK:
            text = text.replace(address, world.openstack.auth_url)
        project_id = world.cloud.admin_project.id
        ids = {"123456789012": world.cloud.watcher.id, "123456789abcdf": project_id, "0123456789\n": f"{project_id}\n"}
        for written, real in {**ids, "https://proxy:7443": world.concertim.url}.items():
            text = text.replace(written, real)
        for name in ("data", "log"):
            (tmp_path / name).mkdir()
        (tmp_path / "config.yaml").write_text(text)
        (tmp_path / "config.yaml").chmod(0o640)
        yield world


def folders(world: World) -> tuple[str, ...]:
    return "--data-dir", str(world.data_dir), "--log-dir", str(world.folder / "log")


def has_broker(world: World) -> bool:
    """Whether the file names one."""
    return "10.50.0.5" in (world.folder / "config.yaml").read_text()


def is_left_open(world: World) -> bool:
    return "rmq:" in (world.folder / "config.yaml").read_text() and not has_broker(world)


def test_passes_and_pictures_need_no_broker(world: World) -> None:
    world.run(*folders(world), "diff", "--dry-run")
    assert world.writes() == []
    world.run(*folders(world), "bulk", "--once")
    before = len(world.writes())
    done = world.run(*folders(world), "bulk", "--once")
    assert (len(world.writes()), done.stdout) == (before, "")
    assert before > 0
    dumped = world.run(*folders(world), "view", "dump")
    assert "saved by bulk" in dumped.stdout
    for output in (done.stderr, dumped.stderr):
        assert ("rmq.rmq_address: expected one name or more, found ''" in output) is is_left_open(world)


def test_checks_take_it_and_say_how(world: World) -> None:
    done = world.run(*folders(world), "config", "check", expect=1 if is_left_open(world) else 0)
    assert ("is read as the number 5672" in done.stdout) is ("5672" in (world.folder / "config.yaml").read_text())
    assert "unknown key" not in done.stderr
    if not has_broker(world):  # a broker that does not answer is waited for
        found = world.run(*folders(world), "check", expect=None).stdout
        assert "as concertim" in found
        assert "as admin (root)" in found


@pytest.mark.parametrize("world", [ALL[-1]], ids=lambda form: form.name, indirect=True)
def test_the_listener_says_what_it_lacks(world: World) -> None:
    done = world.run(*folders(world), "listen", "--drain", expect=1)
    assert "rmq" in done.stderr.splitlines()[0]
