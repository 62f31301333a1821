"""What keystoneauth is taught for each session. Imported only when one is made, for keystoneauth is large."""

from __future__ import annotations

import ssl
import time
from collections.abc import Callable
from datetime import UTC
from email.utils import parsedate_to_datetime
from functools import partial
from http.cookiejar import DefaultCookiePolicy
from typing import Any

import requests
from keystoneauth1 import exceptions
from keystoneauth1.access import AccessInfo
from keystoneauth1.identity.base import BaseIdentityPlugin
from keystoneauth1.session import Session, TCPKeepAliveAdapter

from cos_update import tls

_TRIES = 10
SHORTEST_LIFE = 60.0
"""Seconds for which a token that was just issued counts as good, whatever its dates say."""


def connections(at_once: int, *, strict: bool | None) -> requests.Session:
    """What sessions share. It verifies certificates as `cos_update.tls` says, or, with `strict` None, as they say."""
    http = requests.Session()
    http.mount("http://", TCPKeepAliveAdapter(pool_maxsize=at_once))
    if strict is None:
        http.mount("https://", TCPKeepAliveAdapter(pool_maxsize=at_once))
    else:
        http.mount("https://", _Adapter(tls.http_context(strict=strict), at_once))
    # One project's session must not go along with the requests of another.
    http.cookies.set_policy(DefaultCookiePolicy(allowed_domains=[]))
    return http


def taught(session: Session, login: LoginSession) -> Session:
    """The session, which has a token for every thread, and logs in by requests of its own kind."""
    if isinstance(session.auth, BaseIdentityPlugin):
        session.auth.get_auth_ref = partial(_login, session.auth.get_auth_ref, login)
        _steady(session.auth)
    return session


def _steady(plugin: BaseIdentityPlugin) -> None:
    """Asks the plugin again when it has no token to give.

    A thread whose token was refused drops it; another one that has just made a new one then gets none, or, of a newer
    keystoneauth, an AssertionError.
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


class _Adapter(TCPKeepAliveAdapter):  # type: ignore[misc]  # keystoneauth's types are not read
    """Connects with a TLS context of ours, also through a proxy."""

    def __init__(self, context: ssl.SSLContext, at_once: int) -> None:
        self._context = context
        super().__init__(pool_maxsize=at_once)

    def init_poolmanager(self, *args: Any, **kwargs: Any) -> None:
        super().init_poolmanager(*args, ssl_context=self._context, **kwargs)

    def proxy_manager_for(self, proxy: str, **kwargs: Any) -> Any:
        return super().proxy_manager_for(proxy, ssl_context=self._context, **kwargs)


class LoginWantedError(exceptions.Unauthorized):  # type: ignore[misc]
    """Keystone's version document is not given without a login, which takes that document."""

    is_of_gateway = True


class LoginSession(Session):  # type: ignore[misc]  # the library is not typed for us
    """Carries the requests of a login, which cannot wait for a token: keystoneauth asks for one all the same.

    It does so when Keystone's version document is answered with 401, while it holds the lock of the token.
    """

    date: str | None = None
    """The header Date of the last answer."""

    def get_auth_headers(self, auth: Any = None, **kwargs: Any) -> None:
        """Raises Unauthorized."""
        raise LoginWantedError("something before it wants a login of its own")

    def request(self, *args: Any, **kwargs: Any) -> requests.Response:
        """As it is, and keeps what Keystone's clock said."""
        response: requests.Response = super().request(*args, **kwargs)
        self.date = response.headers.get("Date")
        return response


def _login(fetch: Callable[[Any], Any], login: LoginSession, _: Session) -> Any:
    """A new token, whose age is told by a clock that nobody sets: Keystone's may well differ from this machine's."""
    access = fetch(login)
    issued, life = _now(), _life(access, login.date)

    def will_expire_soon(stale_duration: float = 0.0) -> bool:
        return _now() - issued > life - min(stale_duration, life / 2)

    access.will_expire_soon = will_expire_soon
    return access


def _life(access: Any, date: str | None) -> float:
    """Seconds for which a new token holds, all by Keystone's own clock."""
    try:
        answered = parsedate_to_datetime(date or "")
        answered = answered if answered.tzinfo else answered.replace(tzinfo=UTC)
    except ValueError:
        answered = access.issued
    if access.expires is None or answered is None:
        return float("inf")
    return max(float((access.expires - answered).total_seconds()), SHORTEST_LIFE)


def _now() -> float:
    """Seconds by a clock that runs on while the machine is suspended."""
    return time.clock_gettime(time.CLOCK_BOOTTIME)
