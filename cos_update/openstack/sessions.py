"""The sessions of one cloud: one with the configured credentials, and one for each project that is read."""

from __future__ import annotations

import logging
import os
import threading
import time
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from cos_update import __version__
from cos_update.model.errors import CloudError, CloudLoginError
from cos_update.model.settings import CloudSettings
from cos_update.openstack import failures
from cos_update.openstack.clocks import ServiceClocks
from cos_update.openstack.failures import Cause
from cos_update.openstack.retry_budget import RetryBudget
from cos_update.openstack.session import ProjectSession

if TYPE_CHECKING:
    from cos_update.openstack.transport import Transport

_SCOPE = ("project_name", "project_domain_name", "project_domain_id", "system_scope", "domain_id", "domain_name")
"""keystoneauth's keys that set the scope of a login, besides project_id."""


class Sessions:
    """The base session as configured, and one session per project of the same user."""

    def __init__(self, settings: CloudSettings, sleep: Callable[[float], None] = time.sleep) -> None:
        self._settings = settings
        self._sleep = sleep
        self._lock = threading.Lock()
        self._of_project: dict[str, ProjectSession] = {}
        self._base: ProjectSession | None = None
        self._transport: Transport | None = None
        self.request_id = ""
        self.clocks = ServiceClocks()
        """The services' clocks, as seen by all sessions."""
        self.retry_budget = RetryBudget()
        """The retry budget that all sessions share."""

    @property
    def base(self) -> ProjectSession:
        """The session with the configured credentials."""
        with self._lock:
            if self._base is None or self._base.is_spoiled:
                self._base = self._opened(None, self._base)
            self._base.request_id = self.request_id
            return self._base

    def of_project(self, project_id: str) -> ProjectSession:
        """The session of the same user in another project.

        Raises CloudError if the credentials are bound to another project (application credentials, trusts).
        """
        base = self.base
        if base.project_id == project_id:
            return base
        if base.is_bound:
            raise CloudError("an application credential or a trust can read only its own project")
        with self._lock:
            known = self._of_project.get(project_id)
            if known is None or known.is_spoiled:
                self._of_project[project_id] = self._opened(project_id, known)
            session = self._of_project[project_id]
        session.request_id = self.request_id
        return session

    @property
    def scoped(self) -> ProjectSession:
        """A session with a catalog: the base one, or any project's if the login is unscoped."""
        base = self.base
        if base.project_id:
            return base
        with self._lock:
            return next(iter(self._of_project.values()), base)

    @property
    def requests(self) -> int:
        """The number of requests of all open sessions, as a sign of life."""
        # Without the lock: the caller must not wait for a session that hangs.
        return sum(session.requests for session in [self._base, *list(self._of_project.values())] if session)

    def for_object(self, project_id: str, *, cloud_wide: bool) -> ProjectSession:
        """The session for reading one object of a project: the project's own, in which a 404 is reliable.

        If the login has no role there, an admin's base session is used, provided its service was read `cloud_wide`.
        Raises CloudError.
        """
        try:
            session = self.of_project(project_id)
            session.access()
        except CloudError:
            if cloud_wide:
                return self.base
            raise
        return session

    def close(self) -> None:
        """Closes all sessions and their connections."""
        with self._lock:
            self._base = None
            self._of_project.clear()
            transport, self._transport = self._transport, None
        if transport is not None:
            transport.close()

    def _opened(self, project_id: str | None, spoiled: ProjectSession | None) -> ProjectSession:
        """A new session for a project, or for the login's own scope, replacing a stale one."""
        _have_a_home()
        import openstack
        from openstack.config import OpenStackConfig

        from cos_update.openstack.transport import Transport

        settings = self._settings
        transport = self._transport = self._transport or Transport(settings)
        if spoiled is not None:
            transport.forget_versions()
        # It warns of every failed discovery, which our own errors report better.
        for name in ("keystoneauth.identity", "keystoneauth.discover"):
            logging.getLogger(name).setLevel(logging.ERROR)
        try:
            config = OpenStackConfig(
                load_yaml_config=settings.cloud is not None,
                load_envvars=False,
                session_constructor=transport.session,
            )
            region = config.get_one(**self._arguments(project_id))
            # The session uses it for its requests, including logins.
            region.config["api_timeout"] = settings.timeout
            connection = openstack.connection.Connection(config=region)
            connection.session  # noqa: B018  created on first access
        except Exception as error:  # the SDK raises many types of exceptions for configuration errors
            failure = failures.explained(error, settings)
            if failure.cause is Cause.FILES:
                text = f"OpenStack cannot be reached: {failure.text}."
                raise CloudLoginError(text, failures.hint(failure, is_login=True)) from None
            raise CloudLoginError(
                f"The credentials for OpenStack cannot be used: {str(error)[:200].rstrip('.')}.",
                _hint_of_clouds() if settings.cloud else "Check the section openstack of the configuration.",
            ) from None
        session = ProjectSession(connection, settings, transport, self._sleep)
        session.clocks, session.retry_budget = self.clocks, self.retry_budget
        return session

    def _arguments(self, project_id: str | None) -> dict[str, Any]:
        settings = self._settings
        arguments: dict[str, Any] = {"app_name": "cos-update", "app_version": __version__}
        # The defaults equal the SDK's, and must not override clouds.yaml.
        if settings.interface != "public":
            arguments["interface"] = settings.interface
        if isinstance(settings.verify, str):
            arguments |= {"verify": True, "cacert": settings.verify}
        elif not settings.verify:
            arguments["verify"] = False
        if settings.region_name:
            arguments["region_name"] = settings.region_name
        if settings.auth_type:
            arguments["auth_type"] = settings.auth_type
        elif "application_credential_secret" in settings.auth:
            arguments["auth_type"] = "v3applicationcredential"
        if settings.cloud is not None:
            arguments["cloud"] = settings.cloud
        auth = dict(settings.auth)
        if project_id is not None:
            # Empty values override those of clouds.yaml.
            auth |= dict.fromkeys(_SCOPE, "") | {"project_id": project_id}
            if settings.cloud is None:
                auth = {name: value for name, value in auth.items() if value}
        arguments["auth"] = auth
        return arguments


def _have_a_home() -> None:
    """Where nobody has given this process a home (no HOME, and a user without a name), it is /, as in Docker's images.

    openstacksdk looks for clouds.yaml there, and can't even be imported without one.
    """
    if not os.path.isabs(os.environ.get("HOME", "")):
        home = os.path.expanduser("~")
        os.environ["HOME"] = home if os.path.isabs(home) else "/"


def _hint_of_clouds() -> str:
    from openstack.config.loader import CONFIG_SEARCH_PATH

    folders = ", ".join(dict.fromkeys(CONFIG_SEARCH_PATH))
    return f"Check openstack.cloud in the configuration, and clouds.yaml, which is looked for in {folders}."
