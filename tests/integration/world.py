"""Both fakes served on loopback, a config.yaml for them, and the real program run against them."""

from __future__ import annotations

import json
import os
import subprocess
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

from cos_update.concertim.client import ConcertimClient
from cos_update.fakes import Sandbox
from cos_update.fakes.concertim import ConcertimApp
from cos_update.fakes.demo import demo_cloud
from cos_update.fakes.openstack import OpenStackApp
from cos_update.fakes.openstack.state import CloudState
from cos_update.model.concertim import Actual, ApiFlavour
from cos_update.model.settings import CloudSettings, ConcertimSettings
from cos_update.openstack.inventory import CloudReader
from cos_update.planning.desired import Desired, desired_state
from cos_update.planning.report import Report
from tests.integration import forked

Pass = Callable[..., Report]
"""Runs one pass in the test's own process; keywords are those of an order."""


def run_program(config: Path, *arguments: str, expect: int | None = 0) -> subprocess.CompletedProcess[str]:
    """Runs the real program with this configuration, and checks its exit code."""
    done = forked.run("--config", str(config), *arguments, environ={**os.environ, "COLUMNS": "100"}, timeout=120)
    if expect is not None:
        assert done.returncode == expect, done.stdout + done.stderr
    return done


@dataclass
class World:
    """What a test acts on: the cloud's state, the Concertim app, and a folder with config.yaml and the data dir."""

    openstack: OpenStackApp
    concertim: ConcertimApp
    folder: Path

    @property
    def cloud(self) -> CloudState:
        return self.openstack.state

    @property
    def data_dir(self) -> Path:
        return self.folder / "data"

    def add_owners(self) -> None:
        """A team (older API: user) for every watched project."""
        state = self.concertim.state
        for project in self.cloud.projects_of(self.cloud.watcher.id):
            if project is self.cloud.admin_project:
                continue
            if state.flavour is ApiFlavour.USERS:
                state.add_user(project.name, project_id=project.id)
            else:
                state.add_team(project.name, project.id)

    def configure(self, project: str | None = "admin", **top: Any) -> None:
        """Writes config.yaml for a login scoped to `project`, or to none."""
        auth = {
            "auth_url": self.openstack.auth_url,
            "username": "concertim",
            "password": "concertim",
            "user_domain_name": "Default",
            "retries": 1,
        }
        if project:
            auth |= {"project_name": project, "project_domain_name": "Default"}
        document = {
            "openstack": auth,
            "concertim": {
                "concertim_url": self.concertim.url,
                "concertim_username": "admin",
                "concertim_password": "admin",
                "retries": 1,
            },
            "data_dir": str(self.data_dir),
            "log_dir": str(self.folder / "log"),
            **top,
        }
        for name in ("data", "log"):
            (self.folder / name).mkdir(exist_ok=True)
        (self.folder / "config.yaml").write_text(yaml.safe_dump(document))

    def run(self, *arguments: str, expect: int | None = 0) -> subprocess.CompletedProcess[str]:
        """Runs the real program, and checks its exit code."""
        return run_program(self.folder / "config.yaml", *arguments, expect=expect)

    def bulk(self, *arguments: str, expect: int | None = 0) -> dict[str, Any]:
        """One pass by the real program; what it says it did."""
        done = self.run("bulk", "--once", "--json", *arguments, expect=expect)
        return dict(json.loads(done.stdout)) if done.stdout else {}

    def actual(self) -> Actual:
        """Concertim as its API shows it."""
        with ConcertimClient(self._concertim_settings()) as client:
            return client.read_all()

    def desired(self) -> Desired:
        """What Concertim should show of the cloud."""
        auth = yaml.safe_load((self.folder / "config.yaml").read_text())["openstack"]
        auth.pop("retries")
        reader = CloudReader(CloudSettings(auth=auth))
        return desired_state(reader.read(), self.actual())

    def _concertim_settings(self) -> ConcertimSettings:
        return ConcertimSettings(self.concertim.url, "admin", "admin")

    def writes(self) -> list[str]:
        """Every request that Concertim received which was no read and no login."""
        return [
            f"{request.method} {request.path}"
            for request in self.concertim.wire.requests
            if request.method != "GET" and "sign_in" not in request.path
        ]


@contextmanager
def served(folder: Path, *, admin: bool = True, concertim: ConcertimApp | None = None, **top: Any) -> Iterator[World]:
    """The demo's cloud and its owners in Concertim, for an admin or else a mere watcher; `top` as in config.yaml."""
    world = World(OpenStackApp(demo_cloud(admin=admin)), concertim or ConcertimApp(), folder)
    with Sandbox(world.openstack, world.concertim):
        world.add_owners()
        world.configure("admin" if admin else "CM_team_a", **top)
        yield world


def shown(actual: Actual) -> dict[str, tuple[str, str]]:
    """OpenStack id -> (stack id of its rack, status), of all managed devices."""
    return {
        device.object_id: (actual.racks[device.rack_id].stack_id, device.status)
        for device in actual.devices.values()
        if device.object_id
    }


def wanted(desired: Desired, flavour: ApiFlavour = ApiFlavour.TEAMS) -> dict[str, tuple[str, str]]:
    """The same of what should be there."""
    return {d.object_id: (rack.stack_id, d.status) for rack in desired.racks.values() for d in rack.devices}
