"""The wire of a fake: records and counts requests, adds latency, injects faults.

In the process of a test the `Wire` is used directly, from any thread. Over HTTP the same is under
`/_sandbox/`, which is itself neither recorded nor struck:

    GET, DELETE        /_sandbox/requests     GET takes ?since=N: without the first N
    POST               /_sandbox/keep         {"requests": false}: count requests, but don't keep them
    GET                /_sandbox/counts
    GET, POST, DELETE  /_sandbox/faults       POST takes the fields of `Fault`; DELETE takes ?id=N or ends all
    POST               /_sandbox/latency      {"seconds": 0.02}
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import logging
import threading
import time
from collections import Counter, deque
from collections.abc import Awaitable, Callable
from dataclasses import dataclass

from aiohttp import web
from aiohttp.typedefs import Middleware

from cos_update.fakes.faults import Fault, FaultKind, Faults, emptied, fault_from

__all__ = ["Fault", "FaultKind", "Faults", "Recorded", "Wire"]

Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]

log = logging.getLogger(__name__)

CONTROL = "/_sandbox/"
MAX_BODY = 64 * 1024 * 1024
KEPT_REFUSALS = 1000
NO_ROUTE = "(no route)"


@dataclass(frozen=True, slots=True)
class Recorded:
    """One request and the status of its response (0: no response was sent)."""

    method: str
    path: str
    query: dict[str, str]
    status: int
    service: str
    kind: str
    """The route's pattern, such as `/api/v1/racks/{id}`."""
    raw: bytes = b""
    answer: bytes = b""
    """The response's body, only of errors (4xx, 5xx)."""
    fault: FaultKind | None = None
    """The fault that affected it, if any."""
    at: float = 0.0
    """Unix time at which its response was ready."""
    began: float = 0.0
    """Unix time at which it arrived."""
    authorization: str = ""
    """The header of that name."""

    @property
    def body(self) -> object:
        """The request's body decoded from JSON; None when it has none or is not JSON."""
        try:
            return json.loads(self.raw) if self.raw else None
        except ValueError:
            return None

    def as_json(self) -> dict[str, object]:
        """The record as it goes out under `/_sandbox/requests`."""
        return {
            "method": self.method,
            "path": self.path,
            "query": self.query,
            "body": self.body,
            "status": self.status,
            "service": self.service,
            "kind": self.kind,
            "answer": self.answer.decode(errors="replace"),
            "fault": self.fault,
            "at": self.at,
        }


