"""Root runs a command in the folders of the user that a daemon runs as: nothing shuts the daemon out afterwards."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
from world import World

from cos_update.store import ViewStore

pytestmark = pytest.mark.skipif(os.geteuid() != 0, reason="only root can run a command beside another user's daemon")

UID = 10001


@pytest.fixture(autouse=True)
def folders(world: World) -> list[Path]:
    """Of the daemon's user."""
    found = [world.data_dir, world.folder / "log"]
    for path in found:
        os.chown(path, UID, UID)
    return found


def owners(folders: list[Path]) -> set[int]:
    return {path.lstat().st_uid for folder in folders for path in folder.rglob("*")}


def test_a_pass(world: World, folders: list[Path]) -> None:
    world.bulk()
    assert len(list(world.data_dir.iterdir())) > 3
    assert (world.data_dir / "locks").is_dir()
    assert owners(folders) == {UID}


def test_a_posted_difference(world: World, folders: list[Path]) -> None:
    world.run("diff", "--yes")
    assert owners(folders) == {UID}


def test_a_look_at_the_view(world: World, folders: list[Path]) -> None:
    world.bulk()
    (world.data_dir / "view.pickle").write_bytes(b"no view")
    world.run("view", "dump", expect=1)
    world.run("check", expect=None)
    assert owners(folders) == {UID}


def test_a_request_and_a_view_that_is_set_aside(world: World, folders: list[Path]) -> None:
    store = ViewStore(world.data_dir, "listen")
    store.request_resync("a test asks for it")
    (world.data_dir / "view.pickle").write_bytes(b"no view")
    world.bulk()
    assert list(world.data_dir.glob("view.pickle.bad-*"))
    assert owners(folders) == {UID}
