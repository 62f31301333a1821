"""Fixes to keystoneauth's sessions. Imported only to create one, since keystoneauth is slow to import."""

from __future__ import annotations

import ssl
import time
from collections.abc import Callable
from datetime import UTC
from email.utils import parsedate_to_datetime
from functools import partial
from http.cookiejar import DefaultCookiePolicy
from typing import Any
from urllib.parse import urlsplit

import requests
from keystoneauth1 import exceptions
from keystoneauth1.access import AccessInfo
from keystoneauth1.identity.base import BaseIdentityPlugin
from keystoneauth1.session import Session, TCPKeepAliveAdapter

from cos_update import tls

_TRIES = 10
SHORTEST_LIFE = 60.0
"""Minimum seconds for which a new token counts as valid, whatever its expiry says."""


def connections(at_once: int, *, strict: bool | None) -> requests.Session:
    """The connection pool that sessions share. Verifies certificates by `cos_update.tls`, unless `strict` is None."""
    http = _Http()
    http.mount("http://", TCPKeepAliveAdapter(pool_maxsize=at_once))
    if strict is None:
        http.mount("https://", TCPKeepAliveAdapter(pool_maxsize=at_once))
    else:
        http.mount("https://", _Adapter(tls.http_context(strict=strict), at_once))
    # Cookies of one project's session must not be sent with requests of another.
    http.cookies.set_policy(DefaultCookiePolicy(allowed_domains=[]))
    return http


class _Http(requests.Session):
    """Looks through the environment once for each host, and not for each request: it takes a third of its CPU time."""

    def __init__(self) -> None:
        super().__init__()
        self._surroundings: dict[tuple[object, ...], Any] = {}

    def merge_environment_settings(self, url: Any, proxies: Any, stream: Any, verify: Any, cert: Any) -> Any:
        """The proxies and certificates by the arguments, the session and the environment."""
        if proxies:
            return super().merge_environment_settings(url, proxies, stream, verify, cert)
        key = (*urlsplit(url)[:2], stream, verify, cert)
        if key not in self._surroundings:
            self._surroundings[key] = super().merge_environment_settings(url, proxies, stream, verify, cert)
        return dict(self._surroundings[key])


def fixed(session: Session, login: LoginSession) -> Session:
    """The session with safe token renewal in several threads, and with logins sent through `login`."""
    if isinstance(session.auth, BaseIdentityPlugin):
        session.auth.get_auth_ref = partial(_login, session.auth.get_auth_ref, login)
        _steady(session.auth)
    return session


def _steady(plugin: BaseIdentityPlugin) -> None:
    """Retries when the plugin returns no token.

    A thread whose token was rejected invalidates it; another thread that has just obtained a new one then gets None
    or, with newer releases of keystoneauth, an AssertionError.
    """
    ask = plugin.get_access

    def get_access(session: Session) -> AccessInfo:
        for _ in range(_TRIES):
            try:
                access = ask(session)
            except AssertionError:
                continue
            if access is not None:
                return access
        return ask(session)

    plugin.get_access = get_access


class _Adapter(TCPKeepAliveAdapter):  # type: ignore[misc]  # keystoneauth is untyped
    """Connects with our own TLS context, also through a proxy."""

    def __init__(self, context: ssl.SSLContext, at_once: int) -> None:
        self._context = context
        super().__init__(pool_maxsize=at_once)

    def init_poolmanager(self, *args: Any, **kwargs: Any) -> None:
        super().init_poolmanager(*args, ssl_context=self._context, **kwargs)

    def proxy_manager_for(self, proxy: str, **kwargs: Any) -> Any:
        return super().proxy_manager_for(proxy, ssl_context=self._context, **kwargs)


class LoginWantedError(exceptions.Unauthorized):  # type: ignore[misc]
    """Keystone's version document requires a login, but logging in requires that document."""

    is_of_gateway = True


class LoginSession(Session):  # type: ignore[misc]  # keystoneauth is untyped
    """The session for login requests, which must not wait for a token.

    keystoneauth requests one if Keystone's version document returns 401, while it holds the token's lock: a deadlock.
    """

    date: str | None = None
    """The Date header of the last response."""

    def get_auth_headers(self, auth: Any = None, **kwargs: Any) -> None:
        """Raises LoginWantedError: a login has no token yet."""
        raise LoginWantedError("something in front of it requires its own login")

    def request(self, *args: Any, **kwargs: Any) -> requests.Response:
        """As in the base class; records the time of Keystone's clock."""
        response: requests.Response = super().request(*args, **kwargs)
        self.date = response.headers.get("Date")
        return response


def _login(fetch: Callable[[Any], Any], login: LoginSession, _: Session) -> Any:
    """A new token that expires by a monotonic clock, since Keystone's clock may differ from this machine's."""
    access = fetch(login)
    issued, life = _now(), _life(access, login.date)

    def will_expire_soon(stale_duration: float = 0.0) -> bool:
        return _now() - issued > life - min(stale_duration, life / 2)

    access.will_expire_soon = will_expire_soon
    return access


def _life(access: Any, date: str | None) -> float:
    """Seconds for which a new token is valid, by Keystone's own clock."""
    try:
        answered = parsedate_to_datetime(date or "")
        answered = answered if answered.tzinfo else answered.replace(tzinfo=UTC)
    except ValueError:
        answered = access.issued
    if access.expires is None or answered is None:
        return float("inf")
    return max(float((access.expires - answered).total_seconds()), SHORTEST_LIFE)


def _now() -> float:
    """Seconds of a monotonic clock that keeps running while the machine is suspended."""
    return time.clock_gettime(time.CLOCK_BOOTTIME)
