"""Something in front of Keystone that requires its own login (401 for the version document) does not cause a hang."""

from __future__ import annotations

from pathlib import Path

import pytest
import yaml
from world import World, shown, wanted

from cos_update.fakes import Sandbox
from cos_update.fakes.concertim import ConcertimApp
from cos_update.fakes.demo import demo_cloud
from cos_update.fakes.openstack import OpenStackApp
from cos_update.fakes.wire import Fault, FaultKind

VERSIONS = "^/identity(/v3)?/?$"


@pytest.fixture(params=["admin", "watcher"])
def world(request: pytest.FixtureRequest, tmp_path: Path):  # type: ignore[no-untyped-def]
    admin = request.param == "admin"
    world = World(OpenStackApp(demo_cloud(admin=admin)), ConcertimApp(), tmp_path)
    with Sandbox(world.openstack, world.concertim):
        world.add_owners()
        world.configure("admin" if admin else "CM_team_a")
        yield world


def without_version(world: World) -> None:
    """Sets auth_url without the version, so that the version document must be requested."""
    path = world.folder / "config.yaml"
    document = yaml.safe_load(path.read_text())
    document["openstack"]["auth_url"] = world.openstack.auth_url.removesuffix("/v3")
    path.write_text(yaml.safe_dump(document))


def test_one_such_answer_is_asked_for_again(world: World) -> None:
    world.openstack.wire.faults.add(Fault(FaultKind.STATUS, path=VERSIONS, code=401, times=1))
    world.bulk()
    assert shown(world.actual()) == wanted(world.desired())


@pytest.mark.parametrize("version", [True, False], ids=["with a version", "without"])
@pytest.mark.parametrize("command", [["bulk", "--once"], ["diff"], ["listen", "--drain"]], ids=" ".join)
def test_the_reason_is_reported(world: World, command: list[str], version: bool) -> None:
    world.configure("CM_team_a", rmq={"rmq_address": "127.0.0.1", "rmq_username": "x", "rmq_password": "x"})
    if not version:
        without_version(world)
    world.openstack.wire.faults.add(Fault(FaultKind.STATUS, path=VERSIONS, code=401))
    done = world.run(*command, expect=1)
    assert "something in front of it requires its own login" in done.stderr


def test_check_says_so_too(world: World) -> None:
    world.openstack.wire.faults.add(Fault(FaultKind.STATUS, path=VERSIONS, code=401))
    assert "requires its own login" in " ".join(world.run("check", expect=1).stdout.split())


def test_a_401_to_the_login_itself_is_one_that_is_refused(world: World) -> None:
    world.openstack.wire.faults.add(Fault(FaultKind.STATUS, path="auth/tokens", code=401))
    assert "refused the login (401)" in world.run("bulk", "--once", expect=1).stderr
