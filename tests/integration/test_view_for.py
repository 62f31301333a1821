"""view.pickle as metrics and billing load it, written by real passes over a real Concertim's API."""

from __future__ import annotations

import json
from collections.abc import Iterator
from datetime import date
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
import yaml
from checking import Checked, says
from neighbouring import read_by
from passes import one_pass, reads_of_concertim, view_of
from world import World

from cos_update.fakes import Fault, FaultKind, Sandbox
from cos_update.fakes.concertim import ConcertimApp
from cos_update.fakes.concertim.records import Device, Rack, Team
from cos_update.fakes.demo import demo_cloud
from cos_update.fakes.openstack import OpenStackApp
from cos_update.model.concertim import ApiFlavour
from cos_update.model.settings import ViewFor
from cos_update.planning.report import ExitCode

CON_OPSTK, CONSER, NONE = ViewFor.CON_OPSTK, ViewFor.CONSER, ViewFor.NONE
SECRET = "pa55-of-the-cloud"


@pytest.fixture
def older(tmp_path: Path) -> Iterator[World]:
    """The demo's cloud, and a Concertim of the first generation, where users own racks."""
    world = World(OpenStackApp(demo_cloud()), ConcertimApp(ApiFlavour.USERS), tmp_path)
    with Sandbox(world.openstack, world.concertim):
        for project in world.cloud.projects_of(world.cloud.watcher.id):
            account = {"cost": "7.5", "billing_acct_id": f"acct-{project.name}", "foreign_password": SECRET}
            account |= {"billing_period_start": "2026-11-01", "billing_period_end": "2026-12-01"}
            user = world.concertim.state.add_user(project.name, project_id=project.id)
            user.cloud_user_id, user.more = f"cloud-{project.name}", dict(account)
        world.configure(view_for="con_opstk")
        yield world


def found_by(world: World, form: ViewFor = CONSER) -> dict[str, Any]:
    """What the readers of one generation find."""
    return read_by(form, world.data_dir / "view.pickle")


def team_of(world: World) -> Team:
    return next(team for team in world.concertim.state.teams.values() if team.name == "CM_team_a")


def rack_of(world: World) -> Rack:
    return next(rack for rack in world.concertim.state.racks.values() if rack.owner_id == team_of(world).id)


def devices_of(world: World) -> tuple[Device, ...]:
    return world.concertim.state.devices_of(rack_of(world))


def files(world: World) -> list[str]:
    """The pickles in the data dir."""
    return sorted(path.name for path in world.data_dir.glob("*.pickle*"))


def test_a_pass_leaves_a_view_that_the_services_of_the_second_generation_load(world: World) -> None:
    world.configure(view_for="conser")
    world.bulk()
    team = team_of(world)
    team.billing_acct_id, team.credits, team.cost = "acct-a", Decimal("12.5"), Decimal("3")
    team.billing_period_start, team.billing_period_end = date(2026, 11, 1), date(2026, 12, 1)
    world.bulk()
    found = found_by(world)
    shown = found["view"]["teams"][team.id]
    assert shown["id"] == [team.id, team.project_id, "acct-a"]
    assert (shown["cost"], shown["credits"]) == (3.0, 12.5)
    assert (shown["billing_period_start"], shown["billing_period_end"]) == ("2026-11-01", "2026-12-01")
    devices = world.concertim.state.devices
    assert found["view"]["devices"].keys() == devices.keys()
    assert found["view"]["racks"].keys() == world.concertim.state.racks.keys()
    assert found["view"]["templates"].keys() == {t.id for t in world.concertim.state.templates.values() if not t.hidden}
    assert len(found["metrics"]) == len(devices)
    billed = {bill[0] for bill in found["billing"]}
    racks = [rack for rack in world.concertim.state.racks.values() if rack.owner_id == team.id]
    assert billed == {device.id for rack in racks for device in world.concertim.state.devices_of(rack)}
    made = found["view"]["devices"][next(iter(billed))]["created_at"]
    assert made is not None
    assert made.endswith("Z")


