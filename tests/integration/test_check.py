"""`cos-update check`: each failure, provoked for real, gives the line that says how to mend it, and hides no other."""

from __future__ import annotations

import json
import os
from collections.abc import Callable

import pytest
import yaml
from rabbit import RabbitNode, free_port
from world import World

from cos_update.sandbox.wire import Fault, FaultKind

Findings = dict[str, list[dict[str, str]]]


def rmq(broker: RabbitNode, **more: object) -> dict[str, object]:
    return {
        "rmq_username": "guest",
        "rmq_password": "guest",
        "rmq_address": "127.0.0.1",
        "rmq_port": broker.port,
        **more,
    }


@pytest.fixture
def checked(world: World, broker: RabbitNode) -> Callable[..., Findings]:
    """Runs the check; what was found, by name. `expect` is the exit code."""
    with broker.channel() as channel:
        for exchange in ("nova", "heat", "neutron", "keystone", "openstack"):
            channel.exchange_declare(exchange, "topic", durable=False)
    world.configure(rmq=rmq(broker))
    (world.folder / "config.yaml").chmod(0o640)

    def run(*arguments: str, expect: int = 0) -> Findings:
        done = world.run("check", "--json", *arguments, expect=expect)
        document = json.loads(done.stdout)
        assert (document["schema"], document["ok"]) == (1, expect == 0)
        assert "Traceback" not in done.stderr
        found: Findings = {}
        for finding in document["findings"]:
            found.setdefault(finding["name"], []).append(finding)
        return found

    return run


def change(world: World, section: str, **keys: object) -> None:
    path = world.folder / "config.yaml"
    document = yaml.safe_load(path.read_text())
    document.setdefault(section, {}).update(keys)
    path.write_text(yaml.safe_dump(document))


def only_failure(found: Findings) -> dict[str, str]:
    failures = [finding for each in found.values() for finding in each if finding["status"] == "fail"]
    assert len(failures) == 1, failures
    return failures[0]


def test_a_sound_installation_has_nothing_to_mend(world: World, checked: Callable[..., Findings]) -> None:
    found = checked()
    troubles = [f for each in found.values() for f in each if f["status"] not in ("ok", "skip")]
    assert [
        (f["status"], f["text"]) for f in troubles if "rating" not in f["text"] and "cloudkitty" not in f["text"]
    ] == []
    assert "cloud-wide" in found["nova"][0]["text"]
    assert "2 watched: CM_team_a, CM_team_b" in found["projects"][0]["text"]
    assert "(root), teams API" in found["concertim"][0]["text"]


def test_it_says_what_these_credentials_may_read(world: World, checked: Callable[..., Findings]) -> None:
    change(world, "openstack", scope="project")
    assert "per project" in checked()["nova"][0]["text"]


def test_the_lines_fit_and_end_with_a_sum(world: World, checked: Callable[..., Findings]) -> None:
    lines = world.run("check").stdout.splitlines()
    assert lines[-1].endswith("in order")
    assert all(line[:6].strip() in ("ok", "warn", "FAIL", "skip", "") for line in lines[:-1])
    assert not any(line.endswith(" ") for line in lines)


def test_a_bad_configuration_is_said_with_its_line(world: World, checked: Callable[..., Findings]) -> None:
    change(world, "rmq", rmq_port="amqp")
    assert "rmq.rmq_port: expected" in only_failure(checked(expect=1))["text"]


def test_a_readable_configuration_and_unverified_tls_are_warnings(
    world: World, checked: Callable[..., Findings]
) -> None:
    change(world, "concertim", verify=False)
    (world.folder / "config.yaml").chmod(0o644)
    texts = [(f["status"], f["text"], f["mend"]) for f in checked()["config"]]
    assert any(
        status == "warn" and "readable by everybody" in text and "chmod 640" in mend for status, text, mend in texts
    )
    assert any(status == "warn" and "concertim: TLS certificates are not verified" in text for status, text, _ in texts)


def test_folders_that_cannot_be_written(world: World, checked: Callable[..., Findings]) -> None:
    for name in ("data", "log"):
        folder = world.folder / name
        for path in sorted(folder.rglob("*"), reverse=True):
            path.rmdir() if path.is_dir() else path.unlink()
        folder.rmdir()
        folder.write_text("in the way")
    found = checked(expect=1)
    assert found["data dir"][0]["status"] == "fail"
    assert f"uid {os.getuid()}" in found["log dir"][0]["mend"]
    assert found["nova"][0]["status"] == "ok", "one failure must not hide the rest"


def test_a_damaged_view_is_a_warning(world: World, checked: Callable[..., Findings]) -> None:
    (world.data_dir / "view.pickle").write_bytes(b"garbage")
    assert checked()["view"][0]["status"] == "warn"


def test_a_wrong_password_for_openstack(world: World, checked: Callable[..., Findings]) -> None:
    change(world, "openstack", password="hunter-two")
    found = checked(expect=1)
    failure = only_failure(found)
    assert "refused the login (401)" in failure["text"]
    assert "section openstack" in failure["mend"]
    assert "hunter" not in json.dumps(found)


def test_keystone_away(world: World, checked: Callable[..., Findings]) -> None:
    change(world, "openstack", auth_url=f"http://127.0.0.1:{free_port()}/v3", retries=0)
    assert "openstack.auth_url" in only_failure(checked(expect=1))["mend"]


def test_no_watching_role(world: World, checked: Callable[..., Findings]) -> None:
    change(world, "openstack", watcher_role="onlooker")
    found = checked(expect=1)
    assert "openstack role create onlooker" in [f["mend"] for f in found["role"]]


