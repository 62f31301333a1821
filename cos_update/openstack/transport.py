"""What all sessions of one cloud share: connections, cached versions, and deadlines.

However many projects are read, there are no more connections to each host than concurrent requests.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypeVar

from keystoneauth1.session import Session

from cos_update.concurrency.calls import Calls
from cos_update.model.settings import CloudSettings
from cos_update.openstack import keystoneauth

REQUESTS = 4
"""The maximum number of requests in one library call: two for a login, one for the versions, and the call's own."""

T = TypeVar("T")


class Transport:
    """Creates keystoneauth's sessions, and calls into them with a deadline. Thread-safe."""

    def __init__(self, settings: CloudSettings) -> None:
        self._deadline = REQUESTS * settings.timeout
        self._calls = Calls("openstack-call", settings.concurrency)
        self._discovered: dict[str, Any] = {}
        self._http = keystoneauth.connections(settings.concurrency, strict=settings.verify_strict)
        self._http_unverified = keystoneauth.connections(settings.concurrency, strict=None)

    def call(self, function: Callable[[], T]) -> T:
        """The result of `function`, which calls the library. Raises what it raises, or CallTimeoutError."""
        return self._calls(function, self._deadline)

    def session(self, auth: Any = None, **options: Any) -> Session:
        """A session on the shared connections, for openstacksdk, which passes its own `options`."""
        # Bodies get a logger of their own, which `logs` silences: user_data and stack outputs may hold passwords.
        options["split_loggers"] = True
        options["discovery_cache"] = self._discovered
        options["session"] = self._http if options.get("verify", True) else self._http_unverified
        return keystoneauth.fixed(Session(auth, **options), keystoneauth.LoginSession(None, **options))

    def forget_versions(self) -> None:
        """Drops cached versions: an unexpected response may be among them."""
        self._discovered.clear()

    def close(self) -> None:
        """Closes idle connections; those in use are closed by their users."""
        self._calls.close()
        self._http.close()
        self._http_unverified.close()
