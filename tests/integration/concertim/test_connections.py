"""Connections: kept alive, never used when the app may have closed them, and their errors in plain words."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import pytest
from certificates import Authority, server_context
from scripted import ScriptedServer

from cos_update.concertim.client import ConcertimClient
from cos_update.concertim.connections import IDLE_LIMIT, Connections
from cos_update.concertim.transport import Method, Transport
from cos_update.model.errors import Unavailable
from cos_update.model.settings import ConcertimSettings

Connect = Callable[..., ConcertimClient]


@pytest.fixture
def server() -> Iterator[ScriptedServer]:
    with ScriptedServer(lambda _: None) as scripted:
        yield scripted


@pytest.fixture(scope="module")
def authority(tmp_path_factory: pytest.TempPathFactory) -> Authority:
    return Authority(tmp_path_factory.mktemp("tls"))


@pytest.fixture
def tls_server(authority: Authority) -> Iterator[ScriptedServer]:
    with ScriptedServer(lambda _: None, server_context(authority.sign("server", "127.0.0.1"))) as scripted:
        yield scripted


def test_a_connection_is_used_again_until_it_was_idle_for_too_long(server: ScriptedServer) -> None:
    now = 1000.0
    connections = Connections(verify=True, clock=lambda: now)
    transport = Transport(ConcertimSettings(server.url, "admin", "admin"), connections)
    for idle in (0.0, IDLE_LIMIT - 1, IDLE_LIMIT - 1, IDLE_LIMIT + 1, 0.0):
        now += idle
        transport.send(Method.GET, "/x")
    connections.close()
    used = [request.connection for request in server.requests]
    assert used[0] == used[1] == used[2] != used[3] == used[4]


def test_the_apps_server_closes_later_than_we_do() -> None:
    assert IDLE_LIMIT < 20


def test_after_a_fault_a_connection_is_not_used_again(server: ScriptedServer) -> None:
    connections = Connections(verify=True)
    transport = Transport(ConcertimSettings(server.url, "admin", "admin"), connections)
    transport.send(Method.GET, "/x")
    with pytest.raises(KeyboardInterrupt), connections.lease():
        raise KeyboardInterrupt
    transport.send(Method.GET, "/x")
    connections.close()
    assert server.requests[0].connection != server.requests[1].connection


def test_an_address_without_a_listener(connect: Connect) -> None:
    words = r"^Concertim at http://127\.0\.0\.1:1 could not be reached .*: Connection refused; tried 2 times$"
    with pytest.raises(Unavailable, match=words):
        connect("http://127.0.0.1:1", retries=1).racks()


@pytest.mark.parametrize("url", ["", "concertim", "127.0.0.1:3000", "ftp://concertim", "http://", "http://[::1"])
def test_what_is_no_address_is_rejected_at_once(connect: Connect, url: str) -> None:
    with pytest.raises(Unavailable, match="is not the address of a Concertim app") as failure:
        connect(url).racks()
    assert "concertim.concertim_url" in failure.value.hint


def test_a_slash_at_the_end_of_the_address_makes_no_difference(server: ScriptedServer, connect: Connect) -> None:
    assert connect(server.url + "/").racks() == ()
    assert [request.path for request in server.requests] == ["/users/sign_in.json", "/api/v1/racks"]


def test_a_certificate_of_an_unknown_authority_is_explained(tls_server: ScriptedServer, connect: Connect) -> None:
    with pytest.raises(Unavailable, match="is not trusted: unable to get local issuer certificate") as failure:
        connect(tls_server.url).racks()
    assert "concertim.verify" in failure.value.hint


def test_a_certificate_may_be_trusted_by_name_of_its_file(
    tls_server: ScriptedServer, connect: Connect, authority: Authority
) -> None:
    assert connect(tls_server.url, verify=authority.certificate()).racks() == ()


def test_verification_can_be_turned_off_also_where_the_environment_names_a_ca(
    tls_server: ScriptedServer, connect: Connect, monkeypatch: pytest.MonkeyPatch, recwarn: pytest.WarningsRecorder
) -> None:
    monkeypatch.setenv("REQUESTS_CA_BUNDLE", "/etc/ssl/certs/ca-certificates.crt")
    assert connect(tls_server.url, verify=False).racks() == ()
    assert len(recwarn) == 0


def test_a_ca_file_that_is_not_there_is_named(tls_server: ScriptedServer, connect: Connect) -> None:
    with pytest.raises(Unavailable, match="/no/such/ca") as failure:
        connect(tls_server.url, verify="/no/such/ca").racks()
    assert "concertim.verify" in failure.value.hint


def test_https_where_http_is_spoken_is_explained(server: ScriptedServer, connect: Connect) -> None:
    with pytest.raises(Unavailable, match="No TLS connection") as failure:
        connect(server.url.replace("http:", "https:"), retries=0).racks()
    assert "http:// or https://" in failure.value.hint
