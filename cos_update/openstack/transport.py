"""What all sessions with one cloud have in common: connections, what is known of its versions, and deadlines.

However many projects are read, there are no more connections than requests at once, to each host.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from datetime import UTC
from email.utils import parsedate_to_datetime
from functools import partial
from http.cookiejar import DefaultCookiePolicy
from typing import Any, TypeVar

import requests
from keystoneauth1 import exceptions
from keystoneauth1.session import Session, TCPKeepAliveAdapter

from cos_update.concurrency.calls import Calls
from cos_update.model.settings import CloudSettings

REQUESTS = 4
"""One call of the library may take so many requests: two of a login, one for the versions, and its own."""
SHORTEST_LIFE = 60.0
"""Seconds for which a token that was just issued counts as good, whatever its dates say."""

T = TypeVar("T")


class Transport:
    """Makes keystoneauth's sessions, and calls into them that end. Thread-safe."""

    def __init__(self, settings: CloudSettings) -> None:
        self._deadline = REQUESTS * settings.timeout
        self._calls = Calls("openstack-call", settings.concurrency)
        self._at_once = settings.concurrency
        self._discovered: dict[str, Any] = {}
        self._http = self._connections()

    def call(self, function: Callable[[], T]) -> T:
        """What `function` gives, which calls the library. Raises what it raises, or CallTimeoutError."""
        return self._calls(function, self._deadline)

    def session(self, auth: Any = None, **options: Any) -> Session:
        """A session on the shared connections; made by openstacksdk, which gives its own `options`."""
        options["discovery_cache"] = self._discovered
        session = Session(auth, session=self._http, **options)
        if auth is not None:
            login = _LoginSession(None, session=self._http, **options)
            auth.get_auth_ref = partial(_login, auth.get_auth_ref, login)
        return session

    def forget_versions(self) -> None:
        """Has the services asked for their versions again: something odd may have been among the answers."""
        self._discovered.clear()

    def close(self) -> None:
        """Closes the connections that are idle; those in use are closed by whoever uses them."""
        self._http.close()

    def _connections(self) -> requests.Session:
        http = requests.Session()
        for scheme in ("http://", "https://"):
            http.mount(scheme, TCPKeepAliveAdapter(pool_maxsize=self._at_once))
        # One project's session must not go along with the requests of another.
        http.cookies.set_policy(DefaultCookiePolicy(allowed_domains=[]))
        return http


class LoginWantedError(exceptions.Unauthorized):  # type: ignore[misc]
    """Keystone's version document is not given without a login, which takes that document."""

    is_of_gateway = True


class _LoginSession(Session):  # type: ignore[misc]  # the library is not typed for us
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


def _login(fetch: Callable[[Any], Any], login: _LoginSession, _: Session) -> Any:
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
