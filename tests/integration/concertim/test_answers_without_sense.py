"""Responses that no Concertim sends, but something in its place may: each is a clear error, in bounded time."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from functools import partial

import pytest
from scripted import Reply, Request, ScriptedServer

from cos_update.concertim import codec
from cos_update.concertim.client import ConcertimClient
from cos_update.concertim.codec import HIGHEST_UNIT, UnexpectedAnswer
from cos_update.fakes import Fault, FaultKind
from cos_update.fakes.concertim import ConcertimApp
from cos_update.model.concertim import ApiFlavour, Rack
from cos_update.model.errors import Refused, Unavailable

Connect = Callable[..., ConcertimClient]
TOO_DEEP = b"[" * 100_000 + b"]" * 100_000


def answering(reply: Reply) -> ScriptedServer:
    """A server that gives this reply to everything but the login."""
    return ScriptedServer(lambda request: None if "sign_in" in request.path else reply)


@pytest.mark.parametrize(
    "retry_after", ["soon", "-5", "inf", "nan", "9" * 400, "Mon, 01 Jan 99999999999999 00:00:00 GMT"]
)
def test_a_retry_after_without_sense_counts_as_none(connect: Connect, retry_after: str) -> None:
    with answering(Reply(503, b"", {"Retry-After": retry_after})) as server:
        client = connect(server.url, api=ApiFlavour.TEAMS, retries=1)
        with pytest.raises(Unavailable, match=r"answered 503 .* tried 2 times"):
            client.racks()


@pytest.mark.parametrize("method", ["POST", "PATCH"])
def test_an_app_that_asks_for_more_than_a_minute_is_not_waited_for_by_a_write(
    app: ConcertimApp, client: ConcertimClient, method: str
) -> None:
    owner = app.state.add_team("team", "p1")
    there = app.state.add_rack("there", owner)
    fault = Fault(FaultKind.STATUS, path="/racks", method=method, code=503, retry_after=61)
    fault_id = app.wire.faults.add(fault)
    new = Rack("", "new", owner.id, 42, "ACTIVE", {"openstack_stack_id": "s1"}, order_id="s1")
    work = partial(client.create, new) if method == "POST" else partial(client.update, replace(new, id=there.id), {})
    with pytest.raises(Unavailable, match="answered 503"):
        work()
    assert app.wire.faults.struck(fault_id) == 1


def test_json_that_is_nested_without_end_is_not_json(connect: Connect) -> None:
    with answering(Reply(200, TOO_DEEP)) as server:
        client = connect(server.url, api=ApiFlavour.TEAMS, retries=0)
        with pytest.raises(Unavailable, match="not JSON"):
            client.racks()


def test_a_refusal_that_is_nested_without_end_has_no_reason(connect: Connect) -> None:
    with answering(Reply(422, TOO_DEEP)) as server:
        client = connect(server.url, api=ApiFlavour.TEAMS)
        with pytest.raises(Refused, match=r"without a reason \(422\)"):
            client.racks()


def test_numbers_without_sense_fill_no_memory() -> None:
    rack = codec.shown({"id": "r1", "u_height": "1" * 5000}, "a rack", codec.rack)
    tall = codec.shown({"id": "r1", "u_height": 10**10}, "a rack", codec.rack)
    location = {"rack_id": "r1", "start_u": 1, "end_u": 10**10}
    device = codec.device({"id": "d1", "location": location}, ApiFlavour.TEAMS)
    assert (rack.height, tall.height, device.location.end_u) == (codec.DEFAULT_RACK_HEIGHT, HIGHEST_UNIT, HIGHEST_UNIT)


@pytest.mark.parametrize("height", [None, 0, "", [2]])
def test_a_template_without_a_height_is_never_one_of_another_height(height: object) -> None:
    with pytest.raises(UnexpectedAnswer, match="'small'"):
        codec.template({"id": "t1", "name": "small", "height": height})


@pytest.mark.parametrize(("status", "reason"), [(500, r"Concertim failed \(500\)"), (403, r"without a reason \(403\)")])
def test_a_refused_listing_says_what_was_asked_for_and_where(connect: Connect, status: int, reason: str) -> None:
    with answering(Reply(status, b"<html>Sorry</html>")) as server:
        client = connect(server.url, api=ApiFlavour.TEAMS)
        with pytest.raises(Refused, match=rf"{server.url} does not show /api/v1/racks: .*{reason}"):
            client.racks()


def test_a_listing_of_another_shape_says_what_to_do(connect: Connect) -> None:
    with answering(Reply(200, {})) as server:
        client = connect(server.url, api=ApiFlavour.TEAMS)
        with pytest.raises(Unavailable, match="not a list of racks") as failure:
            client.racks()
    assert "concertim.concertim_url" in failure.value.hint


def test_a_current_app_whose_teams_are_hidden_is_not_taken_for_an_older_one(
    app: ConcertimApp, client: ConcertimClient
) -> None:
    fault = app.wire.faults.add(Fault(FaultKind.STATUS, path="/teams$", code=404, body="<html>nginx</html>"))
    with pytest.raises(Unavailable, match="no list of teams"):
        client.read_all()
    app.wire.faults.remove(fault)
    assert client.read_all().flavour is ApiFlavour.TEAMS


def test_an_app_that_is_updated_under_a_running_client_is_noticed(connect: Connect) -> None:
    is_updated = False

    def answer(request: Request) -> Reply | None:
        if request.path.endswith("/users/current"):
            return Reply(200, {"id": "u1", "login": "admin", "root": True})
        return Reply(404, {"status": 404}) if request.path.endswith("/teams") and not is_updated else None

    with ScriptedServer(answer) as server:
        client = connect(server.url)
        assert client.read_all().flavour is ApiFlavour.USERS
        is_updated = True
        assert client.read_all().flavour is ApiFlavour.TEAMS


def test_a_proxy_that_wants_a_login_is_not_taken_for_concertim(
    connect: Connect, monkeypatch: pytest.MonkeyPatch
) -> None:
    with ScriptedServer(lambda _: Reply(407, b"", {"Proxy-Authenticate": "Basic"})) as proxy:
        monkeypatch.setenv("http_proxy", proxy.url)
        monkeypatch.setenv("no_proxy", "")
        with pytest.raises(Unavailable, match="A proxy in front of Concertim") as failure:
            connect("http://concertim.example").racks()
    assert "no_proxy" in failure.value.hint


def test_a_proxy_that_is_not_there_is_named_as_the_cause(connect: Connect, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("http_proxy", "http://127.0.0.1:9")
    monkeypatch.setenv("no_proxy", "")
    with pytest.raises(Unavailable, match="through the proxy: Connection refused"):
        connect("http://concertim.example", retries=0).racks()
