"""Errors of OpenStack are reported in the words of the system or the service: where, how often, and what to do.

Each cause is a real one: sockets, TLS, DNS, a proxy, and Keystone's own answers.
"""

from __future__ import annotations

import re
import socket
import threading
from collections.abc import Iterator, Mapping
from dataclasses import replace
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest
import yaml
from certificates import Authority, server_context
from click.testing import CliRunner
from rabbit import free_port
from world import World, served

from cos_update.cli.main import cli
from cos_update.fakes import Fault, FaultKind
from cos_update.model.settings import CloudSettings, Settings
from cos_update.openstack import session
from cos_update.openstack.inventory import CloudReader
from cos_update.planning.details import gap_notice
from cos_update.preflight.finding import Finding, Status
from cos_update.preflight.openstack import cloud
from cos_update.retry import Backoff

PASSWORD = "pass-word-of-nobody"
SERVICES = ("nova", "heat", "cinder", "neutron")


class Page(BaseHTTPRequestHandler):
    """A page of something that is no OpenStack."""

    def do_GET(self) -> None:
        body = b"<html><head><style>p {}</style></head><body><p>Welcome to nginx!</p></body></html>"
        self.send_response(200)
        self.send_header("Content-Type", "text/html")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    do_POST = do_GET  # noqa: N815

    def log_message(self, *_: object) -> None:
        """Says nothing."""


@pytest.fixture(scope="module")
def addresses(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Mapping[str, str]]:
    """By what is wrong with it an address."""
    folder = tmp_path_factory.mktemp("tls")
    plain, secure = (ThreadingHTTPServer(("127.0.0.1", 0), Page) for _ in range(2))
    context = server_context(Authority(folder).sign("service", "127.0.0.1"))
    secure.socket = context.wrap_socket(secure.socket, server_side=True)
    silent = socket.create_server(("127.0.0.1", 0))
    for server in (plain, secure):
        threading.Thread(target=server.serve_forever, daemon=True).start()
    yield {
        "certificate": f"https://127.0.0.1:{secure.server_address[1]}",
        "https on http": f"https://127.0.0.1:{plain.server_address[1]}",
        "http on https": f"http://127.0.0.1:{secure.server_address[1]}",
        "name": "http://keystone.invalid:5000",
        "refused": f"http://127.0.0.1:{free_port()}",
        "page": f"http://127.0.0.1:{plain.server_address[1]}",
        "silent": f"http://127.0.0.1:{silent.getsockname()[1]}",
    }
    silent.close()
    for server in (plain, secure):
        server.shutdown()
        server.server_close()


@pytest.fixture(scope="module")
def fakes(tmp_path_factory: pytest.TempPathFactory) -> Iterator[World]:
    with served(tmp_path_factory.mktemp("world")) as world:
        yield world


@pytest.fixture
def world(fakes: World, monkeypatch: pytest.MonkeyPatch) -> Iterator[World]:
    """Both fakes, and no waiting between tries."""
    monkeypatch.setattr(session, "BACKOFF", Backoff(0.001, 0.01))
    yield fakes
    fakes.openstack.wire.faults.clear()
    fakes.cloud.endpoints.clear()


def settings_of(world: World, address: str = "", **more: object) -> CloudSettings:
    auth = {
        "auth_url": f"{address}/v3" if address else world.openstack.auth_url,
        "username": "concertim",
        "password": "concertim",
        "user_domain_name": "Default",
        "project_name": "admin",
        "project_domain_name": "Default",
    }
    return replace(CloudSettings(auth=auth, retries=1, timeout=5.0), **more)  # type: ignore[arg-type]


def checked(settings: CloudSettings, folder: Path) -> dict[str, Finding]:
    """What `check` finds of OpenStack, by what was looked at."""
    return {finding.name: finding for finding in cloud(Settings(openstack=settings, data_dir=folder))}


WIRE = {
    "certificate": ("certificate of {address} is not trusted: .*issuer certificate", "openssl s_client"),
    "https on http": ("no TLS connection to {address}.*: (wrong version|record layer)", "is it http:// or https://"),
    "http on https": ("{address}.*: (the connection was closed|Connection reset)", "whether the service runs"),
    "name": ("no connection to {address}.*: (Name or service|.*name resolution).*after 2 tries", "this machine's DNS"),
    "refused": ("no connection to {address}.*: Connection refused.*after 2 tries", "whether the service runs"),
    "silent": ("no answer within 0.3 s from {address}.*after 2 tries", "whether the service runs"),
    "page": ("{address}.*Welcome to nginx!.*after 2 tries", "that answers there"),
}
"""By what is wrong with an address: the message and the hint."""


@pytest.mark.parametrize("cause", WIRE)
def test_an_address_of_keystone_at_which_it_is_not(
    world: World, addresses: Mapping[str, str], tmp_path: Path, cause: str
) -> None:
    text, fix = WIRE[cause]
    settings = settings_of(world, addresses[cause], timeout=0.3 if cause == "silent" else 5.0)
    found = checked(settings, tmp_path)["keystone"]
    assert found.status is Status.FAIL
    assert re.search(text.format(address=addresses[cause]), found.text), found.text
    assert fix in found.fix
    assert "openstack.auth_url" in found.fix or cause == "certificate"


