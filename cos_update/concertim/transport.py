"""Sends single requests, and explains everything that can go wrong in plain words."""

from __future__ import annotations

import json
import logging
import ssl
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Any, Protocol
from urllib.parse import urlsplit

import requests
import urllib3

from cos_update import tls
from cos_update.concertim.connections import Connections
from cos_update.concurrency import open_files
from cos_update.concurrency.calls import Calls, CallTimeoutError
from cos_update.model.errors import Unavailable
from cos_update.model.settings import ConcertimSettings
from cos_update.model.tls import not_trusted

CONNECT_TIMEOUT = 10.0
OTHERS_AT_ONCE = 4
"""The number of concurrent requests besides writes: reads, a login, a trial."""
PROXY_LOGIN = 407
URL_HINT = "Check concertim.concertim_url."
SCHEME_HINT = "Check concertim.concertim_url: is it http:// or https://, and is the port right?"
PROXY_HINT = "Check the proxy in the environment (http_proxy, https_proxy), or name Concertim's host in no_proxy."
VERIFY_HINT = "Check concertim.verify: it must be the path of a file of CA certificates that can be read."

ObjectHook = Callable[[dict[str, Any]], object]
"""Replaces a JSON object, inner ones first."""

log = logging.getLogger(__name__)


class Method(StrEnum):
    """The HTTP methods of the API."""

    GET = "GET"
    POST = "POST"
    PATCH = "PATCH"
    DELETE = "DELETE"


@dataclass(frozen=True, slots=True)
class Answer:
    """A response: the status, the headers (case-insensitive) and the undecoded body."""

    status: int
    headers: Mapping[str, str]
    body: bytes

    def json(self, object_hook: ObjectHook | None = None) -> object:
        """The body decoded with `object_hook`. Raises ValueError if it is not JSON."""
        try:
            return json.loads(self.body, object_hook=object_hook)
        except RecursionError:
            raise ValueError("nested too deeply") from None


class TransientError(Exception):
    """There was no usable response, but a retry may succeed.

    `sent` is False if the app certainly did not process the request; `status` is that of an unusable response, and
    `retry_after` the seconds that it asks us to wait.
    """

    def __init__(self, message: str, *, sent: bool, status: int | None = None, retry_after: float = 0.0) -> None:
        super().__init__(message)
        self.sent = sent
        self.status = status
        self.retry_after = retry_after


class WriteFence(Protocol):
    """Checks every write if several machines post to one Concertim."""

    @property
    def connect_timeout(self) -> float:
        """Seconds that connecting for a write may take."""

    def ticket(self) -> Callable[[], None]:
        """The check to make at the moment when a write of this thread is sent; it raises Fenced."""


class _Nobody(requests.auth.AuthBase):
    """An auth that adds nothing to a request."""

    def __call__(self, request: requests.PreparedRequest) -> requests.PreparedRequest:
        return request


class _Common:
    """The common part of all requests to an address, prepared once: preparing each takes most of a write's CPU time.

    `surroundings` are the proxies and CA certificates from the settings and the environment.
    """

    def __init__(self, session: requests.Session, url: str, verify: bool | str) -> None:
        # With an auth, so that requests does not use credentials from .netrc or the address.
        self._request = session.prepare_request(requests.Request(Method.GET, url, auth=_Nobody()))
        self._url = (self._request.url or "").rstrip("/")
        found = session.merge_environment_settings(url, {}, None, verify, None)
        self.surroundings: Mapping[str, Any] = {name: found[name] for name in ("verify", "cert", "proxies")}

    def request(self, method: Method, path: str, data: bytes | None, token: str | None) -> requests.PreparedRequest:
        """One request; `path` must be quoted already."""
        request = self._request.copy()
        request.method, request.url, request.body = method.value, self._url + path, data
        if token is not None:
            request.headers["Authorization"] = f"Bearer {token}"
        if data is not None:
            request.headers["Content-Type"] = "application/json"
        if method is not Method.GET:
            request.headers["Content-Length"] = str(len(data or b""))
        return request


