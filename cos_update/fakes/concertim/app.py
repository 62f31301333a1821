"""The fake Concertim: its routes, logins and responses."""

from __future__ import annotations

import asyncio
import json
import re
import secrets
from collections.abc import Awaitable, Callable

from aiohttp import web

from cos_update.fakes.concertim import accounts, device_updates, devices, racks, structure, templates
from cos_update.fakes.concertim.call import Call, Endpoint
from cos_update.fakes.concertim.costs import cost_of
from cos_update.fakes.concertim.params import BadBodyError, Params, decode
from cos_update.fakes.concertim.problems import Refusal, no_route, unauthenticated
from cos_update.fakes.concertim.records import User
from cos_update.fakes.concertim.shapes import login_shape
from cos_update.fakes.concertim.state import seeded
from cos_update.fakes.concertim.tokens import NOT_SIGNED_IN, Tokens
from cos_update.fakes.wire import Recorded, Wire
from cos_update.model.concertim import ApiFlavour

API = "/api/v1"
COOKIE = "_ct_app_session"
BAD_LOGIN = "Invalid Login or password."
RACE_WINDOW = 0.002
HTML_PAGE = "<!DOCTYPE html><title>The page you were looking for doesn't exist (404)</title>"

_BROWSER_LIKE = re.compile(r",\s*\*/\*|\*/\*\s*,")
"""Rails treats an Accept header with such a wildcard as a browser's, whatever else it contains."""

Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]


