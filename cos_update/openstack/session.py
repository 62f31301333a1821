"""Sessions with OpenStack, and one way to ask: raw JSON, with retries and errors that people can read.

openstacksdk gives login, discovery, catalog and TLS; its Resource objects are not used, since building one costs
about a hundred times the parsing of its JSON. keystoneauth itself retries nothing, so the retries are ours.
"""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable, Mapping
from functools import partial
from typing import Any

from cos_update import __version__
from cos_update.model.errors import CloudError, CloudLoginError
from cos_update.model.settings import CloudSettings
from cos_update.openstack import failures
from cos_update.openstack.clocks import ServiceClocks
from cos_update.openstack.refusals import raise_if_untrusted, raise_login_error, raise_refusal
from cos_update.retry import Backoff, retry_after

COMPUTE, ORCHESTRATION, VOLUME, NETWORK, IDENTITY = "compute", "orchestration", "block_storage", "network", "identity"
SERVICE_TYPE: Mapping[str, str] = {
    "Keystone": IDENTITY,
    "Nova": COMPUTE,
    "Heat": ORCHESTRATION,
    "Cinder": VOLUME,
    "Neutron": NETWORK,
}
"""The type of each service, as openstacksdk spells it."""
_AGAIN = frozenset({408, 413, 429, 500, 502, 503, 504})
"""413 is how the older rate limits of Nova and Cinder say 429."""
MISSHAPEN = (AttributeError, KeyError, TypeError, ValueError)
"""What comes of reading JSON that is not what the service's API says."""
BACKOFF = Backoff(0.5, 30.0)
_SCOPE = ("project_name", "project_domain_name", "project_domain_id", "system_scope", "domain_id", "domain_name")
"""keystoneauth's keys that say what a login is for, besides project_id."""


