"""The objects that real notifications name; the messages are one of each type, from a real broker."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from cos_update.model.errors import MalformedNotification
from cos_update.model.events import Key
from cos_update.model.kinds import ResourceKind
from cos_update.openstack.notifications import parse

FIXTURE = Path(__file__).parents[2] / "fixtures" / "notifications.jsonl"
BODIES = {
    parse(raw).type: raw for line in FIXTURE.read_text().splitlines() if (raw := json.loads(line)["body"].encode())
}

PROJECT = "56123ee277294277abd05e7a198067ca"
SERVER = Key(ResourceKind.SERVER, "a697f282-56c2-4ab7-a3da-be18d8855c4d", PROJECT)
FAILED_SERVER = Key(ResourceKind.SERVER, "4fbbca9c-ba7a-4915-8797-ba29ae259371", PROJECT)
LOGIN = Key(ResourceKind.SERVER, "383c6960-fa20-4b7e-825e-60935d27b02e", PROJECT)
VOLUME = Key(ResourceKind.VOLUME, "b0a79055-c0a7-40ae-a028-2777d581dd66", PROJECT)
STACK = Key(ResourceKind.STACK, "55525e8e-8da6-443d-8a8b-c89043eae313", PROJECT)
NESTED = Key(ResourceKind.STACK, "4aaa2500-e588-459d-95d4-35b1ad9cac03", PROJECT)
NETWORK = Key(ResourceKind.NETWORK, "c956735d-7220-49d4-a789-4d4b2a50a847", PROJECT)
FLAVOR = Key(ResourceKind.FLAVOR, "c4e104c8-a322-44f2-a7fd-14f511448147")
WATCHED = Key(ResourceKind.PROJECT, "c205ff9e733d48f6a0728a595ea76edd")


def body(event_type: str, payload: object, *, envelope: bool = True, **more: object) -> bytes:
    message = {"event_type": event_type, "payload": payload, "timestamp": "2026-01-01 00:00:00", **more}
    outer = {"oslo.version": "2.0", "oslo.message": json.dumps(message)} if envelope else message
    return json.dumps(outer).encode()


@pytest.mark.parametrize(
    ("event_type", "keys"),
    [
        ("compute.instance.update", [SERVER]),
        ("instance.update", [SERVER]),
        ("compute.instance.resize.confirm.end", [SERVER]),
        ("instance.delete.end", [SERVER]),
        ("compute.instance.volume.attach", [SERVER, VOLUME]),
        ("instance.volume_detach.end", [SERVER, VOLUME]),
        ("instance.interface_attach.end", [SERVER]),
        ("compute_task.build_instances", [FAILED_SERVER]),
        ("compute_task.build_instances.error", [FAILED_SERVER]),
        ("orchestration.stack.create.start", [STACK]),
        ("orchestration.stack.create.end", [NESTED]),
        ("orchestration.stack.delete.end", [NESTED]),
        ("volume.create.end", [VOLUME]),
        ("volume.attach.end", [VOLUME, SERVER]),
        ("volume.resize.start", [VOLUME]),
        ("network.create.end", [NETWORK]),
        ("network.delete.start", []),
        ("network.delete.end", [NETWORK]),
        ("subnet.create.end", [NETWORK]),
        ("subnet.delete.end", [NETWORK]),
        ("port.update.end", [SERVER]),
        ("port.delete.end", [SERVER]),
        ("floatingip.create.end", [LOGIN]),
        ("floatingip.delete.end", [LOGIN]),
        ("flavor.create", [FLAVOR]),
        ("flavor.delete", [FLAVOR]),
        ("identity.role_assignment.created", [WATCHED]),
        ("identity.project.updated", [WATCHED]),
    ],
)
def test_a_real_notification_names_its_objects(event_type: str, keys: list[Key]) -> None:
    assert list(parse(BODIES[event_type]).keys) == keys


@pytest.mark.parametrize("event_type", sorted(BODIES))
def test_every_real_notification_is_understood_in_both_envelopes(event_type: str) -> None:
    enveloped = parse(BODIES[event_type])
    assert parse(json.loads(BODIES[event_type])["oslo.message"].encode()) == enveloped
    assert enveloped.timestamp.startswith("2026-11-23")


@pytest.mark.parametrize(
    "event_type",
    ["router.create.end", "security_group.create.end", "keypair.create.end", "image.update", "identity.user.created"],
)
def test_what_is_not_shown_names_nothing(event_type: str) -> None:
    assert parse(BODIES[event_type]).keys == ()


@pytest.mark.parametrize("event_type", ["compute.instance.exists", "instance.exists"])
def test_reports_of_what_has_not_changed_name_nothing(event_type: str) -> None:
    assert parse(BODIES[event_type]).keys == ()


def test_only_changes_of_addresses_lag() -> None:
    lagging = {event_type for event_type, each in BODIES.items() if parse(each).lags}
    assert {event_type.partition(".")[0] for event_type in lagging} == {"port", "floatingip"}


def test_the_ports_of_routers_and_dhcp_are_no_servers() -> None:
    port = {"id": "p", "device_id": "d", "device_owner": "network:router_interface", "tenant_id": "t"}
    assert parse(body("port.create.end", {"port": port})).keys == ()


def test_a_port_that_nobody_owns_yet_may_be_a_servers() -> None:
    port = {"id": "p", "device_id": "d", "device_owner": "", "tenant_id": "t"}
    assert parse(body("port.create.end", {"port": port})).keys == (Key(ResourceKind.SERVER, "d", "t"),)


@pytest.mark.parametrize("device", ["rack 3/slot 1", "x" * 256, "..", 7, None])
def test_a_port_may_be_of_any_device_and_takes_no_server_in_its_message_along(device: object) -> None:
    ports = [{"device_id": each, "device_owner": "compute:nova", "tenant_id": "t"} for each in (device, "d")]
    assert parse(body("port.create.end", {"ports": ports})).keys == (Key(ResourceKind.SERVER, "d", "t"),)


def test_ports_made_in_bulk_name_all_their_servers() -> None:
    ports = [{"id": f"p{n}", "device_id": f"d{n}", "device_owner": "compute:nova", "tenant_id": "t"} for n in range(3)]
    assert [key.id for key in parse(body("port.create.end", {"ports": ports})).keys] == ["d0", "d1", "d2"]


def test_a_floating_ip_that_leads_nowhere_any_more_is_named_by_its_address() -> None:
    floating = {
        "id": "f",
        "port_id": None,
        "port_details": None,
        "floating_ip_address": "203.0.113.7",
        "tenant_id": "t",
    }
    found = parse(body("floatingip.update.end", {"floatingip": floating}))
    assert found.keys == (Key(ResourceKind.ADDRESS, "203.0.113.7", "t"),)


def test_a_stack_may_be_named_by_an_arn() -> None:
    payload = {"stack_identity": "arn:openstack:heat::t:stacks/name/s1", "tenant_id": "t"}
    assert parse(body("orchestration.stack.update.end", payload)).keys == (Key(ResourceKind.STACK, "s1", "t"),)


def test_a_role_of_a_domain_or_group_may_concern_any_project() -> None:
    found = parse(body("identity.role_assignment.created", {"domain": "d", "group": "g", "role": "r"}))
    assert found.keys == (Key(ResourceKind.PROJECT, ""),)


def test_a_role_that_the_projects_below_inherit_may_concern_any_project() -> None:
    payload = {"project": "p", "user": "u", "role": "r", "inherited_to_projects": True}
    assert parse(body("identity.role_assignment.deleted", payload)).keys == (Key(ResourceKind.PROJECT, ""),)


def test_a_group_with_other_members_may_concern_any_project() -> None:
    assert parse(body("identity.group.updated", {"resource_info": "g"})).keys == (Key(ResourceKind.PROJECT, ""),)


def test_a_server_that_cannot_be_moved_or_rebuilt_is_named_as_one_that_cannot_be_built() -> None:
    legacy = {"instance_id": "s", "request_spec": {"instance_properties": {"project_id": "t"}}}
    assert parse(body("compute_task.migrate_server", legacy)).keys == (Key(ResourceKind.SERVER, "s", "t"),)
    versioned = {
        "nova_object.data": {
            "instance_uuid": "s",
            "request_spec": {"nova_object.data": {"project_id": "t"}},
        }
    }
    assert parse(body("compute_task.rebuild_server.error", versioned)).keys == (Key(ResourceKind.SERVER, "s", "t"),)


@pytest.mark.parametrize("event_type", ["backup.create.end", "backup.restore.start"])
def test_a_backup_names_its_volume(event_type: str) -> None:
    assert parse(body(event_type, {"volume_id": "v", "tenant_id": "t"})).keys == (Key(ResourceKind.VOLUME, "v", "t"),)


def test_a_snapshot_names_nothing() -> None:
    assert parse(body("snapshot.create.end", {"volume_id": "v", "tenant_id": "t"})).keys == ()


@pytest.mark.parametrize("timestamp", [None, 5, "\ud800", "\x1b[31m", "2026" * 100])
def test_a_time_that_is_none_is_left_out(timestamp: object) -> None:
    assert parse(body("flavor.create", {"nova_object.data": {"flavorid": "f"}}, timestamp=timestamp)).timestamp == ""


def test_what_is_not_ours_may_be_as_odd_as_it_likes() -> None:
    assert parse(body("something.else", "no payload at all")).keys == ()
    assert parse(body("volume.usage", None)).keys == ()


@pytest.mark.parametrize(
    ("raw", "reason"),
    [
        (b"", "not JSON"),
        (b"{", "not JSON"),
        (b"\xff\xfe", "not UTF-8"),
        (b"[]", "not a JSON object"),
        (b"null", "not a JSON object"),
        (b"{}", "no event_type"),
        (b'{"event_type": 7}', "no event_type"),
        (b'{"oslo.version": "2.0", "oslo.message": "{"}', "oslo.message is not JSON"),
        (b'{"oslo.message": 5}', "oslo.message is not a JSON object"),
        (b"[" * 200_000, "nested too deeply"),
        (body("compute.instance.update", None), "without a payload"),
        (body("compute.instance.update", {}), "no instance_id"),
        (body("compute.instance.update", {"instance_id": ["x"]}), "instance_id is not an id"),
        (body("compute.instance.update", {"instance_id": "x" * 256}), "instance_id is not an id"),
        (body("compute.instance.update", {"instance_id": "../../projects"}), "instance_id is not an id"),
        (body("compute.instance.update", {"instance_id": ".."}), "instance_id is not an id"),
        (body("compute.instance.update", {"instance_id": "a\nb"}), "instance_id is not an id"),
        (body("compute.instance.update", {"instance_id": "a?b"}), "instance_id is not an id"),
        (body("compute.instance.update", {"instance_id": "i", "tenant_id": {}}), "tenant_id is not an id"),
        (body("instance.update", {"nova_object.data": []}), "nova_object.data is not a JSON object"),
        (body("port.update.end", {"port": 5}), "port is not a JSON object"),
    ],
)
def test_a_malformed_message_is_told_apart_with_the_reason(raw: bytes, reason: str) -> None:
    with pytest.raises(MalformedNotification, match=reason) as caught:
        parse(raw)
    assert len(str(caught.value)) < 200


def test_five_megabytes_of_nothing_are_malformed_like_a_little_of_it() -> None:
    with pytest.raises(MalformedNotification):
        parse(b"x" * 5_000_000)
    assert parse(body("compute.instance.update", {"instance_id": "i", "metadata": "x" * 5_000_000})).keys[0].id == "i"
