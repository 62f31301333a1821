"""The demo cloud in step with Concertim, passes run in this process, and no waiting between tries."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from pathlib import Path

import pytest
from world import Pass, World, served

from cos_update.concertim import retry
from cos_update.concertim.client import ConcertimClient
from cos_update.model.settings import CloudSettings, ConcertimSettings, ReadScope, Settings
from cos_update.openstack.inventory import CloudReader
from cos_update.planning.report import Report
from cos_update.retry import Backoff
from cos_update.store import ViewStore
from cos_update.sync.reconciler import run_pass
from cos_update.sync.services import RunOptions, Services


@pytest.fixture(params=["admin", "watcher"])
def world(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[World]:
    """The demo's cloud, read cloud-wide by an admin, and per project by a mere watcher."""
    with served(tmp_path, admin=request.param == "admin") as world:
        yield world


@pytest.fixture
def one_pass(world: World, monkeypatch: pytest.MonkeyPatch) -> Pass:
    """Runs a pass with fresh clients; keywords are those of `RunOptions`."""
    monkeypatch.setattr(retry, "BACKOFF", Backoff(0.01, 10.0))
    auth = {
        "auth_url": world.openstack.auth_url,
        "username": "concertim",
        "password": "concertim",
        "user_domain_name": "Default",
        "project_domain_name": "Default",
        "project_name": "admin"
        if world.cloud.admin_project in world.cloud.projects_of(world.cloud.watcher.id)
        else "CM_team_a",
    }

    def new_reader(scope: ReadScope = ReadScope.AUTO, timeout: float = 1.5) -> CloudReader:
        return CloudReader(CloudSettings(auth=auth, retries=1, timeout=timeout, scope=scope), sleep=lambda _: None)

    def run(
        scope: ReadScope = ReadScope.AUTO,
        timeout: float = 1.5,
        reader: CloudReader | None = None,
        **run_options: object,
    ) -> Report:
        cloud = reader or new_reader(scope, timeout)
        settings = ConcertimSettings(world.concertim.url, "admin", "admin", retries=1, timeout=5.0)
        with ConcertimClient(settings) as client:
            services = Services(cloud, client, ViewStore(world.data_dir, "bulk"), Settings(), settings)
            return run_pass(services, RunOptions(**run_options), threading.Event())[0]  # type: ignore[arg-type]

    run.reader = new_reader  # type: ignore[attr-defined]
    return run