class ProjectSession:
    """One login, scoped to one project or to none. Thread-safe."""

    def __init__(self, connection: Any, settings: CloudSettings, sleep: Callable[[float], None]) -> None:
        self._connection = connection
        self._settings = settings
        self._sleep = sleep
        self._lock = threading.Lock()
        self._microversions: dict[str, tuple[int, int]] = {}
        self.is_spoiled = False
        """Whether a discovery has failed: what the sdk makes of that would stay for the session's life."""
        self.request_id = ""
        self.clocks = ServiceClocks()
        self.requests = 0
        """How many were sent, as a sign of life: threads that count at once may count one for two."""

    @property
    def _auth_url(self) -> str:
        return str(self._settings.auth.get("auth_url", self._settings.cloud))

    def access(self) -> Any:
        """keystoneauth's access info of the current token. Raises CloudLoginError."""
        session = self._connection.session
        for attempt in range(self._settings.retries + 1):
            try:
                with self._lock:
                    return session.auth.get_access(session)
            except Exception as error:  # keystoneauth has no narrower base for what its plugins raise
                if attempt == self._settings.retries or not _is_passing(error):
                    raise_login_error(error, self._settings)
                wait = max(BACKOFF.scattered(attempt + 1), _asked_wait(getattr(error, "response", None)))
            self._sleep(wait)
        raise AssertionError("unreachable")

    @property
    def project_id(self) -> str:
        """The id of the project that the token is scoped to, or ""."""
        return self.access().project_id or ""

    def date(self) -> str | None:
        """What the clock of Keystone's host says (the header Date); None when it does not tell."""
        try:
            answer = self._connection.session.get(str(self._settings.auth["auth_url"]), authenticated=False)
        except Exception:  # keystoneauth has no narrower base for what it raises; nothing depends on it
            return None
        date = answer.headers.get("Date")
        return str(date) if date else None

    @property
    def is_bound(self) -> bool:
        """Whether this login can't be had for another project: one by an application credential or a trust."""
        plugin = str(self._connection.config.config.get("auth_type"))
        return "applicationcredential" in plugin or bool(self.access().trust_id)

    def offers(self, service: str) -> bool:
        """Whether the catalog has an endpoint of the service in the chosen region, for the chosen interface."""
        kind = service.replace("_", "-")
        config, catalog = self._connection.config, self.access().service_catalog
        wanted = {"interface": config.get_interface(kind), "region_name": config.get_region_name(kind)}
        return bool(catalog and catalog.get_endpoint_data_list(service_type=kind, **wanted))

    def regions(self) -> list[str]:
        """The regions of the services that are read, where none was chosen among several; else none."""
        catalog = self.access().service_catalog
        if not catalog or self._connection.config.get_region_name():
            return []
        kinds = (service.replace("_", "-") for service in (COMPUTE, ORCHESTRATION, VOLUME, NETWORK))
        endpoints = (each for kind in kinds for each in catalog.get_endpoint_data_list(service_type=kind))
        found = sorted({str(endpoint.region_name) for endpoint in endpoints if endpoint.region_name})
        return found if len(found) > 1 else []

    def endpoint(self, service: str) -> str:
        """The service's URL as discovered, without a slash at its end."""
        return str(self._proxy(service).get_endpoint() or "").rstrip("/")

    def microversion(self, service: str, wanted: tuple[int, int]) -> str:
        """`wanted`, or the greatest that the service offers.

        Raises CloudError when the service does not tell its versions: at the lowest one it would leave fields out,
        and what is left out must not pass for empty.
        """
        with self._lock:
            if service not in self._microversions:
                most = getattr(self._proxy(service).get_endpoint_data(), "max_microversion", None)
                if most is None:
                    self.is_spoiled = True
                    raise CloudError("it does not tell its versions")
                self._microversions[service] = tuple(most)
            return ".".join(str(part) for part in min(self._microversions[service], wanted))

    def get(
        self,
        service: str,
        path: str,
        params: Mapping[str, str | tuple[str, ...]] | None = None,
        *,
        key: str | None = None,
        microversion: str | None = None,
    ) -> Mapping[str, Any]:
        """GETs `path` (or a full URL) of a service and gives its JSON, which must have `key`.

        Raises NotFound, or CloudError with a phrase for people ("503 after 4 tries").
        """
        tries = self._settings.retries + 1
        status = None
        for attempt in range(tries):
            response, reason = self._ask(service, path, params, microversion)
            wait = BACKOFF.scattered(attempt + 1)
            if response is not None:
                status = response.status_code
                body = _json(response)
                if 200 <= status < 300:
                    self.clocks.note(service, response.headers.get("Date"))
                    if isinstance(body, Mapping) and (key is None or key in body):
                        return body
                    reason = "an answer that is cut off or of another shape"
                elif status not in _AGAIN:
                    raise_refusal(status, body)
                else:
                    reason = str(status)
                    wait = max(wait, _asked_wait(response))
            if attempt + 1 < tries:
                self._sleep(wait)
        raise CloudError(f"{reason} after {tries} tries", status=status)

    def _ask(
        self, service: str, path: str, params: Mapping[str, str | tuple[str, ...]] | None, microversion: str | None
    ) -> tuple[Any, str]:
        from keystoneauth1 import exceptions

        headers = {"X-Openstack-Request-Id": self.request_id} if self.request_id else {}
        self.requests += 1
        try:
            ask = partial(
                self._proxy(service).get,
                path,
                params=dict(params or {}),
                headers=headers,
                microversion=microversion,
                connect_retries=0,
                timeout=self._settings.timeout,
                raise_exc=False,
            )
            answer = ask()
            if answer.status_code == 401:
                # Of several threads whose token has been refused, keystoneauth asks again in one only.
                answer = ask()
        except exceptions.ConnectTimeout:
            return None, f"no answer within {self._settings.timeout:g} s"
        except (exceptions.ConnectionError, exceptions.http.HttpError) as error:
            raise_if_untrusted(error, self._settings)
            return None, f"no connection ({failures.reason(error, self._auth_url)[0] or type(error).__name__})"
        except exceptions.ClientException as error:
            raise CloudError(f"{type(error).__name__}: {str(error)[:120]}") from None
        return answer, ""

    def _proxy(self, service: str) -> Any:
        from openstack.exceptions import ServiceDisabledException

        try:
            proxy = getattr(self._connection, service)
            proxy.get_endpoint  # noqa: B018  what is not in the catalog says so only when it is used
        except ServiceDisabledException:
            config = self._connection.config
            region = f" in region {config.get_region_name()}" if config.get_region_name() else ""
            raise CloudError(f"the catalog has no {config.get_interface()} endpoint of it{region}") from None
        except Exception as error:  # the sdk raises what its discovery met, of many kinds
            self.is_spoiled = True
            raise_if_untrusted(error, self._settings)
            if getattr(error, "http_status", None) == 401:
                raise CloudError("Keystone refuses this login in the project (401)", status=401) from None
            text, hint = failures.reason(error, self._auth_url)
            raise CloudError(f"its endpoint can't be used ({text or type(error).__name__})", hint) from None
        return proxy


