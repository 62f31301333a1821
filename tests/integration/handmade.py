"""A hand-written cloud of one project and one stack over plain HTTP, for responses that the fake does not give.

Its bodies have the shapes of a real cloud's, cut down to what matters. `answers` maps "METHOD /path" to what takes the
place of the usual answer.
"""

from __future__ import annotations

import json
import threading
import uuid
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from types import TracebackType
from typing import Any, Self
from urllib.parse import parse_qsl, unquote, urlsplit

from cos_update.model.settings import CloudSettings

PROJECT, STACK, SERVER = "a" * 32, "57ac0000", "5e12e200"
STACKS = f"/heat/v1/{PROJECT}/stacks"
ENDPOINTS = {
    "compute": "/compute/v2.1",
    "orchestration": f"/heat/v1/{PROJECT}",
    "volumev3": f"/volume/v3/{PROJECT}",
    "network": "/network",
    "identity": "/identity",
}
Body = Mapping[str, Any]


@dataclass(frozen=True)
class Answer:
    """One answer."""

    body: Body
    status: int = 200
    headers: Mapping[str, str] = field(default_factory=dict)


Teller = Callable[[Mapping[str, str], Mapping[str, str]], Answer | None]
"""Gives the answer to a query and the request's headers; None: the usual one."""


def first(times: int, answer: Answer) -> Teller:
    """`answer` this many times, then the usual one."""
    left = [answer] * times
    return lambda *_: left.pop() if left else None


def server(server_id: str, **more: object) -> Body:
    """A server of the project as Nova shows it."""
    return {"id": server_id, "tenant_id": PROJECT, "name": server_id, "OS-EXT-STS:vm_state": "active", **more}


