"""Reading Concertim: everything in full, or an error; an incomplete result never passes for a complete one."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor

import pytest
from scripted import Reply, ScriptedServer

from cos_update.concertim.client import ConcertimClient
from cos_update.fakes import Fault, FaultKind, Sandbox
from cos_update.fakes.concertim import ConcertimApp
from cos_update.model.concertim import ApiFlavour, InstanceDetails, Location, Owner, Rack, VolumeDetails
from cos_update.model.errors import Gone, Refused, Unavailable
from cos_update.model.kinds import ResourceKind

Connect = Callable[..., ConcertimClient]


def fill(app: ConcertimApp) -> None:
    team = app.state.add_team("t1", "p1", id="team")
    app.state.add_team("no-project", id="other")
    template = app.state.add_template("m1", 2, foreign_id="f1", vcpus=2, ram=2048, id="template")
    rack = app.state.add_rack("r1", team, 20, metadata={"openstack_stack_id": "s1"}, id="rack")
    ours = {"openstack_instance_id": "i1"}
    app.state.add_device(rack, "n1", template, 3, metadata=ours, details={"public_ips": "1.1.1.1"}, id="n1")
    app.state.add_device(rack, "v1", app.state.tagged("volume"), 5, type="Volume", details={"size": 3}, id="v1")


def requests_of(app: ConcertimApp, path: str) -> int:
    return sum(request.path == f"/api/v1/{path}" for request in app.wire.requests)


def test_everything_is_read_in_full(app: ConcertimApp, client: ConcertimClient) -> None:
    fill(app)
    before = time.time()
    actual = client.read_all()
    assert before <= actual.began <= time.time()
    assert actual.flavour is ApiFlavour.TEAMS
    assert actual.owners == {"team": Owner("team", "t1", "p1"), "other": Owner("other", "no-project", "")}
    assert (actual.templates["template"].foreign_id, actual.templates["template"].disk) == ("f1", None)
    assert {template.tag for template in actual.templates.values()} == {None, "network", "volume"}
    assert (actual.racks["rack"].stack_id, actual.racks["rack"].owner_id) == ("s1", "team")
    instance, volume = actual.devices["n1"], actual.devices["v1"]
    assert (instance.object_id, instance.location, instance.template_id) == ("i1", Location(3, 4), "template")
    assert instance.details == InstanceDetails(public_ips="1.1.1.1")
    assert (volume.kind, volume.details) == (ResourceKind.VOLUME, VolumeDetails(size=3))


def test_the_older_api_is_recognised_and_read(older: ConcertimApp, connect: Connect) -> None:
    alice = older.state.add_user("alice", project_id="p1", id="alice")
    template = older.state.add_template("m1")
    rack = older.state.add_rack("r1", alice, id="rack")
    older.state.add_device(rack, "n1", template, 1, details={"private_ips": "10.0.0.1"}, id="n1")
    client = connect(older.url)
    actual = client.read_all()
    assert actual.flavour is ApiFlavour.USERS
    assert actual.owners["alice"] == Owner("alice", "alice", "p1")
    assert sorted(owner.project_id for owner in actual.owners.values()) == ["", "p1"]
    assert actual.racks["rack"].owner_id == "alice"
    assert (actual.devices["n1"].kind, actual.devices["n1"].details) == (
        ResourceKind.SERVER,
        InstanceDetails(private_ips="10.0.0.1"),
    )
    assert client.read_structure()[0].devices[0].kind is ResourceKind.SERVER


def test_the_api_is_asked_for_once_and_not_when_it_is_configured(app: ConcertimApp, connect: Connect) -> None:
    asking = connect(app.url)
    assert [asking.flavour() for _ in range(3)] == [ApiFlavour.TEAMS] * 3
    assert connect(app.url, api=ApiFlavour.USERS).flavour() is ApiFlavour.USERS
    assert requests_of(app, "teams") == 1


def test_the_teams_are_asked_for_once_in_each_reading(app: ConcertimApp, client: ConcertimClient) -> None:
    fill(app)
    for readings in (1, 2, 3):
        assert sorted(client.read_all().owners) == ["other", "team"]
        assert requests_of(app, "teams") == readings


def test_teams_made_after_the_api_was_asked_for_are_seen(app: ConcertimApp, client: ConcertimClient) -> None:
    assert client.flavour() is ApiFlavour.TEAMS
    fill(app)
    assert sorted(owner.id for owner in client.owners()) == ["other", "team"]


def test_the_older_api_is_asked_for_its_teams_once_too(older: ConcertimApp, connect: Connect) -> None:
    older.state.add_user("alice", project_id="p1", id="alice")
    client = connect(older.url)
    for readings in (1, 2):
        assert "alice" in client.read_all().owners
        assert requests_of(older, "teams") == readings


def test_one_rack_and_one_device(app: ConcertimApp, client: ConcertimClient) -> None:
    fill(app)
    actual = client.read_all()
    found = client.rack("rack")
    assert found is not None
    assert found[0] == actual.racks["rack"]
    assert {device.id: device for device in found[1]} == actual.devices
    assert client.device("n1") == actual.devices["n1"]


def test_what_is_gone_is_none(client: ConcertimClient) -> None:
    assert (client.rack("nope"), client.device("nope")) == (None, None)


def test_an_id_is_one_piece_of_the_path(client: ConcertimClient) -> None:
    assert client.rack("../users/current?x=") is None
    with pytest.raises(ValueError, match="id"):
        client.rack("")


def test_the_structure_read_agrees_with_the_full_one(app: ConcertimApp, client: ConcertimClient) -> None:
    fill(app)
    app.state.add_rack("empty", next(iter(app.state.teams.values())))
    actual = client.read_all()
    racks = client.read_structure()
    assert {(r.id, r.name, r.height, r.status, r.owner_id) for r in racks} == {
        (r.id, r.name, r.height, r.status, r.owner_id) for r in actual.racks.values()
    }
    shown = {
        (r.id, d.id, d.name, d.status, d.kind, d.start_u, d.end_u, d.template_id) for r in racks for d in r.devices
    }
    assert shown == {
        (d.rack_id, d.id, d.name, d.status, d.kind, d.location.start_u, d.location.end_u, d.template_id)
        for d in actual.devices.values()
    }


def test_an_app_without_the_structure_read_says_so(app: ConcertimApp, client: ConcertimClient) -> None:
    app.wire.faults.add(Fault(FaultKind.STATUS, path="/irv/racks", code=404))
    with pytest.raises(Gone):
        client.read_structure()


def test_a_device_made_while_everything_is_read_comes_with_its_rack(
    app: ConcertimApp, client: ConcertimClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    fill(app)
    read_racks = client.racks

    def racks_and_then_more() -> object:
        found = read_racks()
        rack = app.state.add_rack("late", app.state.teams["team"], id="late")
        app.state.add_device(rack, "late", app.state.templates["template"], 1)
        monkeypatch.setattr(client, "racks", read_racks)
        return found

    monkeypatch.setattr(client, "racks", racks_and_then_more)
    actual = client.read_all()
    assert "late" in actual.racks
    assert {device.rack_id for device in actual.devices.values()} <= actual.racks.keys()
    assert "late" in {device.name for device in actual.devices.values()}


@pytest.mark.parametrize("kind", [FaultKind.TRUNCATE, FaultKind.CUT, FaultKind.LOST_ANSWER])
def test_a_cut_answer_is_asked_for_again(app: ConcertimApp, client: ConcertimClient, kind: FaultKind) -> None:
    fill(app)
    client.flavour()
    app.wire.faults.add(Fault(kind, path="/devices$", times=2))
    assert len(client.devices()) == 2
    assert requests_of(app, "devices") == 3


@pytest.mark.parametrize(
    ("fault", "words"),
    [
        (Fault(FaultKind.TRUNCATE, path="/racks$"), r"closed the connection without a complete answer"),
        (Fault(FaultKind.STATUS, path="/racks$", code=200, body="<html>"), r"sent a response that is not JSON"),
        (Fault(FaultKind.STATUS, path="/racks$", code=504), r"answered 504"),
    ],
)
def test_after_the_allowed_tries_it_is_unavailable(
    app: ConcertimApp, connect: Connect, fault: Fault, words: str
) -> None:
    app.wire.faults.add(fault)
    with pytest.raises(Unavailable, match=rf"{words} \(GET /api/v1/racks\); tried 3 times") as failure:
        connect(app.url, retries=2).racks()
    assert failure.value.hint
    assert requests_of(app, "racks") == 3


def test_an_answer_that_does_not_come_is_not_waited_for_for_ever(app: ConcertimApp, connect: Connect) -> None:
    app.wire.faults.add(Fault(FaultKind.HANG, path="/racks$"))
    client = connect(app.url, retries=1, timeout=0.2)
    words = rf"^Concertim at {app.url} did not answer within 0\.2 s \(GET /api/v1/racks\); tried 2 times$"
    with pytest.raises(Unavailable, match=words):
        client.racks()


@pytest.mark.parametrize("body", [{}, {"racks": []}, [{"name": "r"}], [None], "text", 1, [{"id": None}]])
def test_a_listing_of_another_shape_is_an_error_and_never_empty(
    app: ConcertimApp, client: ConcertimClient, body: object
) -> None:
    app.wire.faults.add(Fault(FaultKind.STATUS, path="/racks$", code=200, body=body))
    with pytest.raises(Unavailable):
        client.racks()


def test_a_fault_of_the_app_is_permanent_and_asked_for_once(app: ConcertimApp, client: ConcertimClient) -> None:
    app.wire.faults.add(Fault(FaultKind.STATUS, path="/racks$", code=500, body={"errors": [{"title": "NameError"}]}))
    with pytest.raises(Refused, match=r"Concertim failed \(500 NameError\)"):
        client.racks()
    assert requests_of(app, "racks") == 1


def test_an_address_without_the_api_is_not_taken_for_an_empty_app(app: ConcertimApp, client: ConcertimClient) -> None:
    app.wire.faults.add(Fault(FaultKind.STATUS, path="/racks$", code=404))
    with pytest.raises(Unavailable, match="no list of racks") as failure:
        client.racks()
    assert "concertim.concertim_url" in failure.value.hint


def test_the_app_is_left_alone_for_as_long_as_it_asks(app: ConcertimApp, client: ConcertimClient) -> None:
    client.racks()
    app.wire.faults.add(Fault(FaultKind.STATUS, path="/racks$", code=503, retry_after=0.4, times=1))
    began = time.monotonic()
    client.racks()
    assert time.monotonic() - began >= 0.4


def test_an_app_that_asks_for_an_hour_is_not_waited_for(app: ConcertimApp, client: ConcertimClient) -> None:
    app.wire.faults.add(Fault(FaultKind.STATUS, path="/racks$", code=429, retry_after=3600))
    with pytest.raises(Unavailable, match="answered 429"):
        client.racks()
    assert requests_of(app, "racks") == 1


def test_closing_wakes_whoever_waits_for_another_try(app: ConcertimApp, connect: Connect) -> None:
    app.wire.faults.add(Fault(FaultKind.STATUS, path="/racks$", code=503, retry_after=50))
    client = connect(app.url)
    with ThreadPoolExecutor(1) as pool:
        reading = pool.submit(client.racks)
        while not requests_of(app, "racks"):
            time.sleep(0.01)
        client.close()
        with pytest.raises(Unavailable):
            reading.result(timeout=30)


def test_no_more_than_two_reads_go_at_once(app: ConcertimApp, client: ConcertimClient) -> None:
    client.racks()
    app.wire.reset()
    app.wire.latency = 0.05
    with ThreadPoolExecutor(6) as pool:
        list(pool.map(lambda _: client.racks(), range(6)))
    assert app.wire.peak_in_flight == 2


def test_a_redirect_is_an_error_and_not_followed(connect: Connect) -> None:
    login_page = Reply(302, b"", {"Location": "https://sso.example.com/login?token=abc"})
    with ScriptedServer(lambda request: None if "sign_in" in request.path else login_page) as server:
        with pytest.raises(Unavailable, match=r"redirects to https://sso\.example\.com/login \(302 .* a proxy answers"):
            connect(server.url).racks()
        assert len(server.requests) == 2


def test_what_was_sent_is_counted(app: ConcertimApp, client: ConcertimClient) -> None:
    app.wire.faults.add(Fault(FaultKind.STATUS, path="/racks$", code=503, times=1))
    client.racks()
    client.delete(Rack("nope", "", "", 1, ""))
    assert (client.counts.reads, client.counts.writes, client.counts.logins) == (2, 1, 1)


def test_the_current_user(app: ConcertimApp, connect: Connect) -> None:
    app.state.add_user("alice", "secret")
    assert connect(app.url).current_user().root
    alice = connect(app.url, username="alice", password="secret").current_user()
    assert (alice.login, alice.root) == ("alice", False)


@pytest.fixture
def newer() -> Iterator[ConcertimApp]:
    fake = ConcertimApp(ApiFlavour.CREDITS)
    with Sandbox(fake):
        yield fake


def test_the_newer_api_is_recognised_by_teams_without_costs(newer: ConcertimApp, connect: Connect) -> None:
    client = connect(newer.url)
    assert client.read_all().flavour is ApiFlavour.TEAMS  # there is no team to tell it by
    newer.state.add_team("t1", "p1")
    assert client.read_all().flavour is ApiFlavour.CREDITS
    assert requests_of(newer, "teams") == 2


def test_the_newer_api_is_recognised_by_what_it_requires_too(newer: ConcertimApp, connect: Connect) -> None:
    client = connect(newer.url)
    assert client.flavour() is ApiFlavour.TEAMS
    team = newer.state.add_team("t1", "p1")
    rack = Rack("", "r1", team.id, 42, "ACTIVE", created="2026-01-01T00:00:00Z", cluster_type="slurm")
    assert client.create(rack).name == "r1"
    assert client.flavour() is ApiFlavour.CREDITS


def test_an_app_whose_api_is_configured_is_not_asked_otherwise(newer: ConcertimApp, connect: Connect) -> None:
    client = connect(newer.url, api=ApiFlavour.TEAMS)
    team = newer.state.add_team("t1", "p1")
    with pytest.raises(Refused, match="cloud_created_at can't be blank"):
        client.create(Rack("", "r1", team.id, 42, "ACTIVE", created="2026-01-01T00:00:00Z", cluster_type="slurm"))
