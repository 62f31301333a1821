"""`cos-update check`: each failure, provoked for real, produces the line that says how to fix it, and hides none."""

from __future__ import annotations

import json
import re
import time
from dataclasses import replace
from email.utils import formatdate

import pytest
import yaml
from aiohttp import web
from checking import Checked, change, only_failure, says
from rabbit import free_port
from world import World

from cos_update.fakes import Sandbox
from cos_update.fakes.concertim import ConcertimApp
from cos_update.fakes.openstack import OpenStackApp
from cos_update.fakes.wire import Fault, FaultKind
from cos_update.model.concertim import ApiFlavour
from cos_update.model.settings import CloudSettings, ConcertimSettings, Settings
from cos_update.preflight.run import impatient


def test_a_sound_installation_has_nothing_to_fix(world: World, checked: Checked) -> None:
    found = checked()
    troubles = [f for each in found.values() for f in each if f["status"] not in ("ok", "skip")]
    assert troubles == []
    assert "cloud-wide" in found["nova"][0]["text"]
    assert "2 watched: CM_team_a, CM_team_b" in found["projects"][0]["text"]
    assert "(root), teams API" in found["concertim"][0]["text"]


def test_what_billing_needs_is_looked_for_only_where_there_is_billing(world: World, checked: Checked) -> None:
    assert [f["text"] for f in checked("role", "user")["role"]] == ["watcher"]
    path = world.folder / "config.yaml"
    path.write_text(path.read_text() + "billing_platform: hostbill\n")
    found = checked("role", "user")
    assert [f["status"] for f in found["role"] + found["user"]] == ["ok", "warn", "ok", "warn"]


@pytest.mark.parametrize(
    ("asked", "shown"),
    [
        (["keystone"], {"keystone"}),
        (["nova", "queue"], {"nova", "queue"}),
        (["folders"], {"data dir", "log dir", "open files", "view", "view for"}),
        (["view-for"], {"view for"}),
        (["teams"], {"teams"}),
    ],
)
def test_what_is_asked_for_by_name_is_all_that_is_shown(
    world: World, checked: Checked, asked: list[str], shown: set[str]
) -> None:
    assert set(checked(*asked)) == shown


def test_what_stands_in_the_way_of_what_is_asked_for_is_shown(world: World, checked: Checked) -> None:
    change(world, "openstack", password="wrong")
    assert set(checked("nova", expect=1)) >= {"keystone"}


def test_a_check_that_there_is_not_gets_the_nearest(world: World) -> None:
    assert "Did you mean keystone" in world.run("check", "keystoen", expect=2).stderr


@pytest.mark.parametrize("scope", ["auto", "project"])
def test_credentials_that_only_watch_are_enough(world: World, checked: Checked, scope: str) -> None:
    cloud = world.cloud
    for held in [held for held in cloud.assignments if held.target_id == cloud.admin_project.id]:
        cloud.unassign(held)
    world.configure("CM_team_a", rmq=yaml.safe_load((world.folder / "config.yaml").read_text())["rmq"])
    change(world, "openstack", scope=scope)
    found = checked()
    assert "roles: watcher" in found["keystone"][0]["text"]
    assert "2 watched" in found["projects"][0]["text"]
    assert all(says(each, "skip", "not visible with these credentials") for each in found["user"] + found["role"])
    why = "these credentials cannot list the whole cloud" if scope == "auto" else "set by openstack.scope"
    for service in ("nova", "heat", "cinder", "neutron"):
        assert says(found[service][0], "ok", f"per project ({why})")


def test_the_lines_fit_and_end_with_a_sum(world: World, checked: Checked) -> None:
    lines = world.run("check").stdout.splitlines()
    assert lines[-1].endswith("ok")
    assert all(line[:6].strip() in ("ok", "warn", "FAIL", "skip", "") for line in lines[:-1])
    assert not any(line.endswith(" ") for line in lines)


def test_a_bad_section_is_reported_with_its_line_and_the_rest_is_tried(world: World, checked: Checked) -> None:
    change(world, "rmq", rmq_port="amqp")
    found = checked(expect=1)
    assert "rmq.rmq_port: expected" in only_failure(found)["text"]
    assert says(found["rabbitmq"][0], "warn", "the section rmq is missing or invalid")
    assert says(found["keystone"][0], "ok", "as concertim")
    assert says(found["concertim"][0], "ok", "as admin")


def test_a_file_that_cannot_be_read_is_reported_and_nothing_is_tried(world: World, checked: Checked) -> None:
    (world.folder / "config.yaml").write_text("rmq: {")
    found = checked(expect=1)
    assert "not YAML" in only_failure(found)["text"]
    for side in ("data dir", "log dir", "openstack", "rabbitmq", "concertim"):
        assert says(found[side][0], "skip", "no configuration")


def test_a_missing_section_does_not_hide_the_other_side(world: World, checked: Checked) -> None:
    world.configure(concertim=None)
    found = checked(expect=1)
    assert "section concertim is missing" in only_failure(found)["text"]
    assert found["concertim"][0]["status"] == "skip"
    assert found["nova"][0]["status"] == "ok"