class HandmadeCloud:
    """Serves until its block ends. `roles` are those of the one user in the one project."""

    def __init__(self) -> None:
        self.roles = ["watcher"]
        self.stack_name = "cluster"
        """As it stands in URLs."""
        self.regions: dict[str, str] = {}
        """The region of a service's endpoints, where it is not RegionOne; "" for no endpoints."""
        self.unreachable: frozenset[str] = frozenset()
        """The interfaces at whose endpoints nobody listens."""
        self.resources: list[Body] = [self.resource("OS::Nova::Server", SERVER)]
        self.nested: dict[str, list[Body]] = {}
        self.servers = [server(SERVER)]
        self.volumes: list[Body] = []
        self.answers: dict[str, Teller] = {}
        self.requests: list[str] = []
        self.logins: list[Any] = []
        self.tokens: set[str] = set()

    def resource(self, kind: str, physical_id: str | None, nested: str = "") -> Body:
        """A resource of the stack; `nested` is the name of the nested stack that it is."""
        links = [{"rel": "stack", "href": f"http://heat.internal/v1/{PROJECT}/stacks/{self.stack_name}/{STACK}"}]
        if nested:
            links.append({"rel": "nested", "href": f"http://heat.internal/v1/{PROJECT}/stacks/{nested}/{physical_id}"})
        return {"resource_type": kind, "physical_resource_id": physical_id, "links": links}

    def settings(self, **more: Any) -> CloudSettings:
        """For a login scoped to the project."""
        auth = {
            "auth_url": f"{self.url}/identity",
            "username": "concertim",
            "password": "concertim",
            "user_domain_name": "Default",
            "project_id": PROJECT,
        }
        return CloudSettings(**{"auth": auth, "retries": 1, "timeout": 5.0, **more})

    def __enter__(self) -> Self:
        cloud = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"
            wbufsize = 65536

            def do_GET(self) -> None:
                cloud._answer(self)

            do_POST = do_GET  # noqa: N815

            def log_message(self, *_: object) -> None:
                pass

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self._server.daemon_threads = True
        self.url = f"http://127.0.0.1:{self._server.server_port}"
        threading.Thread(target=self._server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True).start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._server.shutdown()
        self._server.server_close()

    def _answer(self, request: BaseHTTPRequestHandler) -> None:
        target = urlsplit(request.path)
        asked = request.rfile.read(int(request.headers.get("Content-Length") or 0))
        self.requests.append(f"{request.command} {request.path}")
        teller = self.answers.get(f"{request.command} {target.path}")
        given = teller(dict(parse_qsl(target.query)), dict(request.headers)) if teller else None
        answer = given or self._usual(target.path, target.query, asked, request.headers.get("X-Auth-Token") or "")
        raw = json.dumps(answer.body).encode()
        request.send_response(answer.status)
        headers = {"Content-Type": "application/json", "Content-Length": str(len(raw)), **answer.headers}
        for name, value in headers.items():
            request.send_header(name, value)
        request.end_headers()
        request.wfile.write(raw)

    def _usual(self, path: str, query: str, asked: bytes, token: str) -> Answer:
        if path == "/identity/v3/auth/tokens":
            return self._token(json.loads(asked)["auth"])
        if (version := self._versions().get(path.rstrip("/"))) is not None:
            return Answer(version)
        if token not in self.tokens:
            return Answer({"error": {"code": 401, "title": "Unauthorized", "message": "no"}}, 401)
        if path == STACKS and "marker=" in query:
            return Answer({"stacks": []})
        body = self._bodies().get(path)
        if body is not None:
            return Answer(body)
        if path.startswith("/identity"):
            return Answer({"error": {"code": 403, "title": "Forbidden", "message": path}}, 403)
        return Answer({"itemNotFound": {"code": 404, "message": path}}, 404)

    def _versions(self) -> dict[str, Body]:
        keystone = {"id": "v3.14", "status": "stable", "links": [{"rel": "self", "href": f"{self.url}/identity/v3/"}]}
        nova: dict[str, object] = {"id": "v2.1", "status": "CURRENT", "version": "2.93", "min_version": "2.1"}
        nova["links"] = [{"rel": "self", "href": f"{self.url}/compute/v2.1/"}]
        return {
            "/identity": {"versions": {"values": [keystone]}},
            "/identity/v3": {"version": keystone},
            "/compute/v2.1": {"version": nova},
        }

    def _bodies(self) -> dict[str, Body]:
        href = f"http://heat.internal/v1/{PROJECT}/stacks/{self.stack_name}/{STACK}"
        stack = {
            "id": STACK,
            "stack_name": unquote(self.stack_name),
            "stack_status": "CREATE_COMPLETE",
            "links": [{"rel": "self", "href": href}],
        }
        bodies: dict[str, Body] = {
            "/identity/v3/auth/projects": {"projects": [{"id": PROJECT, "name": "team"}]},
            "/compute/v2.1/flavors/detail": {"flavors": []},
            "/compute/v2.1/servers/detail": {"servers": self.servers},
            STACKS: {"stacks": [stack]},
            f"{STACKS}/{self.stack_name}/{STACK}": {"stack": {**stack, "outputs": []}},
            f"{STACKS}/{self.stack_name}/{STACK}/resources": {"resources": self.resources},
            f"/volume/v3/{PROJECT}/volumes/detail": {"volumes": self.volumes},
            "/network/v2.0/networks": {"networks": []},
            "/network/v2.0/subnets": {"subnets": []},
        }
        bodies |= {f"/compute/v2.1/servers/{item['id']}": {"server": item} for item in self.servers}
        return bodies | {f"{STACKS}/{name}/resources": {"resources": held} for name, held in self.nested.items()}

    def _token(self, auth: Any) -> Answer:
        self.logins.append(auth)
        token = uuid.uuid4().hex
        self.tokens.add(token)
        view: dict[str, Any] = {
            "methods": auth["identity"]["methods"],
            "user": {"id": "u" * 32, "name": "concertim", "domain": {"id": "default", "name": "Default"}},
            "issued_at": "2026-01-01T00:00:00.000000Z",
            "expires_at": "2099-01-01T00:00:00.000000Z",
            "roles": [{"id": name, "name": name} for name in self.roles],
            "catalog": [self._service(kind, path) for kind, path in ENDPOINTS.items()],
        }
        scope = auth.get("scope") or {}
        if "system" in scope:
            view["system"] = {"all": True}
        else:
            view["project"] = {"id": PROJECT, "name": "team", "domain": {"id": "default", "name": "Default"}}
        return Answer({"token": view}, 201, {"X-Subject-Token": token})

    def _service(self, kind: str, path: str) -> Body:
        region = self.regions.get(kind, "RegionOne")
        endpoints = [
            {
                "id": uuid.uuid4().hex,
                "interface": interface,
                "region": region,
                "region_id": region,
                "url": f"{'http://127.0.0.1:9' if interface in self.unreachable else self.url}{path}",
            }
            for interface in ("public", "internal", "admin")
        ]
        return {"id": kind, "type": kind, "name": kind, "endpoints": endpoints if region else []}