@pytest.mark.parametrize("cause", WIRE)
def test_an_endpoint_in_the_catalog_at_which_the_service_is_not(
    world: World, addresses: Mapping[str, str], tmp_path: Path, cause: str
) -> None:
    text, fix = WIRE[cause]
    world.cloud.endpoints = dict.fromkeys(SERVICES, addresses[cause])
    settings = settings_of(world, timeout=0.3 if cause == "silent" else 5.0)
    found = checked(settings, tmp_path)
    for service in SERVICES:
        assert found[service].status is Status.FAIL
        assert re.search(text.format(address=addresses[cause]), found[service].text), found[service].text
        assert fix in found[service].fix
        assert "in the catalog" in found[service].fix or cause == "certificate"


def test_a_pass_says_of_a_service_what_a_check_says(world: World, addresses: Mapping[str, str], tmp_path: Path) -> None:
    world.cloud.endpoints = {"cinder": addresses["refused"]}
    settings = settings_of(world)
    found = checked(settings, tmp_path)["cinder"]
    reader = CloudReader(settings)
    inventory = reader.read()
    reader.close()
    (said,) = {gap_notice(gap, inventory).text for gap in inventory.gaps}
    assert found.text.partition(": ")[2] in said
    assert found.fix.rstrip(".") in said


LOGIN = [
    (400, "Expecting to find domain in user. The server could not comply.", "user_domain_name"),
    (400, "Expecting to find domain in project.", "project_domain_name"),
    (400, "Invalid input for field 'identity'.", "Check the section openstack"),
    (401, "The password is expired and needs to be changed for user: 1234.", "Give the user a new password"),
    (401, "The account is locked for user: 1234.", "Check username, password, domain and project"),
    (403, "You are not authorized to perform the requested action: identity:x.", "Ask Keystone's operators"),
    (404, "Could not find: nothing.", "usually ends in /v3"),
    (413, "Request is too large.", "limits of a proxy"),
    (429, "Slow down.", "whether it is Keystone that answers there"),
    (500, "An unexpected error prevented the server from fulfilling your request.", "Keystone's log"),
]


@pytest.mark.parametrize(("status", "words", "fix"), LOGIN)
def test_keystones_own_words_about_a_login(world: World, tmp_path: Path, status: int, words: str, fix: str) -> None:
    refuse_logins(world, status, {"error": {"code": status, "title": "A title", "message": words}})
    found = checked(settings_of(world), tmp_path)["keystone"]
    assert world.openstack.auth_url in found.text
    assert words.rstrip(".") in found.text
    assert str(status) in found.text
    assert fix in found.fix
    assert ("after 2 tries" in found.text) == (status in (413, 429, 500))


@pytest.mark.parametrize(
    ("status", "page", "words"),
    [
        (502, "<html><style>a {}</style><h1>502 Bad Gateway</h1></html>", "502: 502 Bad Gateway"),
        (404, "<h1>Not&nbsp;here</h1>", "404: Not here"),
        (407, "", "407"),
        (418, "I am a teapot", "418: I am a teapot"),
    ],
)
def test_what_a_page_says_that_is_not_keystones(
    world: World, tmp_path: Path, status: int, page: str, words: str
) -> None:
    refuse_logins(world, status, page)
    assert f"({words}" in checked(settings_of(world), tmp_path)["keystone"].text


def test_words_without_an_end_are_cut_and_a_password_among_them_is_not_shown(world: World) -> None:
    refuse_logins(world, 401, {"error": {"code": 401, "message": f"no {PASSWORD} for you {'x' * 5000}"}})
    path = world.folder / "config.yaml"
    document = yaml.safe_load(path.read_text())
    document["openstack"]["password"] = PASSWORD
    path.write_text(yaml.safe_dump(document))
    done = CliRunner().invoke(cli, ["--config", str(path), "diff", "--dry-run"])
    assert done.exit_code == 1
    assert PASSWORD not in done.output
    assert "for you xxx" in done.output
    assert "x" * 200 not in done.output


def test_a_proxy_in_the_way_is_named_without_its_password(
    world: World, addresses: Mapping[str, str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    proxy = addresses["refused"]
    monkeypatch.setenv("http_proxy", proxy.replace("://", f"://somebody:{PASSWORD}@"))
    monkeypatch.setenv("no_proxy", "")
    found = checked(settings_of(world), tmp_path)["keystone"]
    assert f"(through the proxy {proxy})" in found.text
    assert PASSWORD not in found.text
    assert "no_proxy" in found.fix


def refuse_logins(world: World, status: int, body: object) -> None:
    world.openstack.wire.faults.add(Fault(FaultKind.STATUS, path="/auth/tokens", method="POST", code=status, body=body))
