"""Writing to Concertim: exactly once, whatever happens to the responses."""

from __future__ import annotations

import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace

import pytest

from cos_update.concertim.client import ConcertimClient
from cos_update.fakes import Fault, FaultKind, Sandbox
from cos_update.fakes.concertim import ConcertimApp
from cos_update.model.concertim import (
    OBJECT_ID,
    STACK_ID,
    Device,
    InstanceDetails,
    Location,
    NetworkDetails,
    Rack,
    Template,
    VolumeDetails,
)
from cos_update.model.errors import Gone, Refused, Unavailable
from cos_update.model.kinds import ResourceKind

Connect = Callable[..., ConcertimClient]
TEMPLATE = Template("", "m1", 2, "f1", 2, 2048, 20, "flavor")
RACK = Rack("", "r_1", "team", 20, "ACTIVE", {STACK_ID: "s1"}, {"net": {"a": 1}}, "a=b", "s1")
DEVICE = Device(
    "",
    "n-1",
    ResourceKind.SERVER,
    "rack",
    "template",
    "ACTIVE",
    Location(3, 4),
    InstanceDetails("1.1.1.1", "10.0.0.1", "key", "centos", [{"id": "v1", "size": 3}]),
    "text",
    {OBJECT_ID: "i1", "net_interfaces": [{"network": "n"}]},
)
THERE = Rack("rack", "there", "team", 20, "ACTIVE")
PLAIN = Template("template", "there", 2)
LOST = [
    Fault(FaultKind.CUT),
    Fault(FaultKind.LOST_ANSWER),
    Fault(FaultKind.TRUNCATE),
    *(Fault(FaultKind.STATUS, code=code) for code in (502, 503, 504)),
    Fault(FaultKind.STATUS, code=200, body="<html>"),
    Fault(FaultKind.STATUS, code=200, body={}),
]


@pytest.fixture
def app(app: ConcertimApp) -> ConcertimApp:
    """With a team, and a rack and a template of these names as ids."""
    app.state.add_team("t1", "p1", id="team")
    app.state.add_rack("there", app.state.teams["team"], 20, id="rack")
    app.state.add_template("there", 2, id="template")
    return app


def create(client: ConcertimClient, kind: str) -> Template | Rack | Device:
    return client.create({"templates": TEMPLATE, "racks": RACK, "nodes": DEVICE}[kind])


def made(app: ConcertimApp, kind: str) -> list[str]:
    """The ids of what `create` has made."""
    if kind == "templates":
        return [template.id for template in app.state.templates.values() if template.name == "m1"]
    if kind == "racks":
        return [rack.id for rack in app.state.racks.values() if rack.name == "r_1"]
    return [device.id for device in app.state.devices.values()]


def sent(app: ConcertimApp, method: str) -> list[object]:
    return [r.body for r in app.wire.requests if r.method == method and r.path.startswith("/api/v1")]


KINDS = pytest.mark.parametrize("kind", ["templates", "racks", "nodes"])


def test_what_was_created_is_what_is_read(app: ConcertimApp, client: ConcertimClient) -> None:
    template, rack, device = (create(client, kind) for kind in ("templates", "racks", "nodes"))
    assert template == replace(TEMPLATE, id=template.id)
    assert rack == replace(RACK, id=rack.id)
    assert device == replace(DEVICE, id=device.id)
    actual = client.read_all()
    assert actual.templates[template.id] == template
    assert actual.racks[rack.id] == rack
    assert actual.devices[device.id] == device
    assert app.refusals == []


@pytest.mark.parametrize(
    ("kind", "tag", "details", "status"),
    [
        (ResourceKind.VOLUME, "volume", VolumeDetails("nova", True, None, False, 10, "lvm"), "AVAILABLE"),
        (ResourceKind.NETWORK, "network", NetworkDetails(True, "x.", None, 1450, True, False, ""), "STOPPED"),
    ],
)
def test_volumes_and_networks_are_created_with_their_details(
    app: ConcertimApp,
    client: ConcertimClient,
    kind: ResourceKind,
    tag: str,
    details: VolumeDetails | NetworkDetails,
    status: str,
) -> None:
    template = app.state.tagged(tag)
    place = Location(5, 4 + template.height)
    wanted = replace(DEVICE, kind=kind, template_id=template.id, location=place, details=details, status=status)
    device = client.create(wanted)
    assert device == replace(wanted, id=device.id) == client.device(device.id)