class ConcertimApp:
    """A strict fake of the Concertim Visualisation App (May 2024; USERS: October 2023; CREDITS: as announced).

    `state` and `tokens` may be read and changed at any time, even while it is served. `realistic_cost` makes
    calls as slow as the real app's. `race_window` is the time in seconds between the reads and the writes of one
    call, in which others can interleave.
    """

    name = "concertim"

    def __init__(
        self,
        flavour: ApiFlavour = ApiFlavour.TEAMS,
        *,
        admin_password: str = "admin",  # noqa: S107 - a fake's password guards nothing
        realistic_cost: bool = False,
        race_window: float = RACE_WINDOW,
    ) -> None:
        self.url = ""
        self.flavour = flavour
        self.state = seeded(flavour, admin_password)
        self.tokens = Tokens(self.state.users, lambda: self.state.clock())
        self.wire = Wire(lambda _: self.name)
        self.realistic_cost = realistic_cost
        self.race_window = race_window
        self._interpreter = asyncio.Lock()

    @property
    def refusals(self) -> list[Recorded]:
        """The requests that failed with 4xx or 5xx and that a client could have avoided.

        Excludes injected faults, expired tokens, and the 404 that identifies the older API.
        """
        return [recorded for recorded in self.wire.refusals if not self._unavoidable(recorded)]

    def build(self) -> web.Application:
        """A new application over the state."""
        self._interpreter = asyncio.Lock()
        application = self.wire.application()
        router = application.router
        for method, path, endpoint in self._endpoints():
            handler = self._api(endpoint)
            router.add_route(method, API + path, handler)
        router.add_post("/users/sign_in.json", self._answering(self._sign_in))
        router.add_route("*", "/{rest:.*}", self._answering(self._nowhere))
        return application

    def _endpoints(self) -> list[tuple[str, str, Endpoint]]:
        one = "{id:[^/.]+}"
        found: list[tuple[str, str, Endpoint]] = [
            ("POST", "/nodes", devices.create),
            ("GET", "/users/current", accounts.current_user),
            ("GET", "/users", accounts.users),
            ("GET", "/irv/racks", structure.racks),
            ("GET", "/templates", templates.index),
            ("POST", "/templates", templates.create),
            ("DELETE", f"/templates/{one}", templates.delete),
            ("GET", "/racks", racks.index),
            ("POST", "/racks", racks.create),
            ("GET", f"/racks/{one}", racks.show),
            ("DELETE", f"/racks/{one}", racks.delete),
            ("GET", "/devices", devices.index),
            ("GET", f"/devices/{one}", devices.show),
            ("DELETE", f"/devices/{one}", devices.delete),
        ]
        updates: list[tuple[str, Endpoint]] = [
            ("templates", templates.update),
            ("racks", racks.update),
            ("devices", device_updates.update),
        ]
        if self.flavour is not ApiFlavour.USERS:
            found.append(("GET", "/teams", accounts.teams))
        found.extend(("PATCH", f"/{kind}/{one}", endpoint) for kind, endpoint in updates)
        return found

    def _api(self, endpoint: Endpoint) -> Handler:
        async def handle(request: web.Request) -> web.StreamResponse:
            user = self._signed_in(request)
            params = await _params(request)
            call = Call(self.state, user, params, request.match_info.get("id", ""), self._between_read_and_write)
            return _json_response(200, await endpoint(call))

        return self._answering(handle)

    def _answering(self, handler: Handler) -> Handler:
        async def handle(request: web.Request) -> web.StreamResponse:
            if self.realistic_cost:
                async with self._interpreter:
                    await asyncio.sleep(cost_of(request.method, request.path, self.state))
            try:
                return await handler(request)
            except Refusal as refusal:
                return _refused(request, refusal)
            except BadBodyError as error:
                return _refused(request, error.refusal())

        return handle

    def _unavoidable(self, refusal: Recorded) -> bool:
        probe = self.flavour is ApiFlavour.USERS and refusal.path == f"{API}/teams"
        return probe or b"Signature has expired" in refusal.answer

    async def _between_read_and_write(self) -> None:
        await asyncio.sleep(self.race_window)

    def _signed_in(self, request: web.Request) -> User:
        """The user of a request, by its token. Raises the 401s."""
        return self.tokens.user(request.headers.get("Authorization"))

    async def _sign_in(self, request: web.Request) -> web.StreamResponse:
        try:
            user = self._signed_in(request)
        except Refusal:
            user = await self._checked_login(request)
        answer = _json_response(201, login_shape(user))
        answer.headers["Location"] = "/"
        answer.headers["Authorization"] = f"Bearer {self.tokens.issue(user)}"
        answer.set_cookie(COOKIE, secrets.token_urlsafe(16), httponly=True, samesite="Lax")
        return answer

    async def _checked_login(self, request: web.Request) -> User:
        try:
            body = decode(request.content_type, await request.read())
        except BadBodyError:
            raise Refusal(400, {"status": 400, "error": "Bad Request"}) from None
        given = body.get("user")
        if not isinstance(given, dict) or not given.get("login"):
            raise unauthenticated(NOT_SIGNED_IN)
        for user in tuple(self.state.users.values()):
            if user.login == given["login"] and not user.pending_deletion:
                if user.password == given.get("password"):
                    return user
                break
        raise unauthenticated(BAD_LOGIN)

    async def _nowhere(self, request: web.Request) -> web.StreamResponse:
        if _wants_json(request):
            raise no_route()
        return web.Response(status=404, text=HTML_PAGE, content_type="text/html")


async def _params(request: web.Request) -> Params:
    raw = await request.read()
    content_type = request.content_type if "Content-Type" in request.headers else ""
    return Params(decode(content_type, raw), request.query, is_json=content_type == "application/json")


def _wants_json(request: web.Request) -> bool:
    if request.path.endswith(".json"):
        return True
    accept = request.headers.get("Accept", "")
    first = accept.split(",")[0].split(";")[0].strip()
    return first == "application/json" and not _BROWSER_LIKE.search(accept)


def _refused(request: web.Request, refusal: Refusal) -> web.Response:
    if refusal.status == 401 and not _wants_json(request):
        return web.Response(status=302, headers={"Location": f"http://{request.host}/accounts/sign_in"})
    if refusal.status == 404 and request.headers.get("Accept") == "text/html":
        return web.Response(status=406)
    return _json_response(refusal.status, refusal.body)


def _json_response(status: int, body: object) -> web.Response:
    encoded = json.dumps(body, ensure_ascii=False, separators=(",", ":")).encode()
    return web.Response(status=status, body=encoded, content_type="application/json", charset="utf-8")
