"""The base of the fake's services: calls with token and query, error responses, pages."""

from __future__ import annotations

import json
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterable, Mapping, Sequence
from datetime import UTC, datetime
from itertools import islice
from typing import Protocol, TypeVar
from urllib.parse import urlencode

from aiohttp import web

from cos_update.fakes.openstack.records import Scope
from cos_update.fakes.openstack.state import CloudState, Token

JSON = "application/json"
UNAUTHORIZED = 401


class HasId(Protocol):
    """Anything with an id."""

    id: str


Item = TypeVar("Item", bound=HasId)


class Refusal(Exception):
    """An error response."""

    def __init__(self, status: int, body: Mapping[str, object], headers: Mapping[str, str] | None = None) -> None:
        super().__init__(status, body)
        self.status = status
        self.body = body
        self.headers = dict(headers or {})

    def response(self) -> web.Response:
        """The HTTP response."""
        return web.Response(status=self.status, text=json.dumps(self.body), content_type=JSON, headers=self.headers)


class Call:
    """One request to a service, with the rights that its token gives."""

    def __init__(self, request: web.Request, raw: bytes, state: CloudState, token: Token | None) -> None:
        self.request = request
        self.raw = raw
        """The request's body."""
        self.state = state
        self._token = token
        self.roles = frozenset(role.name for role in state.roles_of_token(token)) if token else frozenset()

    @property
    def token(self) -> Token:
        """The token of a call that requires one."""
        if self._token is None:
            raise LookupError("this call was let in without a token")
        return self._token

    @property
    def is_admin(self) -> bool:
        """Whether the token carries the role admin, on whatever scope."""
        return "admin" in self.roles

    @property
    def is_system(self) -> bool:
        """Whether the token is scoped to the system."""
        return self.token.scope is Scope.SYSTEM

    @property
    def project_id(self) -> str | None:
        """The id of the token's project; None for a token of another scope."""
        return self.token.target_id if self.token.scope is Scope.PROJECT else None

    def part(self, name: str) -> str:
        """A part of the path, "" when the route has none of that name."""
        return self.request.match_info.get(name, "")

    def query(self, name: str) -> str | None:
        """The last value of a query parameter; None when it was not given."""
        values = self.request.query.getall(name, [])
        return values[-1] if values else None


Handler = Callable[[Call], web.Response]


class Service(ABC):
    """One service behind its path prefix. `address` gives the fake's own URL when it is served."""

    name: str
    """The name by which the state's switches and the wire's records call it."""
    prefix: str
    has_own_clock = True
    """Whether its header Date tells the time of the cloud; else it is Keystone's, as in the tokens."""

    def __init__(self, state: CloudState, address: Callable[[], str]) -> None:
        self.state = state
        self._address = address

    @property
    def url(self) -> str:
        """The service's root, without a slash at the end."""
        return self._address() + self.prefix

    @abstractmethod
    def add_routes(self, router: web.UrlDispatcher) -> None:
        """Add the service's routes."""

    @abstractmethod
    def bad_request(self, message: str) -> Refusal:
        """A 400 in the service's own form."""

    def get(
        self, router: web.UrlDispatcher, path: str, handler: Handler, *, open_: bool = False, query: str = ""
    ) -> None:
        """Serve GET on a path below the prefix. `query` names the parameters that are understood, apart by blanks.

        Any other parameter is refused with 400, also where the real service would pass over it in silence: what is
        meant to narrow a listing and does not is the kind of mistake that this fake is there to find.
        """
        self.route(router, "GET", path, handler, open_=open_, query=query)

    def route(
        self, router: web.UrlDispatcher, method: str, path: str, handler: Handler, *, open_: bool, query: str
    ) -> None:
        """Serve a method on a path; `open_` lets calls without a token in."""
        known = frozenset(query.split())

        async def serve(request: web.Request) -> web.Response:
            raw = await request.read()
            with self.state.lock:
                try:
                    answer = self.finish(request, handler(self._call(request, raw, open_, known)))
                except Refusal as refusal:
                    answer = refusal.response()
                    answer = answer if refusal.status == UNAUTHORIZED else self.finish(request, answer)
                clock = self.state.clock_of(self.name) if self.has_own_clock else self.state.keystones_time()
                answer.headers["Date"] = f"{clock:%a, %d %b %Y %H:%M:%S GMT}"
                return answer

        router.add_route(method, self.prefix + path, serve)

    def finish(self, request: web.Request, response: web.Response) -> web.Response:
        """The last touch to every answer of the service itself (a 401 is given before it): its headers."""
        return response

    def _call(self, request: web.Request, raw: bytes, open_: bool, known: frozenset[str]) -> Call:
        token = self.state.token(request.headers.get("X-Auth-Token", ""))
        if token is None and not open_:
            raise self.unauthorized()
        for name in request.query:
            if name not in known:
                raise self.bad_request(f"The fake knows no query parameter {name!r} of {request.path}.")
        return Call(request, raw, self.state, token)

    def unauthorized(self) -> Refusal:
        """The 401 of every service, as keystonemiddleware words it."""
        message = "The request you have made requires authentication."
        return Refusal(
            UNAUTHORIZED,
            {"error": {"code": 401, "title": "Unauthorized", "message": message}},
            {"WWW-Authenticate": f'Keystone uri="{self._address()}/identity/v3"'},
        )

    def page_size(self, asked: int | None) -> int | None:
        """How many a page holds when `asked` (None: no limit was given); None for all."""
        cap = self.state.page_size.get(self.name)
        return asked if cap is None else cap if asked is None else min(asked, cap)

    def next_link(self, call: Call, marker: str, path: str | None = None) -> list[dict[str, str]]:
        """The link to the page after `marker`, with the call's own parameters."""
        query = [pair for pair in sorted(call.request.query.items()) if pair[0] != "marker"]
        href = f"{self._address()}{path or call.request.path}?{urlencode([*query, ('marker', marker)])}"
        return [{"rel": "next", "href": href}]


def found(body: object, status: int = 200, headers: Mapping[str, str] | None = None) -> web.Response:
    return web.Response(status=status, text=json.dumps(body), content_type=JSON, headers=headers)


def listing(
    name: str, items: Sequence[str], links_name: str = "", links: object = None, count: int | None = None
) -> web.Response:
    """A listing of records that are JSON already; links are left out when there are none, and so is the count."""
    tail = f', "{links_name}": {json.dumps(links)}' if links else ""
    tail += "" if count is None else f', "count": {count}'
    return web.Response(text=f'{{"{name}": [{", ".join(items)}]{tail}}}', content_type=JSON)


def page_of(
    items: Iterable[Item], marker: str | None, size: int | None, visible: Callable[[Item], bool] = lambda _: True
) -> list[Item] | None:
    """The visible items behind the marker (without one, from the start), `size` at most.

    None when the marker is not there, or not visible.
    """
    walk = iter(items)
    # Skipping the visibility check before the marker is most of the speed of a large listing.
    if marker is not None and not any(item.id == marker and visible(item) for item in walk):
        return None
    return list(islice(filter(visible, walk), size))


def parsed_time(text: str) -> datetime | None:
    """A time of a query (ISO 8601, UTC where no zone is named); None when it is none."""
    try:
        time = datetime.fromisoformat(text)
    except ValueError:
        return None
    return time if time.tzinfo else time.replace(tzinfo=UTC)