def test_no_watched_project(world: World, checked: Callable[..., Findings]) -> None:
    idle = next(user for user in world.cloud.users.values() if user is not world.cloud.watcher)
    change(world, "openstack", watcher_user=idle.name)
    failure = only_failure(checked(expect=1))
    assert failure["text"] == "no project is watched"
    assert f"--user {idle.name} watcher" in failure["mend"]


@pytest.mark.parametrize(
    ("service", "name"), [("nova", "nova"), ("heat", "heat"), ("cinder", "cinder"), ("neutron", "neutron")]
)
def test_a_service_that_fails_is_named_with_the_reason(
    world: World, checked: Callable[..., Findings], service: str, name: str
) -> None:
    change(world, "openstack", retries=0)
    world.openstack.wire.faults.add(Fault(FaultKind.STATUS, service=service, code=503, path="detail|stacks|networks"))
    failure = only_failure(checked(expect=1))
    assert (failure["name"], "503" in failure["text"]) == (name, True)


def test_a_broker_that_is_away(world: World, checked: Callable[..., Findings]) -> None:
    change(world, "rmq", rmq_port=free_port())
    assert only_failure(checked(expect=1))["name"] == "rabbitmq"


def test_a_broker_that_refuses_the_login(world: World, checked: Callable[..., Findings]) -> None:
    change(world, "rmq", rmq_password="hunter-two")
    found = checked(expect=1)
    assert "refused the login" in only_failure(found)["text"]
    assert "hunter" not in json.dumps(found)


def test_a_virtual_host_that_is_not_there(world: World, checked: Callable[..., Findings]) -> None:
    change(world, "rmq", rmq_path="/nowhere")
    assert "nowhere" in only_failure(checked(expect=1))["text"]


def test_one_broker_of_several_that_is_away(world: World, broker: RabbitNode, checked: Callable[..., Findings]) -> None:
    change(world, "rmq", rmq_address=[f"127.0.0.1:{free_port()}", f"127.0.0.1:{broker.port}"])
    found = checked(expect=1)
    assert [finding["status"] for finding in found["rabbitmq"]] == ["fail", "ok"]
    assert found["queue"][0]["status"] == "ok"


def test_permissions_that_are_missing(world: World, broker: RabbitNode, checked: Callable[..., Findings]) -> None:
    broker.ctl("add_user", "weak", "weak")
    try:
        broker.ctl("set_permissions", "weak", "^nothing$", "^nothing$", ".*")
        change(world, "rmq", rmq_username="weak", rmq_password="weak")
        failure = only_failure(checked(expect=1))
        assert "denies access" in failure["text"]
        assert "set_permissions" in failure["mend"]
    finally:
        broker.ctl("delete_user", "weak")


def test_exchanges_that_are_missing(world: World, broker: RabbitNode, checked: Callable[..., Findings]) -> None:
    with broker.channel() as channel:
        channel.exchange_delete("heat")
    found = checked()["exchanges"]
    assert found[1]["status"] == "warn"
    assert found[1]["text"].startswith("heat:")
    assert "messagingv2" in found[1]["mend"]


def test_without_a_broker_only_listen_is_out_of_reach(world: World, checked: Callable[..., Findings]) -> None:
    world.configure()
    assert "listen can't run" in checked()["rabbitmq"][0]["text"]


def test_notifications_are_counted_without_taking_any_away(
    world: World, broker: RabbitNode, checked: Callable[..., Findings]
) -> None:
    assert checked("--listen-for", "0.5")["notifications"][0]["status"] == "warn"
    queues = broker.ctl("list_queues", "-q", "name")
    assert "check" not in queues


def test_concertim_away(world: World, checked: Callable[..., Findings]) -> None:
    change(world, "concertim", concertim_url=f"http://127.0.0.1:{free_port()}", retries=0)
    assert "can be reached" in only_failure(checked(expect=1))["mend"]


def test_a_wrong_password_for_concertim(world: World, checked: Callable[..., Findings]) -> None:
    change(world, "concertim", concertim_password="hunter-two")
    assert "concertim_password" in only_failure(checked(expect=1))["mend"]


def test_a_user_who_is_no_root(world: World, checked: Callable[..., Findings]) -> None:
    for user in world.concertim.state.users.values():
        user.root = False
    assert "root" in only_failure(checked(expect=1))["mend"]


def test_the_licence_limit(world: World, checked: Callable[..., Findings]) -> None:
    world.concertim.state.rack_limit = 0
    failure = only_failure(checked(expect=1))
    assert (failure["name"], "limit" in failure["text"]) == ("licence", True)
    assert world.concertim.state.racks == {}


def test_templates_that_are_missing(world: World, checked: Callable[..., Findings]) -> None:
    templates = world.concertim.state.templates
    for template in [t for t in templates.values() if t.tag == "volume"]:
        del templates[template.id]
    assert "tag volume" in only_failure(checked(expect=1))["text"]


def test_a_clock_that_is_off(world: World, checked: Callable[..., Findings]) -> None:
    state = world.concertim.state
    truth = state.clock
    state.clock = lambda: truth() + 90
    assert "+90 s" in checked()["clock"][0]["text"] or "+89 s" in checked()["clock"][0]["text"]


def test_nothing_is_left_behind(world: World, checked: Callable[..., Findings]) -> None:
    before = (dict(world.concertim.state.racks), len(world.concertim.state.devices))
    checked()
    assert (dict(world.concertim.state.racks), len(world.concertim.state.devices)) == before