def test_a_readable_configuration_and_unverified_tls_are_warnings(world: World, checked: Checked) -> None:
    change(world, "concertim", verify=False)
    (world.folder / "config.yaml").chmod(0o644)
    config = checked()["config"]
    assert any(says(finding, "warn", "world-readable", "chmod 640") for finding in config)
    assert any(says(finding, "warn", "concertim: TLS certificates are not verified") for finding in config)


def test_a_configuration_without_passwords_may_be_readable(world: World, checked: Checked) -> None:
    path = world.folder / "config.yaml"
    document = yaml.safe_load(path.read_text())
    for section, key in (("openstack", "password"), ("concertim", "concertim_password"), ("rmq", "rmq_password")):
        (world.folder / section).write_text(document[section].pop(key))
        document[section][f"{key}_file"] = str(world.folder / section)
    path.write_text(yaml.safe_dump(document))
    path.chmod(0o644)
    assert [finding["status"] for finding in checked()["config"]] == ["ok"]


def test_folders_that_cannot_be_written(world: World, checked: Checked) -> None:
    for name in ("data", "log"):
        folder = world.folder / name
        for path in sorted(folder.rglob("*"), reverse=True):
            path.rmdir() if path.is_dir() else path.unlink()
        folder.rmdir()
        folder.write_text("in the way")
    found = checked(expect=1)
    assert found["data dir"][0]["status"] == "fail"
    assert found["log dir"][0]["status"] == "fail"
    assert found["nova"][0]["status"] == "ok", "one failure must not hide the rest"


def test_a_damaged_view_is_a_warning(world: World, checked: Checked) -> None:
    (world.data_dir / "view.pickle").write_bytes(b"garbage")
    assert checked()["view"][0]["status"] == "warn"


def test_a_wrong_password_for_openstack(world: World, checked: Checked) -> None:
    change(world, "openstack", password="hunter-two")
    found = checked(expect=1)
    failure = only_failure(found)
    assert "refused the login (401)" in failure["text"]
    assert "section openstack" in failure["mend"]
    assert "hunter" not in json.dumps(found)


def test_keystone_away(world: World, checked: Checked) -> None:
    change(world, "openstack", auth_url=f"http://127.0.0.1:{free_port()}/v3", retries=0)
    assert "openstack.auth_url" in only_failure(checked(expect=1))["mend"]


def test_no_watching_role(world: World, checked: Checked) -> None:
    change(world, "openstack", watcher_role="onlooker")
    found = checked(expect=1)
    assert "openstack role create onlooker" in [f["mend"] for f in found["role"]]


def test_no_watched_project(world: World, checked: Checked) -> None:
    idle = next(user for user in world.cloud.users.values() if user is not world.cloud.watcher)
    change(world, "openstack", watcher_user=idle.name)
    failure = only_failure(checked(expect=1))
    assert failure["text"] == "no project is watched"
    assert f"--user {idle.name} watcher" in failure["mend"]


@pytest.mark.parametrize(
    ("service", "name"), [("nova", "nova"), ("heat", "heat"), ("cinder", "cinder"), ("neutron", "neutron")]
)
def test_a_service_that_fails_is_named_with_the_reason(world: World, checked: Checked, service: str, name: str) -> None:
    change(world, "openstack", retries=0)
    world.openstack.wire.faults.add(Fault(FaultKind.STATUS, service=service, code=503, path="detail|stacks|networks"))
    failure = only_failure(checked(expect=1))
    assert (failure["name"], "503" in failure["text"]) == (name, True)


@pytest.mark.parametrize(
    ("service", "status"), [("nova", "fail"), ("heat", "fail"), ("cinder", "warn"), ("neutron", "warn")]
)
def test_a_service_that_the_cloud_does_not_have(world: World, checked: Checked, service: str, status: str) -> None:
    world.cloud.absent_services.add(service)
    found = checked(expect=1 if status == "fail" else 0)
    assert says(found[service][0], status, "the catalog has no")


def test_one_stack_that_cannot_be_read_is_a_warning(world: World, checked: Checked) -> None:
    fault = Fault(FaultKind.STATUS, service="heat", code=403, path="/stacks/.*/resources", times=1)
    world.openstack.wire.faults.add(fault)
    assert says(checked()["heat"][0], "warn", "resources of CM_team_")


def test_concertim_away(world: World, checked: Checked) -> None:
    change(world, "concertim", concertim_url=f"http://127.0.0.1:{free_port()}", retries=0)
    assert "can be reached" in only_failure(checked(expect=1))["mend"]


def test_a_wrong_password_for_concertim(world: World, checked: Checked) -> None:
    change(world, "concertim", concertim_password="hunter-two")
    assert "concertim_password" in only_failure(checked(expect=1))["mend"]