class Wire:
    """One fake's wire. `service_of` tells the service from a path (one fake may be several)."""

    def __init__(self, service_of: Callable[[str], str]) -> None:
        self.faults = Faults()
        self.latency = 0.0
        """Seconds added to every response, after the work."""
        self.keep_requests = True
        """Off: requests are only counted (errors are still kept)."""
        self._service_of = service_of
        self._lock = threading.Lock()
        self._requests: list[Recorded] = []
        self._refusals: deque[Recorded] = deque(maxlen=KEPT_REFUSALS)
        self._counts: Counter[tuple[str, str, str]] = Counter()
        self._in_flight = 0
        self._peak_in_flight = 0

    @property
    def requests(self) -> list[Recorded]:
        """All requests since the last reset, in the order of completion."""
        with self._lock:
            return list(self._requests)

    @property
    def refusals(self) -> list[Recorded]:
        """The last requests that the fake itself answered with 4xx or 5xx (injected faults apart)."""
        with self._lock:
            return list(self._refusals)

    @property
    def counts(self) -> Counter[tuple[str, str, str]]:
        """Requests per (service, method, route pattern)."""
        with self._lock:
            return self._counts.copy()

    @property
    def peak_in_flight(self) -> int:
        """The maximum number of concurrent requests."""
        return self._peak_in_flight

    def reset(self) -> None:
        """Clear records and counts; faults and latency stay."""
        with self._lock:
            self._requests.clear()
            self._refusals.clear()
            self._counts.clear()
            self._peak_in_flight = self._in_flight

    def application(self) -> web.Application:
        """An empty application on this wire, with the control routes; the fake adds its own routes."""
        application = web.Application(middlewares=[self._middleware()], client_max_size=MAX_BODY)
        application.router.add_get(CONTROL + "requests", self._get_requests)
        application.router.add_delete(CONTROL + "requests", self._delete_requests)
        application.router.add_post(CONTROL + "keep", self._post_keep)
        application.router.add_get(CONTROL + "counts", self._get_counts)
        application.router.add_get(CONTROL + "faults", self._get_faults)
        application.router.add_post(CONTROL + "faults", self._post_fault)
        application.router.add_delete(CONTROL + "faults", self._delete_faults)
        application.router.add_post(CONTROL + "latency", self._post_latency)
        return application

    def _middleware(self) -> Middleware:
        @web.middleware
        async def carry(request: web.Request, handler: Handler) -> web.StreamResponse:
            if request.path.startswith(CONTROL):
                return await handler(request)
            self._in_flight += 1
            self._peak_in_flight = max(self._peak_in_flight, self._in_flight)
            try:
                return await self._carry(request, handler)
            finally:
                self._in_flight -= 1

        return carry

    async def _carry(self, request: web.Request, handler: Handler) -> web.StreamResponse:
        service = self._service_of(request.path)
        raw = await request.read()
        began = time.time()
        struck = self.faults.strike(request.method, request.path, request.query_string, service)
        fault: FaultKind | None = None
        response: web.StreamResponse | None = None
        for fault_id, found in struck:
            fault = found.kind
            response = response or await self._before(request, fault_id, found)
        if response is None:
            response = await _answer(request, handler)
        if self.latency:
            await asyncio.sleep(self.latency)
        closed = fault in (FaultKind.CUT, FaultKind.LOST_ANSWER, FaultKind.HANG)
        self._record(request, raw, service, response, 0 if closed else response.status, fault, began)
        for _, found in struck:
            response = await _after(request, found, response)
        return response

    async def _before(self, request: web.Request, fault_id: int, fault: Fault) -> web.StreamResponse | None:
        match fault.kind:
            case FaultKind.STATUS:
                return _injected(fault)
            case FaultKind.DELAY:
                await asyncio.sleep(fault.seconds)
            case FaultKind.CUT:
                return _close(request)
            case FaultKind.HANG | FaultKind.HOLD:
                while self.faults.active(fault_id) and _connected(request):
                    await asyncio.sleep(0.02)
                return _close(request) if fault.kind is FaultKind.HANG else None
        return None

    def _record(
        self,
        request: web.Request,
        raw: bytes,
        service: str,
        response: web.StreamResponse,
        status: int,
        fault: FaultKind | None,
        began: float,
    ) -> None:
        resource = request.match_info.route.resource
        kind = resource.canonical if resource is not None else NO_ROUTE
        refused = status >= 400
        with self._lock:
            self._counts[service, request.method, kind] += 1
            if not (self.keep_requests or refused):
                return
            answer = response.body if refused and isinstance(response, web.Response) else b""
            recorded = Recorded(
                request.method,
                request.path,
                dict(request.query),
                status,
                service,
                kind,
                raw,
                answer if isinstance(answer, bytes) else b"",
                fault,
                time.time(),
                began,
                request.headers.get("Authorization", ""),
            )
            if self.keep_requests:
                self._requests.append(recorded)
            if refused and fault is not FaultKind.STATUS:
                self._refusals.append(recorded)

    async def _get_requests(self, request: web.Request) -> web.Response:
        since = int(request.query.get("since", "0"))
        with self._lock:
            chosen = self._requests[since:]
        return web.json_response([recorded.as_json() for recorded in chosen])

    async def _delete_requests(self, _: web.Request) -> web.Response:
        self.reset()
        return web.json_response({})

    async def _post_keep(self, request: web.Request) -> web.Response:
        self.keep_requests = bool((await request.json())["requests"])
        return web.json_response({})

    async def _get_counts(self, _: web.Request) -> web.Response:
        return web.json_response(
            [
                {"service": service, "method": method, "kind": kind, "count": count}
                for (service, method, kind), count in sorted(self.counts.items())
            ]
        )

    async def _get_faults(self, _: web.Request) -> web.Response:
        return web.json_response(self.faults.listing())

    async def _post_fault(self, request: web.Request) -> web.Response:
        try:
            fault = fault_from(await request.json())
        except (TypeError, ValueError) as error:
            return web.json_response({"error": str(error)}, status=400)
        return web.json_response({"id": self.faults.add(fault)})

    async def _delete_faults(self, request: web.Request) -> web.Response:
        if "id" in request.query:
            self.faults.remove(int(request.query["id"]))
        else:
            self.faults.clear()
        return web.json_response({})

    async def _post_latency(self, request: web.Request) -> web.Response:
        self.latency = float((await request.json())["seconds"])
        return web.json_response({})


