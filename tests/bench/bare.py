"""A bare client: keep-alive connections and threads; responses are parsed only as far as the next request needs it."""

from __future__ import annotations

import http.client
import json
import re
import threading
from collections.abc import Callable, Mapping
from concurrent.futures import Future, ThreadPoolExecutor
from typing import Any
from urllib.parse import urlsplit

_NEXT = re.compile(rb'"rel": "next", "href": "([^"]+)"')
PAGE = 1000
"""Heat's stacks in a page."""
_STACK = re.compile(rb'/stacks/([^/"]+/[0-9a-f-]{36})"')
_TAIL = 1000
"""Bytes at a page's end in which the link to the next one stands."""


class Bare:
    """Requests to one address, over one connection a thread."""

    def __init__(self, address: str, headers: Mapping[str, str] | None = None) -> None:
        self._host = urlsplit(address).netloc
        self.headers = dict(headers or {})
        self._own = threading.local()

    def ask(self, method: str, path: str, body: bytes | None = None) -> tuple[bytes, http.client.HTTPResponse]:
        """One request. Raises RuntimeError for an answer that is no success."""
        connection = getattr(self._own, "connection", None)
        if connection is None:
            connection = self._own.connection = http.client.HTTPConnection(self._host, timeout=600)
        headers = {**self.headers, "Content-Type": "application/json"} if body is not None else self.headers
        connection.request(method, path, body, headers)
        answer = connection.getresponse()
        content = answer.read()
        if answer.status >= 300:
            raise RuntimeError(f"{method} {path}: {answer.status} {content[:500]!r}")
        return content, answer

    def get(self, path: str) -> bytes:
        """One GET."""
        return self.ask("GET", path)[0]

    def pages(self, path: str) -> int:
        """All pages of a listing that links them; how many these were."""
        count = 0
        following: str | None = path
        while following:
            found = _NEXT.search(self.get(following)[-_TAIL:])
            count += 1
            following = None
            if found:
                parts = urlsplit(found[1].decode())
                following = f"{parts.path}?{parts.query}"
        return count


def cloud_client(openstack: Mapping[str, str]) -> tuple[Bare, str]:
    """A client of OpenStack, logged in, and the id of its own project."""
    user = {"name": openstack["username"], "password": openstack["password"], "domain": {"name": "Default"}}
    auth = {
        "identity": {"methods": ["password"], "password": {"user": user}},
        "scope": {"project": {"name": openstack["project"], "domain": {"name": "Default"}}},
    }
    client = Bare(openstack["url"])
    body = json.dumps({"auth": auth}).encode()
    content, answer = client.ask("POST", urlsplit(openstack["auth_url"]).path + "/auth/tokens", body)
    client.headers = {
        "X-Auth-Token": str(answer.headers["X-Subject-Token"]),
        "OpenStack-API-Version": "compute 2.46",
        "Accept": "application/json",
    }
    return client, str(json.loads(content)["token"]["project"]["id"])


def concertim_client(concertim: Mapping[str, str]) -> Bare:
    """A client of Concertim, logged in."""
    login = {"user": {"login": concertim["username"], "password": concertim["password"]}}
    client = Bare(concertim["url"], {"Accept": "application/json"})
    _, answer = client.ask("POST", "/users/sign_in.json", json.dumps(login).encode())
    client.headers["Authorization"] = str(answer.headers["Authorization"])
    return client


def read_cloud(openstack: Mapping[str, str], per_stack: tuple[str, ...], concurrency: int) -> None:
    """Every listing of the cloud, and the paths `per_stack` below each stack, `concurrency` stacks at once."""
    client, own = cloud_client(openstack)
    identity = urlsplit(openstack["auth_url"]).path
    client.get(f"{identity}/role_assignments?effective=true&include_names=true")
    stacks = f"/orchestration/v1/{openstack['project_id']}/stacks"

    def heat() -> None:
        marker = ""
        found: list[str] = []
        while True:
            page = [match.decode() for match in _STACK.findall(client.get(f"{stacks}?limit={PAGE}{marker}"))]
            found += page
            if len(page) < PAGE:
                break
            marker = f"&marker={page[-1].rpartition('/')[2]}"
        if per_stack:
            with ThreadPoolExecutor(concurrency) as pool:
                list(pool.map(lambda stack: [client.get(f"{stacks}/{stack}{path}") for path in per_stack], found))

    together(
        lambda: client.pages("/compute/v2.1/flavors/detail?is_public=None"),
        lambda: client.pages("/compute/v2.1/servers/detail?all_tenants=1"),
        lambda: client.pages(f"/volume/v3/{own}/volumes/detail?all_tenants=1"),
        lambda: client.pages("/network/v2.0/networks"),
        lambda: client.pages("/network/v2.0/subnets"),
        heat,
    )


def read_concertim(client: Bare, listings: tuple[str, ...]) -> None:
    """Concertim's listings, one after the other: the app serves a second one no sooner."""
    for path in listings:
        client.get(f"/api/v1/{path}")


def together(*jobs: Callable[[], Any]) -> list[Any]:
    """What the jobs give, each of which has a thread of its own."""
    with ThreadPoolExecutor(len(jobs)) as pool:
        running: list[Future[Any]] = [pool.submit(job) for job in jobs]
        return [job.result() for job in running]
