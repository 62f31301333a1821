"""A certificate that is not trusted: the error says what to type, and that works."""

from __future__ import annotations

import json
import re
import subprocess
import sys
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest
import yaml
from certificates import Authority, server_context

from cos_update.model.tls import how_to_trust, not_trusted

SECTIONS = ("openstack", "concertim")


class _Nothing(BaseHTTPRequestHandler):
    def do_GET(self) -> None:
        self.send_error(404)

    do_POST = do_GET  # noqa: N815

    def log_message(self, *_: object) -> None:
        """Says nothing."""


@pytest.fixture(scope="module")
def address(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """Where something speaks TLS with a certificate that it has signed itself."""
    certificate = Authority(tmp_path_factory.mktemp("tls")).self_signed("127.0.0.1")
    server = ThreadingHTTPServer(("127.0.0.1", 0), _Nothing)
    server.socket = server_context(certificate).wrap_socket(server.socket, server_side=True)
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    yield f"https://127.0.0.1:{server.server_address[1]}"
    server.shutdown()
    server.server_close()


def found(folder: Path, address: str, path: str, **verify: object) -> dict[str, dict[str, str]]:
    """What `check` finds of either side, where both are at that address."""
    document = {
        "openstack": {"auth_url": address + path, "username": "u", "password": "p", "project_name": "admin",
                      "user_domain_name": "Default", "project_domain_name": "Default", **verify},
        "concertim": {"concertim_url": address, "concertim_username": "u", "concertim_password": "p", **verify},
        "data_dir": str(folder),
        "log_dir": str(folder),
    }  # fmt: skip
    (folder / "config.yaml").write_text(yaml.safe_dump(document))
    command = [sys.executable, "-m", "cos_update", "--config", str(folder / "config.yaml"), "check", "--json"]
    done = subprocess.run(command, capture_output=True, text=True, timeout=120)
    findings = json.loads(done.stdout)["findings"]
    return {each["name"]: each for each in findings if each["name"] in ("keystone", "concertim")}


@pytest.mark.parametrize("path", ["", "/v3"])
def test_what_the_error_says_is_typed_and_works(tmp_path: Path, address: str, path: str) -> None:
    for section, finding in zip(SECTIONS, found(tmp_path, address, path).values(), strict=True):
        assert "certificate" in finding["text"]
        assert "not trusted: self-signed certificate" in finding["text"]
        assert f"add under `{section}:` the line `verify: false`" in finding["mend"]
        file = re.search(rf"add under `{section}:` the line `verify: (\S+)`", finding["mend"])
        command = re.search(r"\(`(openssl .*?)`;", finding["mend"])
        assert file is not None
        assert command is not None
        subprocess.run(["sh", "-c", command[1].replace(file[1], str(tmp_path / "ca.pem"))], check=True, timeout=60)
        assert (tmp_path / "ca.pem").read_text().count("BEGIN CERTIFICATE") == 1
    ca = str(tmp_path / "ca.pem")
    # It has no key usage: only of a CA that signs others is one wanted.
    for verify in (ca, {"ca": ca, "strict": False}, False):
        assert all("certificate" not in each["text"] for each in found(tmp_path, address, path, verify=verify).values())


@pytest.mark.parametrize(
    ("reason", "says"),
    [
        (
            "Hostname mismatch, certificate is not valid for 'proxy'.",
            "Set rmq.rmq_address to a name that it was",
        ),
        ("IP address mismatch, certificate is not valid for '10.0.0.1'.", "openssl x509 -noout -ext subjectAltName"),
        ("certificate has expired", "Have it renewed there"),
        ("unable to get local issuer certificate", "verify: /etc/concertim-openstack-service/rmq-ca.pem"),
    ],
)
def test_each_reason_has_its_own_advice(reason: str, says: str) -> None:
    advice = not_trusted("rmq", "rabbit:5671", reason)
    assert says in advice
    assert "add under `rmq:` the line `verify: false`" in advice


def test_an_address_is_put_as_openssl_wants_it() -> None:
    assert "-connect proxy:443 -servername proxy " in how_to_trust("concertim", "https://proxy")
    assert "-connect [::1]:7443 <" in how_to_trust("concertim", "https://[::1]:7443")