def test_the_older_api_takes_racks_and_instances(older: ConcertimApp, connect: Connect) -> None:
    older.state.add_user("alice", project_id="p1", id="alice")
    client = connect(older.url)
    template = client.create(TEMPLATE)
    rack = client.create(replace(RACK, owner_id="alice"))
    device = client.create(replace(DEVICE, rack_id=rack.id, template_id=template.id))
    changed = client.update(device, {"status": "STOPPED", "details": {"public_ips": "2.2.2.2"}})
    assert isinstance(device.details, InstanceDetails)
    assert changed == replace(device, status="STOPPED", details=replace(device.details, public_ips="2.2.2.2"))
    assert client.device(device.id) == changed
    assert older.refusals == []


@KINDS
@pytest.mark.parametrize("fault", LOST, ids=lambda fault: f"{fault.kind}-{fault.code}-{fault.body}")
def test_a_lost_answer_creates_nothing_twice(
    app: ConcertimApp, client: ConcertimClient, kind: str, fault: Fault
) -> None:
    app.wire.faults.add(replace(fault, method="POST", path=f"/{kind}$", times=1))
    created = create(client, kind)
    assert made(app, kind) == [created.id]


@KINDS
def test_what_was_done_in_spite_of_a_lost_answer_is_not_asked_for_again(
    app: ConcertimApp, client: ConcertimClient, kind: str
) -> None:
    app.wire.faults.add(Fault(FaultKind.LOST_ANSWER, method="POST", path=f"/{kind}$"))
    create(client, kind)
    assert len(sent(app, "POST")) == 1


@KINDS
def test_a_create_that_is_never_answered_is_given_up(app: ConcertimApp, client: ConcertimClient, kind: str) -> None:
    app.wire.faults.add(Fault(FaultKind.CUT, method="POST", path=f"/{kind}$"))
    with pytest.raises(Unavailable, match=r"closed the connection.*tried 2 times"):
        create(client, kind)
    assert len(sent(app, "POST")) == 2


def test_a_create_that_was_carried_out_after_we_looked_is_found(app: ConcertimApp, client: ConcertimClient) -> None:
    app.wire.faults.add(Fault(FaultKind.LOST_ANSWER, method="POST", path="/racks$", times=1))
    app.wire.faults.add(Fault(FaultKind.EMPTY, method="GET", path="/racks$", times=1))
    created = create(client, "racks")
    assert made(app, "racks") == [created.id]
    assert [refusal.status for refusal in app.refusals] == [422]


def test_what_has_no_id_of_ours_is_never_sent_twice(app: ConcertimApp, client: ConcertimClient) -> None:
    client.flavour()
    app.wire.faults.add(Fault(FaultKind.CUT, method="POST", path="/api/v1"))
    for attempt in (
        lambda: client.create(replace(TEMPLATE, foreign_id="")),
        lambda: client.create(replace(RACK, metadata={})),
        lambda: client.create(replace(DEVICE, metadata={})),
    ):
        app.wire.reset()
        with pytest.raises(Unavailable):
            attempt()
        assert len(sent(app, "POST")) == 1


def test_a_device_that_is_being_replaced_is_not_taken_for_the_new_one(
    app: ConcertimApp, client: ConcertimClient
) -> None:
    old_template = app.state.add_template("old")
    old = app.state.add_device(app.state.racks["rack"], "n-1-old", old_template, 10, metadata={OBJECT_ID: "i1"})
    app.wire.faults.add(Fault(FaultKind.CUT, method="POST", path="/nodes$", times=1))
    created = create(client, "nodes")
    assert created.id != old.id
    assert len(made(app, "nodes")) == 2