class Transport:
    """Sends single requests to the app's address. Thread-safe."""

    def __init__(self, settings: ConcertimSettings, connections: Connections, fence: WriteFence | None = None) -> None:
        self._url = settings.url.strip().rstrip("/")
        self._settings = settings
        self._timeout = settings.timeout
        self._deadline = 2 * settings.timeout + CONNECT_TIMEOUT
        self._connections = connections
        self._common: _Common | None = None
        self._fence = fence
        self._calls = Calls("concertim-call", settings.concurrency + OTHERS_AT_ONCE)
        self.address = _without_credentials(self._url)
        """The app's address, safe to print."""

    def close(self) -> None:
        """Ends the threads; calls in progress still end."""
        self._calls.close()

    def send(
        self, method: Method, path: str, body: object = None, token: str | None = None, *, is_login: bool = False
    ) -> Answer:
        """Sends one request. Raises TransientError; Unavailable for permanent problems (address, certificates);
        Fenced for a write that must not be sent."""
        timeout = (min(CONNECT_TIMEOUT, self._timeout), self._timeout)
        admit = None
        if self._fence is not None and method is not Method.GET and not is_login:
            admit = self._fence.ticket()
            timeout = (min(self._fence.connect_timeout, *timeout), self._timeout)
        data = None if body is None else encoded(body)
        began = time.monotonic()

        def ask() -> requests.Response:
            with self._connections.lease(admit) as session:
                common = self._common_to(session)
                request = common.request(method, path, data, token)
                # Not session.send, which handles cookies and redirections.
                answer = session.get_adapter(request.url or "").send(request, timeout=timeout, **common.surroundings)
                answer.content  # noqa: B018  reads the body here, where errors are handled
                return answer

        try:
            response = self._calls(ask, self._deadline)
        except CallTimeoutError as error:
            text = f"The request to Concertim at {self.address} hangs ({method} {path}): {error}"
            raise TransientError(text, sent=True) from None
        except (requests.RequestException, urllib3.exceptions.HTTPError, OSError, ValueError) as error:
            # Without the cause, which has the request with its password or token.
            raise self._explained(error, method, path) from None
        log.debug("%s %s: %d in %.0f ms", method, path, response.status_code, (time.monotonic() - began) * 1000)
        if response.status_code == PROXY_LOGIN:
            text = f"A proxy in front of Concertim at {self.address} requires its own login (407 to {method} {path})"
            raise Unavailable(text, PROXY_HINT, PROXY_LOGIN)
        return Answer(response.status_code, response.headers, response.content)

    def _common_to(self, session: requests.Session) -> _Common:
        if self._common is None:
            self._common = _Common(session, self._url, self._settings.verify)
        return self._common

    def _explained(self, error: Exception, method: Method, path: str) -> Exception:
        request = f"({method} {path})"
        chain = tuple(tls.chain(error))
        text = _os_error_text(chain) or type(error).__name__
        if any(isinstance(link, OSError) and link.errno in open_files.TOO_MANY for link in chain):
            return Unavailable(f"Concertim at {self.address} could not be reached {request}: {text}", open_files.HINT)
        if distrust := tls.distrust(error, self._settings, "concertim.verify"):
            text = f"The certificate of Concertim at {self.address} is not trusted: {distrust.reason}"
            return Unavailable(text, distrust.hint or not_trusted("concertim", self.address, distrust.reason))
        for link in chain:
            match link:
                case urllib3.exceptions.ProxyError():
                    text = text or str(link.original_error)
                    text = f"Concertim at {self.address} could not be reached {request} through the proxy: {text}"
                    return TransientError(text, sent=False)
                case urllib3.exceptions.NewConnectionError():
                    return TransientError(
                        f"Concertim at {self.address} could not be reached {request}: {text}", sent=False
                    )
                case urllib3.exceptions.ConnectTimeoutError():
                    text = f"Concertim at {self.address} could not be reached within {CONNECT_TIMEOUT:g} s {request}"
                    return TransientError(text, sent=False)
                case urllib3.exceptions.ReadTimeoutError():
                    text = f"Concertim at {self.address} did not answer within {self._timeout:g} s {request}"
                    return TransientError(text, sent=True)
                case ssl.SSLEOFError() | urllib3.exceptions.ProtocolError() | ConnectionError():
                    text = f"Concertim at {self.address} closed the connection without a complete answer {request}"
                    return TransientError(text, sent=True)
                case ssl.SSLError():
                    return Unavailable(f"No TLS connection to Concertim at {self.address}: {text}", SCHEME_HINT)
        if isinstance(error, ValueError):
            return Unavailable(f"{self.address!r} is not the address of a Concertim app", URL_HINT)
        if isinstance(error, requests.RequestException):
            return TransientError(f"Concertim at {self.address} sent no usable response {request}: {text}", sent=True)
        return Unavailable(f"Concertim at {self.address} could not be reached: {error}", VERIFY_HINT)


def encoded(body: object) -> bytes:
    """`body` as JSON; mappings of any kind become objects. Raises TypeError or ValueError for unsupported values."""
    return json.dumps(body, default=_plain, allow_nan=False).encode()


def _plain(value: object) -> object:
    if isinstance(value, Mapping):
        return dict(value)
    raise TypeError(f"{type(value).__name__} has no form in JSON")


def _without_credentials(url: str) -> str:
    try:
        parts = urlsplit(url)
    except ValueError:
        return url.rpartition("@")[2]
    return parts._replace(netloc=parts.netloc.rpartition("@")[2]).geturl()


def _os_error_text(chain: Sequence[BaseException]) -> str:
    """The operating system's own message, if there is one."""
    return next((str(link.strerror) for link in chain if isinstance(link, OSError) and link.strerror), "")