async def _answer(request: web.Request, handler: Handler) -> web.StreamResponse:
    try:
        return await handler(request)
    except web.HTTPException as refusal:
        return web.Response(status=refusal.status, text=refusal.text, content_type="text/plain", reason=refusal.reason)
    except Exception as error:
        log.exception("the fake itself failed at %s %s", request.method, request.path)
        return web.Response(status=500, text=f"the fake itself failed: {error!r}")


async def _after(request: web.Request, fault: Fault, response: web.StreamResponse) -> web.StreamResponse:
    match fault.kind:
        case FaultKind.LOST_ANSWER:
            return _close(request)
        case FaultKind.DONE_THEN_STATUS:
            return _injected(fault)
        case FaultKind.TRUNCATE:
            return await _truncated(request, response)
        case FaultKind.DRIBBLE:
            return await _dribbled(request, response)
        case FaultKind.EMPTY:
            return _emptied(response)
    return response


def _injected(fault: Fault) -> web.Response:
    headers = {} if fault.retry_after is None else {"Retry-After": f"{fault.retry_after:g}"}
    if fault.body is None:
        return web.Response(status=fault.code, headers=headers)
    if isinstance(fault.body, str):
        return web.Response(status=fault.code, headers=headers, text=fault.body)
    return web.json_response(fault.body, status=fault.code, headers=headers)


def _connected(request: web.Request) -> bool:
    return request.transport is not None and not request.transport.is_closing()


def _close(request: web.Request) -> web.Response:
    """Closes the connection; the response returned is for aiohttp's sake and goes nowhere."""
    if request.transport is not None:
        request.transport.abort()
    return web.Response(status=500)


def _body(response: web.StreamResponse) -> bytes:
    body = response.body if isinstance(response, web.Response) else None
    return body if isinstance(body, bytes) else b""


async def _truncated(request: web.Request, response: web.StreamResponse) -> web.StreamResponse:
    body = _body(response)
    partial = web.StreamResponse(status=response.status, headers={"Content-Type": response.content_type})
    partial.content_length = len(body)
    await partial.prepare(request)
    await partial.write(body[: len(body) // 2])
    if request.transport is not None:
        request.transport.close()
    return partial


async def _dribbled(request: web.Request, response: web.StreamResponse) -> web.StreamResponse:
    slow = web.StreamResponse(status=response.status, headers={"Content-Type": response.content_type})
    slow.enable_chunked_encoding()
    await slow.prepare(request)
    with contextlib.suppress(ConnectionError):
        while _connected(request):
            await slow.write(b" ")
            await asyncio.sleep(0.05)
    return slow


def _emptied(response: web.StreamResponse) -> web.StreamResponse:
    body = _body(response)
    return web.json_response(emptied(json.loads(body)), status=response.status) if body else response
