"""One login for all threads, renewed transparently, and never in a hot loop."""

from __future__ import annotations

import logging
import threading
import traceback
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from scripted import Reply, Request, ScriptedServer

from cos_update import __version__
from cos_update.concertim import auth
from cos_update.concertim.client import ConcertimClient
from cos_update.fakes import Fault, FaultKind
from cos_update.fakes.concertim import ConcertimApp
from cos_update.model.errors import ConcertimError, ConcertimLoginError, Unavailable

Connect = Callable[..., ConcertimClient]


def logins(app: ConcertimApp) -> int:
    return sum(count for (_, method, kind), count in app.wire.counts.items() if method == "POST" and "sign_in" in kind)


def test_requests_ask_for_json_and_carry_the_token_but_no_cookie(connect: Connect) -> None:
    with ScriptedServer(lambda _: None) as server:
        client = connect(server.url)
        client.racks()
        client.templates()
    sign_in, *calls = server.requests
    assert (sign_in.path, sign_in.headers.get("Authorization")) == ("/users/sign_in.json", None)
    assert {request.headers.get("Authorization") for request in calls} == {"Bearer t0k3n"}
    assert {request.headers["Accept"] for request in server.requests} == {"application/json"}
    assert {request.headers["User-Agent"] for request in server.requests} == {f"cos-update/{__version__}"}
    assert not any("Cookie" in request.headers for request in server.requests)


def test_a_netrc_of_the_host_is_not_sent_along(
    connect: Connect, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "netrc").write_text("default login eve password evil\n")
    monkeypatch.setenv("NETRC", str(tmp_path / "netrc"))
    with ScriptedServer(lambda _: None) as server:
        connect(server.url).racks()
    assert [request.headers.get("Authorization") for request in server.requests] == [None, "Bearer t0k3n"]


def test_a_dead_token_costs_many_threads_one_login(app: ConcertimApp, client: ConcertimClient) -> None:
    client.racks()
    app.tokens.revoke_all()
    app.wire.reset()
    app.wire.latency = 0.05
    together = threading.Barrier(8)

    def read(_: int) -> int:
        together.wait(10)
        return len(client.racks())

    with ThreadPoolExecutor(8) as pool:
        assert list(pool.map(read, range(8))) == [0] * 8
    assert logins(app) == 1


def test_an_expired_token_is_renewed_for_a_create(app: ConcertimApp, client: ConcertimClient) -> None:
    team = app.state.add_team("t")
    rack = client.racks()
    app.state.add_rack("r", team)
    app.tokens.revoke_all()
    assert (len(rack), len(client.racks())) == (0, 1)
    assert client.counts.logins == 2


def test_bad_credentials_are_explained_and_not_tried_again(app: ConcertimApp, connect: Connect) -> None:
    client = connect(app.url, password="wr0ng")
    for _ in range(3):
        with pytest.raises(ConcertimLoginError) as refusal:
            client.racks()
    assert str(refusal.value) == "Concertim refused the login for user 'admin' (401 Invalid Login or password.)."
    assert "concertim.concertim_username and concertim.concertim_password" in refusal.value.hint
    assert refusal.value.status == 401
    assert logins(app) == 1


def test_a_refused_login_is_tried_again_after_a_while(
    app: ConcertimApp, connect: Connect, monkeypatch: pytest.MonkeyPatch
) -> None:
    client = connect(app.url, password="secret")
    with pytest.raises(ConcertimLoginError):
        client.racks()
    next(iter(app.state.users.values())).password = "secret"
    with pytest.raises(ConcertimLoginError):
        client.racks()
    monkeypatch.setattr(auth, "REMEMBERED", 0.0)
    assert client.racks() == ()


def test_an_app_that_refuses_its_own_tokens_is_not_asked_for_ever(app: ConcertimApp, client: ConcertimClient) -> None:
    app.wire.faults.add(Fault(FaultKind.STATUS, path="/api/v1", code=401, body={"error": "revoked token"}))
    for _ in range(5):
        with pytest.raises(ConcertimLoginError, match=r"rejects the token that it has just issued .*revoked token"):
            client.racks()
    assert logins(app) == 2


