"""An upgrade in place: the program starts with the data dir of an earlier release, and loses nothing."""

from __future__ import annotations

import json
import shutil
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
import yaml
from handmade import PROJECT, STACK, HandmadeCloud
from upgraded import LATE, SECOND, furnish
from world import run_program

from cos_update.fakes import Sandbox
from cos_update.fakes.concertim import ConcertimApp
from cos_update.listener.dead_letters import DeadLetters
from cos_update.store import View, ViewStore

FIXTURE = Path(__file__).parents[1] / "fixtures" / "upgrade"


@dataclass
class Deployment:
    """The cloud and Concertim as the earlier release left them, and its data dir."""

    cloud: HandmadeCloud
    concertim: ConcertimApp
    folder: Path

    def run(self, *arguments: str, expect: int | None = 0) -> str:
        return run_program(self.folder / "config.yaml", *arguments, expect=expect).stdout

    def one_pass(self) -> dict[str, Any]:
        """What a pass says it did; afterwards `writes` are those of this pass."""
        self.concertim.wire.reset()
        self.cloud.requests.clear()
        return dict(json.loads(self.run("bulk", "--once", "--json")))

    def writes(self) -> list[Any]:
        asked = self.concertim.wire.requests
        return [(r.method, r.body) for r in asked if r.method != "GET" and "sign_in" not in r.path]

    def view(self) -> View:
        view = ViewStore(self.folder / "data", "test").load()
        assert view is not None
        return view


@pytest.fixture
def deployment(tmp_path: Path) -> Iterator[Deployment]:
    shutil.copytree(FIXTURE / "data", tmp_path / "data")
    (tmp_path / "log").mkdir()
    app = ConcertimApp(admin_password="admin")
    _fill(app, json.loads((FIXTURE / "concertim.json").read_text()))
    with HandmadeCloud() as cloud, Sandbox(app):
        furnish(cloud, late=True)
        auth = {"auth_url": f"{cloud.url}/identity", "username": "concertim", "password": "concertim"}
        concertim = {"concertim_url": app.url, "concertim_username": "admin", "concertim_password": "admin"}
        settings = {
            "openstack": {**auth, "user_domain_name": "Default", "project_id": PROJECT},
            "concertim": concertim,
            "data_dir": str(tmp_path / "data"),
            "log_dir": str(tmp_path / "log"),
        }
        (tmp_path / "config.yaml").write_text(yaml.safe_dump(settings))
        yield Deployment(cloud, app, tmp_path)


def _fill(app: ConcertimApp, tables: dict[str, list[dict[str, Any]]]) -> None:
    state = app.state
    for table in (state.templates, state.racks, state.devices, state.teams):
        table.clear()
    for row in tables["teams"]:
        state.add_team(row["name"], row["project_id"], id=row["id"])
    for row in tables["templates"]:
        _set(state.add_template(row["name"], row["height"], id=row["id"]), row, TEMPLATE)
    for row in tables["racks"]:
        _set(state.add_rack(row["name"], state.teams[row["owner_id"]], id=row["id"]), row, RACK)
    for row in tables["devices"]:
        rack, template = state.racks[row["rack_id"]], state.templates[row["template_id"]]
        _set(state.add_device(rack, row["name"], template, row["start_u"], type=row["type"], id=row["id"]), row, DEVICE)


TEMPLATE = ("description", "tag", "foreign_id", "vcpus", "ram", "disk", "hidden")
RACK = ("u_height", "status", "order_id", "metadata", "network_details", "creation_output")
DEVICE = ("facing", "status", "description", "metadata", "details")


def _set(record: object, row: dict[str, Any], names: tuple[str, ...]) -> None:
    for name in names:
        setattr(record, name, row[name])


def test_nothing_is_posted_again_and_nothing_is_removed(deployment: Deployment) -> None:
    """But for what that release wrote in another way: the id of a stack's owner, in the metadata of its rack."""
    before = [dict(rack.metadata) for rack in deployment.concertim.state.racks.values()]
    totals = deployment.one_pass()["totals"]
    assert (totals["created"], totals["removed"], totals["held_back"]) == (0, 0, 0)
    expected = [("PATCH", {"rack": {"metadata": {**each, "openstack_stack_owner_id": PROJECT}}}) for each in before]
    assert sorted(deployment.writes(), key=str) == sorted(expected, key=str)
    deployment.one_pass()
    assert deployment.writes() == []


def test_what_was_known_is_known(deployment: Deployment) -> None:
    view = deployment.view()
    assert {device.object_id for device in view.actual.devices.values()} >= {"5e120001", LATE}
    assert view.stacks.keys() == {STACK, SECOND}
    assert view.unowned.keys() == {"5e120004", "70100002"}
    assert view.resync is not None
    assert view.resync.why == "the listener was away"


def test_what_is_remembered_spares_reading(deployment: Deployment) -> None:
    deployment.one_pass()
    assert not [request for request in deployment.cloud.requests if f"cluster/{STACK}/resources" in request]
    assert not [request for request in deployment.concertim.wire.requests if request.path == "/api/v1/devices"]


def test_what_others_wrote_stays_when_their_object_is_changed(deployment: Deployment) -> None:
    deployment.cloud.servers[2] = {**deployment.cloud.servers[2], "OS-EXT-STS:vm_state": "active", "name": "other"}
    deployment.one_pass()
    state = deployment.concertim.state
    device = next(d for d in state.devices.values() if d.metadata["openstack_instance_id"] == "5e120003")
    assert (device.name, device.status, device.start_u) == ("other", "ACTIVE", 11)
    assert device.metadata["note"] == "moved by hand"
    rack = next(r for r in state.racks.values() if r.metadata["openstack_stack_id"] == STACK)
    assert rack.metadata["contact"] == "ops"


def test_every_device_keeps_its_name_and_place(deployment: Deployment) -> None:
    before = {d.id: (d.name, d.location) for d in deployment.view().actual.devices.values()}
    deployment.one_pass()
    assert {d.id: (d.name, d.location) for d in deployment.view().actual.devices.values()} == before
    assert not list((deployment.folder / "data").glob("*.bad-*"))


def test_messages_that_were_set_aside_are_kept(deployment: Deployment) -> None:
    letters = DeadLetters(deployment.folder / "data")
    before = letters.path.read_text()
    letters.put(b"another", "why")
    assert letters.path.read_text().startswith(before)


def test_the_health_file_is_read(deployment: Deployment) -> None:
    assert deployment.run("health", "bulk", expect=None).startswith("bulk ")