def test_what_billing_has_charged_is_in_the_view_after_the_next_pass(world: World) -> None:
    one_pass(world, view_for=CONSER)
    device, rack = devices_of(world)[0], rack_of(world)
    device.cost, rack.cost = Decimal("1234.567"), Decimal("2000.5")
    one_pass(world, view_for=CONSER)
    view = found_by(world)["view"]
    assert view["devices"][device.id]["cost"] == 1234.57, "as the app shows it"
    assert view["racks"][rack.id]["cost"] == 2000.5
    assert reads_of_concertim(world) == {"irv/racks": 1, "users": 1}, "no device is read for it"


def test_what_is_read_for_others_is_read_once_a_pass_and_only_then(world: World) -> None:
    for view_for, expected in ((NONE, {"devices": 1}), (CONSER, {"irv/racks": 1, "users": 1}), (None, None)):
        one_pass(world, view_for=view_for)
        assert reads_of_concertim(world) == (expected or {"irv/racks": 1, "users": 1})
        lists = [r.kind for r in world.concertim.wire.requests if r.kind.endswith(("/teams", "/users"))]
        assert len(lists) == len(set(lists)), "each once"
    one_pass(world, view_for=NONE)
    assert reads_of_concertim(world) == {"irv/racks": 1}
    assert view_of(world).actual.accounts is None, "nobody's name is kept longer than it is needed"


def test_users_that_cannot_be_read_stay_as_they_were(world: World) -> None:
    world.concertim.state.add_user("cy", name="Cy").cloud_user_id = "cloud-cy"
    one_pass(world, view_for=CONSER)
    before = found_by(world)["view"]["users"]
    assert [(user["full_name"], user["id"][1]) for user in before.values()] == [("Cy", "cloud-cy")]
    world.concertim.wire.faults.add(Fault(FaultKind.STATUS, path="/users$", method="GET", code=500, body={}))
    assert one_pass(world, view_for=CONSER).exit_code is ExitCode.DONE
    assert found_by(world)["view"]["users"] == before


def test_the_services_of_the_first_generation_load_theirs(older: World) -> None:
    older.bulk()
    found = found_by(older, CON_OPSTK)
    state = older.concertim.state
    owner = next(user for user in state.users.values() if user.login == "CM_team_a")
    shown = found["view"]["users"][owner.id]
    assert (shown["id"], shown["openstack_project_id"]) == ([owner.id, "cloud-CM_team_a"], owner.project_id)
    assert (shown["cost"], shown["billing_acct_id"]) == (7.5, "acct-CM_team_a")
    assert (shown["billing_period_start"], shown["billing_period_end"]) == ("2026-11-01", "2026-12-01")
    assert set(shown["racks"]) == {rack.id for rack in state.racks.values() if rack.owner_id == owner.id}
    assert found["view"]["users"].keys() == {user.id for user in state.users.values() if not user.root}
    assert found["api_server"] == [len(state.racks), len(state.devices)]
    one_pass(older, view_for=CON_OPSTK)
    users_read = [r for r in older.concertim.wire.requests if r.path.endswith("/users")]
    assert len(users_read) == 1


def test_no_password_that_users_have_in_the_cloud_gets_anywhere(older: World) -> None:
    for user in older.concertim.state.users.values():
        user.foreign_password = SECRET
    older.configure(view_for="con_opstk", log_level="DEBUG")
    output = older.run("-vv", "bulk", "--once")
    assert output.stdout + output.stderr
    for _ in range(2):
        older.bulk()
    dumped = older.run("view", "dump", "--format", "json").stdout
    assert "CM_team_a" in dumped
    assert SECRET not in output.stdout + output.stderr + dumped
    for path in older.folder.rglob("*"):
        assert path.is_dir() or SECRET.encode() not in path.read_bytes(), path


def test_a_view_that_is_there_says_for_whom_it_is(world: World) -> None:
    world.configure(view_for="conser")
    world.bulk()
    theirs = (world.data_dir / "view.pickle").read_bytes()
    for path in world.data_dir.iterdir():
        if path.is_file():
            path.unlink()
    (world.data_dir / "view.pickle").write_bytes(theirs)
    world.configure()
    for _ in range(2):
        world.bulk()
    assert found_by(world)["contract"] is True
    assert files(world) == ["state.pickle", "view.pickle"]
    log = (world.folder / "log" / "updates_bulk.log").read_text()
    assert log.count("since the existing file names their classes") == 1


