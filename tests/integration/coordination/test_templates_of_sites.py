"""Templates belong to no project: several machines that need the same one make it once."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from engines import Engine

from cos_update.concertim.client import ConcertimClient
from cos_update.coordination.site import Grant, Site
from cos_update.fakes.concertim import ConcertimApp
from cos_update.model.concertim import Actual, Template
from cos_update.model.errors import Fenced
from cos_update.model.settings import ConcertimSettings, CoordinationSettings
from cos_update.model.shards import Shards
from cos_update.sync.fencing import FencedConcertim

WANTED = Template("", "m1", 2, "f1", 2, 2048, 20, "flavor")


def machine(app: ConcertimApp, engine: Engine, folder: Path, name: str, *, holds: bool = True) -> FencedConcertim:
    site = Site(CoordinationSettings(engine.url(), 2, 5, name), folder)
    client = ConcertimClient(ConcertimSettings(app.url, "admin", "admin", retries=0), site.fence)
    grant = Grant(Shards(frozenset({0}), 2), {0: "epoch"}) if holds else None
    return FencedConcertim(client, site, grant, Actual(began=0.0))


def test_machines_that_need_the_same_template_at_once_make_it_once(
    app: ConcertimApp, engine: Engine, tmp_path: Path
) -> None:
    machines = [machine(app, engine, tmp_path, name) for name in ("a", "b", "c")]
    with ThreadPoolExecutor(3) as pool:
        made = list(pool.map(lambda m: m.create(WANTED), machines))
    assert len({template.id for template in made}) == 1
    assert len([r for r in app.wire.requests if r.method == "POST" and r.path.endswith("/templates")]) == 1


def test_a_machine_that_holds_nothing_makes_no_template(app: ConcertimApp, engine: Engine, tmp_path: Path) -> None:
    with pytest.raises(Fenced):
        machine(app, engine, tmp_path, "a", holds=False).create(WANTED)
    assert [r for r in app.wire.requests if r.path.endswith("/templates") and r.method == "POST"] == []
