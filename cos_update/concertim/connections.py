"""Keep-alive connections to Concertim, closed before the app's idle timeout."""

from __future__ import annotations

import ssl
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from http.cookiejar import DefaultCookiePolicy
from typing import Any

import requests
import urllib3
from urllib3.connection import HTTPConnection, HTTPSConnection

from cos_update import __version__, tls

IDLE_LIMIT = 15.0
"""Seconds after which an idle connection is not reused: the app's server closes it after 20 (observed)."""


class Connections:
    """A LIFO pool of sessions with one connection each, leased to one thread at a time."""

    def __init__(
        self,
        verify: bool | str,
        *,
        strict: bool | None = None,
        has_checks: bool = False,
        idle_limit: float = IDLE_LIMIT,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._has_checks = has_checks
        self._idle_limit = idle_limit
        self._clock = clock
        self._lock = threading.Lock()
        self._idle: list[tuple[float, requests.Session]] = []
        self._closed = False
        # Without verification, requests creates the context itself.
        self._tls = tls.http_context(strict=strict) if verify is not False else None
        if verify is False:
            # Turning verification off is deliberate; the library would warn at every connection.
            urllib3.disable_warnings(urllib3.exceptions.InsecureRequestWarning)

    @contextmanager
    def lease(self, check: Callable[[], None] | None = None) -> Iterator[requests.Session]:
        """A session for one request. After an error its connection is closed, since it may have unread data.

        `check` is called, if the connections have checks, right before anything of the request is sent; what it raises
        comes through.
        """
        session = self._take()
        _current.check = check
        try:
            yield session
        except BaseException:
            session.close()
            raise
        finally:
            _current.check = None
        self._give_back(session)

    def close(self) -> None:
        """Closes idle sessions now, and leased ones when they are returned."""
        with self._lock:
            self._closed = True
            idle, self._idle = self._idle, []
        for _, session in idle:
            session.close()

    def _take(self) -> requests.Session:
        oldest = self._clock() - self._idle_limit
        with self._lock:
            stale = [session for since, session in self._idle if since < oldest]
            self._idle = [(since, session) for since, session in self._idle if since >= oldest]
            fresh = self._idle.pop()[1] if self._idle else None
        for session in stale:
            session.close()
        return fresh or self._new()

    def _new(self) -> requests.Session:
        session = requests.Session()
        if self._tls is not None or self._has_checks:
            session.mount("https://", _Adapter(self._tls, has_checks=self._has_checks))
        if self._has_checks:
            session.mount("http://", _Adapter(None, has_checks=True))
        session.headers.update({"Accept": "application/json", "User-Agent": f"cos-update/{__version__}"})
        # The app's session cookie alone authenticates, which would hide an expired token.
        session.cookies.set_policy(DefaultCookiePolicy(allowed_domains=[]))
        return session

    def _give_back(self, session: requests.Session) -> None:
        with self._lock:
            if not self._closed:
                self._idle.append((self._clock(), session))
                return
        session.close()


_current = threading.local()
"""The check of the request that this thread sends."""


def _checked(connection: HTTPConnection) -> None:
    check: Callable[[], None] | None = getattr(_current, "check", None)
    if check is not None:
        if connection.sock is None:
            # Connecting takes time, and comes before the check.
            connection.connect()
        check()


class _CheckedConnection(HTTPConnection):
    def send(self, data: Any) -> None:
        _checked(self)
        super().send(data)


class _CheckedTlsConnection(HTTPSConnection):
    def send(self, data: Any) -> None:
        _checked(self)
        super().send(data)


class _CheckedPool(urllib3.HTTPConnectionPool):
    ConnectionCls = _CheckedConnection


class _CheckedTlsPool(urllib3.HTTPSConnectionPool):
    ConnectionCls = _CheckedTlsConnection


class _Adapter(requests.adapters.HTTPAdapter):
    """Connects with our own TLS context, also through a proxy; calls the check of a request right before sending."""

    def __init__(self, context: ssl.SSLContext | None, *, has_checks: bool) -> None:
        self._context: dict[str, Any] = {} if context is None else {"ssl_context": context}
        self._has_checks = has_checks
        super().__init__()

    def init_poolmanager(self, *args: Any, **kwargs: Any) -> None:
        super().init_poolmanager(*args, **{**self._context, **kwargs})
        self._check(self.poolmanager)

    def proxy_manager_for(self, proxy: str, **kwargs: Any) -> Any:
        manager = super().proxy_manager_for(proxy, **{**self._context, **kwargs})
        self._check(manager)
        return manager

    def _check(self, manager: Any) -> None:
        if self._has_checks:
            manager.pool_classes_by_scheme = {"http": _CheckedPool, "https": _CheckedTlsPool}
