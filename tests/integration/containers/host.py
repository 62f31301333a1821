"""The folders and the configuration of a host, mounted in its containers."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import daemons
from container import CONFIG, DATA, LOG, Container
from world import World

from cos_update.fakes import Sandbox
from cos_update.fakes.concertim import ConcertimApp
from cos_update.fakes.demo import demo_cloud
from cos_update.fakes.openstack import OpenStackApp

BUSY = 150.0
"""Seconds that a pass in a container may take on a machine that does many other things."""
Make = Callable[..., Container]
"""Makes a container on the host."""


@dataclass(frozen=True)
class Host:
    """What is mounted: two folders and the configuration; root's at first, as a playbook or Docker makes them."""

    world: World

    @property
    def data(self) -> Path:
        return self.world.folder / "data"

    @property
    def log(self) -> Path:
        return self.world.folder / "log"

    @property
    def config(self) -> Path:
        return self.world.folder / "config.yaml"

    @property
    def mounts(self) -> dict[str, Path]:
        return {DATA: self.data, LOG: self.log, CONFIG: self.config}

    def give(self, uid: int) -> None:
        """Gives the folders, the configuration and all files there to a user."""
        for path in (self.data, self.log, self.config, *self.data.rglob("*"), *self.log.rglob("*")):
            os.lchown(path, uid, uid)

    def logged(self, name: str = "updates_bulk.log") -> str:
        path = self.log / name
        return path.read_text() if path.is_file() else ""


@contextmanager
def demo_host(folder: Path) -> Iterator[Host]:
    """root:root 0755, and the configuration root:root 0600, of the demo's cloud and an empty Concertim."""
    world = World(OpenStackApp(demo_cloud()), ConcertimApp(), folder)
    with Sandbox(world.openstack, world.concertim):
        world.add_owners()
        world.configure()
        host = Host(world)
        host.config.chmod(0o600)
        yield host


def until(condition: Callable[[], bool]) -> None:
    """Waits for what a container is to do."""
    daemons.until(condition, BUSY)