class Sessions:
    """The base session as configured, and one session per project of the same user."""

    def __init__(self, settings: CloudSettings, sleep: Callable[[float], None] = time.sleep) -> None:
        self._settings = settings
        self._sleep = sleep
        self._lock = threading.Lock()
        self._of_project: dict[str, ProjectSession] = {}
        self._base: ProjectSession | None = None
        self.request_id = ""
        self.clocks = ServiceClocks()
        """What the services' clocks say, to all sessions."""

    @property
    def base(self) -> ProjectSession:
        """The session of the credentials as they stand."""
        with self._lock:
            if self._base is None or self._base.is_spoiled:
                self._base = self._open(None)
            self._base.request_id = self.request_id
            return self._base

    def of_project(self, project_id: str) -> ProjectSession:
        """The session of the same user in another project.

        Raises CloudError when these credentials are bound to one project (application credentials, trusts).
        """
        base = self.base
        if base.project_id == project_id:
            return base
        if base.is_bound:
            raise CloudError("an application credential or a trust reads its own project only")
        with self._lock:
            known = self._of_project.get(project_id)
            if known is None or known.is_spoiled:
                self._of_project[project_id] = self._open(project_id)
            session = self._of_project[project_id]
        session.request_id = self.request_id
        return session

    @property
    def scoped(self) -> ProjectSession:
        """A session with a catalog: the base one, or any project's when the login has no project of its own."""
        base = self.base
        if base.project_id:
            return base
        with self._lock:
            return next(iter(self._of_project.values()), base)

    @property
    def requests(self) -> int:
        """The requests of all sessions that are open, as a sign of life."""
        with self._lock:
            return sum(session.requests for session in (self._base, *self._of_project.values()) if session)

    def for_object(self, project_id: str, *, cloud_wide: bool) -> ProjectSession:
        """The session to ask for one object of a project: the project's own, in which a 404 can be believed.

        Where the login has no role there, an admin's base session serves, if its service was read `cloud_wide`.
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
        """Forgets all sessions."""
        with self._lock:
            self._base = None
            self._of_project.clear()

    def _open(self, project_id: str | None) -> ProjectSession:
        import openstack
        from openstack.config import OpenStackConfig

        from cos_update.openstack.keystoneauth import taught

        settings = self._settings
        # It warns of every failed discovery, which our own errors say better.
        for name in ("keystoneauth.identity", "keystoneauth.discover"):
            logging.getLogger(name).setLevel(logging.ERROR)
        try:
            config = OpenStackConfig(load_yaml_config=settings.cloud is not None, load_envvars=False)
            region = config.get_one(**self._arguments(project_id))
            connection = openstack.connection.Connection(config=region)
        except Exception as error:  # the sdk raises many kinds for what a person has written wrongly
            raise CloudLoginError(
                f"The credentials for OpenStack can't be used: {str(error)[:200]}.",
                "Check the section openstack of the configuration.",
            ) from None
        connection.session.timeout = settings.timeout
        taught(connection.session, strict=settings.verify_strict)
        session = ProjectSession(connection, settings, self._sleep)
        session.clocks = self.clocks
        return session

    def _arguments(self, project_id: str | None) -> dict[str, Any]:
        settings = self._settings
        arguments: dict[str, Any] = {"app_name": "cos-update", "app_version": __version__}
        # The defaults are the sdk's own too, and must not take the place of what clouds.yaml says.
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
            # Empty ones take the place of what clouds.yaml says.
            auth |= dict.fromkeys(_SCOPE, "") | {"project_id": project_id}
            if settings.cloud is None:
                auth = {name: value for name, value in auth.items() if value}
        arguments["auth"] = auth
        return arguments


def _is_passing(error: BaseException) -> bool:
    return getattr(error, "http_status", None) in _AGAIN or type(error).__name__ in {
        "ConnectFailure", "ConnectTimeout", "ConnectionError", "RetriableConnectionFailure", "UnknownConnectionError",
    }  # fmt: skip


def _json(response: Any) -> object:
    try:
        return response.json()
    except ValueError:
        return None


def _asked_wait(response: Any) -> float:
    """The seconds that an answer's Retry-After asks for, as far as we are willing to wait."""
    header = "" if response is None else str(response.headers.get("Retry-After", ""))
    return min(retry_after(header, time.time()), BACKOFF.longest)
