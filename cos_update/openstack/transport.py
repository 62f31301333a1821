"""What all sessions with one cloud have in common: connections, what is known of its versions, and deadlines.

However many projects are read, there are no more connections than requests at once, to each host.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypeVar

from keystoneauth1.session import Session

from cos_update.concurrency.calls import Calls
from cos_update.model.settings import CloudSettings
from cos_update.openstack import keystoneauth

REQUESTS = 4
"""One call of the library may take so many requests: two of a login, one for the versions, and its own."""

T = TypeVar("T")


class Transport:
    """Makes keystoneauth's sessions, and calls into them that end. Thread-safe."""

    def __init__(self, settings: CloudSettings) -> None:
        self._deadline = REQUESTS * settings.timeout
        self._calls = Calls("openstack-call", settings.concurrency)
        self._discovered: dict[str, Any] = {}
        self._http = keystoneauth.connections(settings.concurrency, strict=settings.verify_strict)
        self._http_unverified = keystoneauth.connections(settings.concurrency, strict=None)

    def call(self, function: Callable[[], T]) -> T:
        """What `function` gives, which calls the library. Raises what it raises, or CallTimeoutError."""
        return self._calls(function, self._deadline)

    def session(self, auth: Any = None, **options: Any) -> Session:
        """A session on the shared connections; made by openstacksdk, which gives its own `options`."""
        # With a logger for bodies alone (`logs` keeps it silent): user_data and outputs of stacks may hold passwords.
        options["split_loggers"] = True
        options["discovery_cache"] = self._discovered
        options["session"] = self._http if options.get("verify", True) else self._http_unverified
        return keystoneauth.taught(Session(auth, **options), keystoneauth.LoginSession(None, **options))

    def forget_versions(self) -> None:
        """Has the services asked for their versions again: something odd may have been among the answers."""
        self._discovered.clear()

    def close(self) -> None:
        """Closes the connections that are idle; those in use are closed by whoever uses them."""
        self._calls.close()
        self._http.close()
        self._http_unverified.close()
