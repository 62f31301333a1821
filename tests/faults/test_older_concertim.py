"""The older API stores less than it accepts: what it can store is sent, and nothing repeatedly."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from world import Pass, World, served

from cos_update.fakes.concertim import ConcertimApp
from cos_update.fakes.concertim.records import Device
from cos_update.model.concertim import ApiFlavour
from cos_update.model.exit_codes import ExitCode


@pytest.fixture
def world(tmp_path: Path) -> Iterator[World]:
    with served(tmp_path, concertim=ConcertimApp(ApiFlavour.USERS)) as world:
        yield world


def login_node(world: World) -> Device:
    return next(d for d in world.concertim.state.devices.values() if d.name == "alpha-login")


def test_attached_volumes_are_stored_and_not_sent_again(world: World, one_pass: Pass) -> None:
    assert one_pass().exit_code is ExitCode.DONE
    home = next(volume for volume in world.cloud.volumes.values() if volume.name == "alpha-home")
    assert login_node(world).details["volume_details"] == {home.id: {"name": "alpha-home", "size": 100}}
    assert one_pass().outcomes == ()


def test_a_detached_volume_goes_from_the_details(world: World, one_pass: Pass) -> None:
    one_pass()
    home = next(volume for volume in world.cloud.volumes.values() if volume.name == "alpha-home")
    world.cloud.detach(home, next(s for s in world.cloud.servers.values() if s.name == "alpha-login"))
    assert one_pass().exit_code is ExitCode.DONE
    assert login_node(world).details["volume_details"] == {}
    assert one_pass().outcomes == ()