def test_a_user_who_is_no_root(world: World, checked: Checked) -> None:
    for user in world.concertim.state.users.values():
        user.root = False
    assert "root" in only_failure(checked(expect=1))["mend"]


def test_the_licence_limit(world: World, checked: Checked) -> None:
    world.concertim.state.rack_limit = 0
    failure = only_failure(checked(expect=1))
    assert (failure["name"], failure["text"]) == ("licence", "The rack limit of 0 has been exceeded")
    assert world.concertim.state.racks == {}


def test_templates_that_are_missing(world: World, checked: Checked) -> None:
    templates = world.concertim.state.templates
    for template in [t for t in templates.values() if t.tag == "volume"]:
        del templates[template.id]
    assert "tag volume" in only_failure(checked(expect=1))["text"]


def test_an_older_concertim(world: World, checked: Checked) -> None:
    older = ConcertimApp(ApiFlavour.USERS)
    with Sandbox(older):
        older.state.add_user("CM_team_a", project_id=next(iter(world.cloud.projects)))
        change(world, "concertim", concertim_url=older.url)
        found = checked()
    assert "users API" in found["concertim"][0]["text"]
    assert says(found["templates"][0], "warn", "this older API cannot show volumes and networks")
    assert "1 have a project id" in found["users"][0]["text"]


def test_clocks_that_are_off(world: World, checked: Checked) -> None:
    state = world.concertim.state
    truth = state.clock
    state.clock = lambda: truth() + 90
    late = LateCloud(world.cloud)
    with Sandbox(late):
        change(world, "openstack", auth_url=late.auth_url)
        clocks = checked()["clock"]
    assert says(clocks[0], "warn", "OpenStack's is -60", "chrony")
    assert re.search(r"Concertim's is \+(89|90|91) s", clocks[1]["text"])


class LateCloud(OpenStackApp):
    """A cloud whose host's clock is ten minutes slow."""

    def build(self) -> web.Application:
        async def set_date(_: web.Request, answer: web.StreamResponse) -> None:
            answer.headers["Date"] = formatdate(time.time() - 600, usegmt=True)

        application = super().build()
        application.on_response_prepare.append(set_date)
        return application


@pytest.mark.parametrize("side", ["openstack", "concertim"])
def test_a_side_that_hangs_does_not_hide_the_other(world: World, checked: Checked, side: str) -> None:
    change(world, "openstack", timeout=1, retries=0)
    change(world, "concertim", timeout=1, retries=0)
    fake = world.openstack if side == "openstack" else world.concertim
    fake.wire.faults.add(Fault(FaultKind.HANG))
    found = checked(expect=1)
    assert only_failure(found)["name"] == ("keystone" if side == "openstack" else "concertim")
    assert found["queue"][0]["status"] == "ok"
    assert found["concertim" if side == "openstack" else "nova"][0]["status"] == "ok"


def test_it_does_not_wait_as_long_as_a_pass_would() -> None:
    patient = Settings(CloudSettings(timeout=600.0, retries=9), ConcertimSettings("http://app", "admin", "admin"))
    hasty = impatient(patient)
    assert hasty.openstack
    assert hasty.openstack.timeout * (hasty.openstack.retries + 1) <= 60
    assert hasty.concertim
    assert hasty.concertim.timeout * (hasty.concertim.retries + 1) <= 60
    short = replace(patient, openstack=CloudSettings(timeout=2.0, retries=0))
    assert impatient(short).openstack == short.openstack


def test_nothing_is_left_behind(world: World, checked: Checked) -> None:
    before = (dict(world.concertim.state.racks), len(world.concertim.state.devices))
    checked()
    assert (dict(world.concertim.state.racks), len(world.concertim.state.devices)) == before


def test_a_watched_project_without_a_team(world: World, checked: Checked) -> None:
    team = next(team for team in world.concertim.state.teams.values() if team.name == "CM_team_b")
    project_id, team.project_id = team.project_id, None
    found = checked()["teams"]
    assert any(says(f, "warn", f"CM_team_b ({project_id})", "project ids") for f in found)


def test_teams_whose_project_ids_were_swapped(world: World, checked: Checked) -> None:
    world.bulk()
    one, other = world.concertim.state.teams.values()
    one.project_id, other.project_id = other.project_id, one.project_id
    found = checked()["teams"]
    assert any(says(f, "ok", "each of 2 watched projects") for f in found)
    assert any(says(f, "warn", "are in another one than their stack's project's", "swapped") for f in found)


def test_an_app_that_would_refuse_every_rack(world: World, checked: Checked) -> None:
    world.concertim.state.flavour = ApiFlavour.CREDITS
    change(world, "concertim", api="teams")
    assert says(only_failure(checked(expect=1)), "fail", "every new rack would be refused: cloud_created_at can't be")


def test_a_newer_app(world: World, checked: Checked) -> None:
    world.concertim.state.flavour = ApiFlavour.CREDITS
    found = checked()
    assert says(found["concertim"][0], "ok", "credits API")
    assert says(found["licence"][0], "ok", "allows another rack")
