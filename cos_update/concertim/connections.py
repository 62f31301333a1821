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
        idle_limit: float = IDLE_LIMIT,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
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
    def lease(self) -> Iterator[requests.Session]:
        """A session for one request. After an error its connection is closed, since it may have unread data."""
        session = self._take()
        try:
            yield session
        except BaseException:
            session.close()
            raise
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
        if self._tls is not None:
            session.mount("https://", _Adapter(self._tls))
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


class _Adapter(requests.adapters.HTTPAdapter):
    """Connects with our own TLS context, also through a proxy."""

    def __init__(self, context: ssl.SSLContext) -> None:
        self._context = context
        super().__init__()

    def init_poolmanager(self, *args: Any, **kwargs: Any) -> None:
        super().init_poolmanager(*args, ssl_context=self._context, **kwargs)

    def proxy_manager_for(self, proxy: str, **kwargs: Any) -> Any:
        return super().proxy_manager_for(proxy, ssl_context=self._context, **kwargs)