def test_threads_that_waited_for_a_login_share_its_failure(connect: Connect) -> None:
    over, together = threading.Event(), threading.Barrier(6)

    def never(_: Request) -> Reply:
        over.wait(20)
        return Reply(500)

    def read(client: ConcertimClient) -> str:
        together.wait(10)
        with pytest.raises(Unavailable) as failure:
            client.racks()
        return str(failure.value)

    with ScriptedServer(never) as server, ThreadPoolExecutor(6) as pool:
        client = connect(server.url, retries=0, timeout=0.5)
        shown = set(pool.map(read, [client] * 6))
        over.set()
    assert shown == {f"Concertim at {server.url} did not answer within 0.5 s (POST /users/sign_in.json)"}
    assert len(server.requests) == 1


@pytest.mark.parametrize("code", [429, 502, 503, 504])
def test_a_login_that_meets_a_busy_app_is_tried_again(app: ConcertimApp, client: ConcertimClient, code: int) -> None:
    app.wire.faults.add(Fault(FaultKind.STATUS, path="sign_in", code=code, times=2))
    assert client.racks() == ()


@pytest.mark.parametrize(
    ("reply", "kind", "words"),
    [
        (Reply(303, b"", {"Location": "/"}), Unavailable, "redirects to / .* URL is probably wrong, or a proxy"),
        (Reply(404, b"<html>"), Unavailable, "login is not at"),
        (Reply(500, b"<html>"), Unavailable, "failed at the login"),
        (Reply(200, b"<html>Welcome</html>"), ConcertimLoginError, "answered the login without a token"),
        (Reply(201, {}, {"authorization": "Basic abc"}), ConcertimLoginError, "answered the login without a token"),
        (Reply(403, {"error": "no"}), ConcertimLoginError, r"refused the login for user 'admin' \(403 no\)"),
    ],
)
def test_what_is_no_login_of_concertim_is_told(
    connect: Connect, reply: Reply, kind: type[ConcertimError], words: str
) -> None:
    with ScriptedServer(lambda _: reply) as server:
        with pytest.raises(kind, match=words) as failure:
            connect(server.url).racks()
        assert failure.value.hint
        assert len(server.requests) == 1


def test_the_clocks_of_both_sides_are_compared_at_the_login(app: ConcertimApp, client: ConcertimClient) -> None:
    assert client.clock_offset is None
    real = app.state.clock
    app.state.clock = lambda: real() + 100
    client.racks()
    assert client.clock_offset == pytest.approx(100, abs=1.5)


def test_secrets_are_in_no_error_no_log_and_no_repr(
    app: ConcertimApp, connect: Connect, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG)
    # Put together here, so that the source lines of a traceback don't hold them.
    password, user_info = "p4ss" + "w0rd", "us3r" + "inf0"
    tokens = []
    issue = app.tokens.issue
    app.tokens.issue = lambda *a, **k: tokens.append(issue(*a, **k)) or tokens[-1]  # type: ignore[method-assign,func-returns-value]
    shown = []
    for fault in (Fault(FaultKind.CUT), Fault(FaultKind.TRUNCATE, path="racks"), Fault(FaultKind.STATUS, code=500)):
        app.wire.faults.add(fault)
        client = connect(app.url.replace("//", f"//eve:{user_info}@"), retries=1)
        with pytest.raises(ConcertimError) as failure:
            client.racks()
        shown += traceback.format_exception(failure.value)
        app.wire.faults.clear()
        client.racks()
        shown.append(repr(client))
    with pytest.raises(ConcertimLoginError) as refusal:
        connect(app.url, password=password).racks()
    shown += [*traceback.format_exception(refusal.value), caplog.text]
    assert len(tokens) >= 3
    for secret in (*tokens, password, user_info):
        assert not any(secret in line for line in shown)