def test_the_environment_says_for_whom_before_the_file_does(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    world.configure(view_for="none")
    monkeypatch.setenv("COS_UPDATE_VIEW_FOR", "conser")
    world.bulk()
    assert found_by(world)["contract"] is True
    monkeypatch.setenv("COS_UPDATE_VIEW_FOR", "billing")
    output = world.run("bulk", "--once", expect=1).stderr
    assert "COS_UPDATE_VIEW_FOR is 'billing', where one of auto, none, con_opstk, conser is expected" in output


def test_switching_to_and_fro_needs_no_hand_and_costs_no_write(world: World) -> None:
    world.bulk()
    for form in ("conser", "con_opstk", "none", "conser", "none"):
        world.configure(view_for=form)
        world.concertim.wire.reset()
        world.bulk()
        assert world.writes() == []
        assert reads_of_concertim(world).keys() & {"devices", "irv/racks"} == {"irv/racks"}, "its memory is not lost"
        assert files(world) == (["view.pickle"] if form == "none" else ["state.pickle", "view.pickle"])
        if form != "none":
            assert found_by(world, ViewFor(form))["contract"] is True


def test_the_view_is_dumped_from_our_own_memory(world: World) -> None:
    world.configure(view_for="conser")
    world.bulk()
    shared = json.loads(world.run("view", "dump", "--format", "json").stdout)
    world.configure(view_for="none")
    world.bulk()
    plain = json.loads(world.run("view", "dump", "--format", "json").stdout)
    assert shared["view_for"]["form"] == "conser"
    assert shared.keys() - plain.keys() == {"view_for", "accounts"}
    for kind in ("owners", "templates", "racks", "devices"):
        assert shared[kind] == plain[kind]
    assert "created" in next(iter(shared["origins"].values()))
    assert "created" not in next(iter(plain["origins"].values()))


def test_what_diff_posts_is_in_the_view_too(world: World) -> None:
    world.configure(view_for="conser")
    world.run("diff", "--yes")
    assert found_by(world)["view"]["devices"].keys() == world.concertim.state.devices.keys()


def test_diff_alone_writes_nothing(world: World) -> None:
    world.configure(view_for="conser")
    world.run("diff", "--dry-run", expect=None)
    assert files(world) == []


def test_what_people_have_made_by_hand_is_in_the_view(world: World) -> None:
    state = world.concertim.state
    rack = state.add_rack("by-hand", team_of(world), u_height=10)
    template = next(template for template in state.templates.values() if template.tag == "volume")
    device = state.add_device(rack, "shelf", template, 1, type="Volume")
    world.configure(view_for="conser")
    world.bulk()
    view = found_by(world)["view"]
    assert view["racks"][rack.id]["id"][1] is None
    assert view["devices"][device.id]["id"] == [device.id, None]
    assert view["devices"][device.id]["template"]["tag"] == "volume"


def test_a_view_that_cannot_be_written_fails_no_pass(world: World) -> None:
    world.configure(view_for="conser")
    (world.data_dir / "publication.lock").mkdir()
    output = world.run("bulk", "--once").stderr
    assert "the view for other services is out of date" in output
    (world.data_dir / "publication.lock").rmdir()
    world.bulk()
    assert found_by(world)["contract"] is True


@pytest.mark.broker
def test_check_says_for_whom_the_view_is_since_when_and_who_may_read_it(world: World, checked: Checked) -> None:
    assert says(checked()["view for"][0], "ok", "none: view.pickle will be our own memory")
    world.bulk()
    assert says(checked()["view for"][0], "ok", "none: view.pickle is our own memory, readable to root")
    change_top(world, view_for="conser")
    assert says(checked()["view for"][0], "warn", "conser, but view.pickle is our own memory yet", "the next pass")
    world.bulk()
    found = checked()["view for"]
    assert len(found) == 1
    assert says(found[0], "ok", "conser since 20")
    assert "readable to root" in found[0]["text"]
    assert "group" in found[0]["text"]
    change_top(world, view_for="none")
    assert says(checked()["view for"][0], "warn", "none, but view.pickle is conser's", "set view_for to conser")
    change_top(world, view_for="con_opstk")
    assert any(says(finding, "warn", "do not support this Concertim's API") for finding in checked()["view for"])


def change_top(world: World, **keys: str) -> None:
    """Changes keys at the top of config.yaml."""
    path = world.folder / "config.yaml"
    path.write_text(yaml.safe_dump({**yaml.safe_load(path.read_text()), **keys}))
    path.chmod(0o640)