def test_a_create_that_was_turned_away_is_sent_again_without_looking(
    app: ConcertimApp, client: ConcertimClient
) -> None:
    app.wire.faults.add(Fault(FaultKind.STATUS, method="POST", path="/racks$", code=429, times=2))
    client.flavour()
    app.wire.reset()
    create(client, "racks")
    assert [(r.method, r.status) for r in app.wire.requests] == [("POST", 429), ("POST", 429), ("POST", 200)]


def test_a_create_with_a_dead_token_is_sent_again(app: ConcertimApp, client: ConcertimClient) -> None:
    client.flavour()
    app.tokens.revoke_all()
    create(client, "racks")
    assert len(made(app, "racks")) == 1


def test_a_device_for_a_rack_that_is_gone_is_gone_too(app: ConcertimApp, client: ConcertimClient) -> None:
    app.state.remove_rack("rack")
    with pytest.raises(Gone, match="rack of n-1"):
        create(client, "nodes")


def test_a_device_for_a_template_that_is_gone_is_gone_too(app: ConcertimApp, client: ConcertimClient) -> None:
    del app.state.templates["template"]
    with pytest.raises(Gone):
        create(client, "nodes")


def test_a_refusal_gives_the_apps_reason_and_is_asked_for_once(app: ConcertimApp, client: ConcertimClient) -> None:
    create(client, "nodes")
    app.wire.reset()
    with pytest.raises(Refused) as refusal:
        client.create(replace(DEVICE, name="n-2"))
    assert (str(refusal.value), refusal.value.status) == ("start_u is occupied", 422)
    with pytest.raises(Refused, match=r"^name is already taken$"):
        client.create(replace(DEVICE, location=Location(9, 10)))
    assert len(sent(app, "POST")) == 2


def test_a_login_that_may_not_write_is_reported(app: ConcertimApp, connect: Connect) -> None:
    app.state.add_user("alice", "secret")
    with pytest.raises(Refused, match="Not Authorized") as refusal:
        connect(app.url, username="alice", password="secret").create(TEMPLATE)
    assert "concertim.concertim_username" in refusal.value.hint


def test_updates_send_what_changed_and_nothing_else(app: ConcertimApp, client: ConcertimClient) -> None:
    template, rack = client.create(TEMPLATE), client.create(RACK)
    device = client.create(DEVICE)
    assert client.update(template, {"disk": None, "ram": 4096}) == replace(template, disk=None, ram=4096)
    assert client.update(rack, {"height": 30, "metadata": {"a": 1}}) == replace(rack, height=30, metadata={"a": 1})
    assert client.update(device, {"name": "n-2", "details": {"public_ips": ""}}) == client.device(device.id)
    assert sent(app, "PATCH") == [
        {"template": {"disk": None, "ram": 4096}},
        {"rack": {"u_height": 30, "metadata": {"a": 1}}},
        {"device": {"name": "n-2", "details": {"public_ips": ""}}},
    ]


@pytest.mark.parametrize("fault", LOST[:6], ids=lambda fault: f"{fault.kind}-{fault.code}")
def test_an_update_is_repeated_until_it_is_answered(app: ConcertimApp, client: ConcertimClient, fault: Fault) -> None:
    app.wire.faults.add(replace(fault, method="PATCH", times=2))
    assert client.update(THERE, {"status": "STOPPED"}).status == "STOPPED"
    assert len(sent(app, "PATCH")) == 3


@pytest.mark.parametrize("body", ["<html>", {}, []])
def test_after_an_update_with_an_unusable_answer_the_object_is_read(
    app: ConcertimApp, client: ConcertimClient, body: object
) -> None:
    device = client.create(DEVICE)
    app.wire.faults.add(Fault(FaultKind.STATUS, method="PATCH", code=200, body=body))
    assert client.update(device, {"status": "STOPPED"}) == device
    assert client.update(THERE, {"status": "STOPPED"}).name == "there"
    assert client.update(PLAIN, {"ram": 1}).name == "there"
    assert len(sent(app, "PATCH")) == 3


