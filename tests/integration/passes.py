"""Passes run in the test's own process, and the requests that they sent to both sides."""

from __future__ import annotations

import threading
from collections import Counter
from typing import Any

import yaml
from world import World

from cos_update.concertim.client import ConcertimClient
from cos_update.model.settings import CloudSettings, ConcertimSettings, Settings
from cos_update.openstack.inventory import CloudReader
from cos_update.planning.report import Report
from cos_update.store import View, ViewStore
from cos_update.sync.reconciler import run_pass
from cos_update.sync.services import RunOptions, Services

NEVER = 10**9


def one_pass(world: World, run_options: RunOptions | None = None, **settings: Any) -> Report:
    """One pass with fresh clients, after which the wires hold its own requests only; `settings` as in `Settings`.

    Devices have no turn to be read unless `full_read_every` says so.
    """
    settings = {"full_read_every": NEVER, **settings}
    auth = dict(yaml.safe_load((world.folder / "config.yaml").read_text())["openstack"])
    auth.pop("retries")
    concertim_settings = ConcertimSettings(world.concertim.url, "admin", "admin", retries=0)
    for side in (world.openstack, world.concertim):
        side.wire.reset()
    with ConcertimClient(concertim_settings) as client:
        cloud = CloudReader(CloudSettings(auth=auth, retries=0), sleep=lambda _: None)
        services = Services(cloud, client, ViewStore(world.data_dir, "bulk"), Settings(**settings), concertim_settings)
        return run_pass(services, run_options or RunOptions(), threading.Event())[0]


def reads_of_concertim(world: World) -> Counter[str]:
    """How often each route was read, below the API's path; what is read in every pass is left out."""
    always = {"teams", "templates", "racks"}
    routes = Counter(r.kind.removeprefix("/api/v1/") for r in world.concertim.wire.requests if r.method == "GET")
    return Counter({route: count for route, count in routes.items() if route not in always})


def stacks_asked(world: World) -> list[str]:
    """The names of the top-level stacks whose resources were requested, in order."""
    paths = [r.path.split("/") for r in world.openstack.wire.requests if r.path.endswith("/resources")]
    return sorted(path[-3] for path in paths)


def view_of(world: World) -> View:
    """The saved view."""
    view = ViewStore(world.data_dir, "test").load()
    assert view is not None
    return view