def test_a_refused_update_may_be_done_in_part(app: ConcertimApp, client: ConcertimClient) -> None:
    device = client.create(DEVICE)
    with pytest.raises(Refused, match="status must be one of"):
        client.update(device, {"status": "NONSENSE", "details": {"public_ips": "2.2.2.2"}})
    now = client.device(device.id)
    assert now is not None
    assert isinstance(now.details, InstanceDetails)
    assert (now.status, now.details.public_ips) == ("ACTIVE", "2.2.2.2")


def test_updates_of_what_is_gone_say_so(client: ConcertimClient) -> None:
    for attempt in (
        lambda: client.update(replace(PLAIN, id="nope"), {"ram": 1}),
        lambda: client.update(replace(THERE, id="nope"), {"status": "ACTIVE"}),
        lambda: client.update(replace(DEVICE, id="nope"), {"status": "ACTIVE"}),
    ):
        with pytest.raises(Gone):
            attempt()


def test_deleting_what_is_gone_is_fine(app: ConcertimApp, client: ConcertimClient) -> None:
    for _ in range(2):
        client.delete(THERE)
        client.delete(PLAIN)
        client.delete(replace(DEVICE, id="nope"))
    assert "rack" not in app.state.racks
    assert "template" not in app.state.templates


def test_nothing_is_deleted_with_what_it_holds(app: ConcertimApp, client: ConcertimClient) -> None:
    create(client, "nodes")
    with pytest.raises(Refused, match=r"^rack is not empty$"):
        client.delete(THERE)
    with pytest.raises(Refused, match="devices have been created from this template"):
        client.delete(PLAIN)
    assert len(app.state.devices) == 1


@pytest.mark.parametrize("kind", [FaultKind.CUT, FaultKind.LOST_ANSWER])
def test_a_delete_is_repeated_until_it_is_answered(app: ConcertimApp, client: ConcertimClient, kind: FaultKind) -> None:
    app.wire.faults.add(Fault(kind, method="DELETE", times=2))
    client.delete(THERE)
    assert "rack" not in app.state.racks


def test_an_app_that_was_restarted_fails_no_write(connect: Connect) -> None:
    app = ConcertimApp()
    app.state.add_team("t1", "p1", id="team")
    sandbox = Sandbox(app)
    with sandbox:
        client = connect(app.url)
        client.create(TEMPLATE)
        sandbox.stop()
        sandbox.start()
        client.create(RACK)
    assert len(made(app, "racks")) == 1


def test_no_more_writes_go_at_once_than_allowed(app: ConcertimApp, connect: Connect) -> None:
    client = connect(app.url, concurrency=2)
    client.flavour()
    app.wire.reset()
    app.wire.latency = 0.05
    with ThreadPoolExecutor(6) as pool:
        list(pool.map(lambda i: client.delete(replace(THERE, id=f"nope-{i}")), range(6)))
    assert app.wire.peak_in_flight == 2


def test_a_labouring_app_gets_fewer_writes_at_once(app: ConcertimApp, connect: Connect) -> None:
    client = connect(app.url, concurrency=2)
    client.flavour()
    app.wire.faults.add(Fault(FaultKind.STATUS, method="DELETE", code=503, times=1))
    client.delete(replace(THERE, id="nope"))
    app.wire.reset()
    app.wire.latency = 0.02
    with ThreadPoolExecutor(4) as pool:
        list(pool.map(lambda i: client.delete(replace(THERE, id=f"nope-{i}")), range(4)))
    assert app.wire.peak_in_flight == 1


def test_waiting_for_another_try_holds_no_place(app: ConcertimApp, connect: Connect) -> None:
    client = connect(app.url, concurrency=1)
    client.flavour()
    app.wire.faults.add(Fault(FaultKind.STATUS, method="DELETE", path="busy", code=503, retry_after=50, times=1))
    with ThreadPoolExecutor(1) as pool:
        waiting = pool.submit(client.delete, replace(THERE, id="busy"))
        while not sent(app, "DELETE"):
            time.sleep(0.01)
        client.delete(replace(THERE, id="other"))
        assert not waiting.done()
        client.close()
        with pytest.raises(Unavailable):
            waiting.result(timeout=30)
