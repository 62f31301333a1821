"""OpenStack sessions with a single request method: raw JSON, with retries and readable errors.

openstacksdk provides login, discovery, catalog and TLS. Its Resource objects are not used, since building one costs
about a hundred times as much as parsing its JSON. keystoneauth retries nothing by itself, so this module does.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any, TypeVar

from cos_update.concurrency.calls import CallTimeoutError
from cos_update.model.errors import CloudError
from cos_update.model.settings import CloudSettings
from cos_update.openstack import failures
from cos_update.openstack.clocks import ServiceClocks
from cos_update.openstack.failures import Failure
from cos_update.openstack.refusals import NotFound, as_error, is_the_services_own, raise_login_error
from cos_update.openstack.retry_budget import RetryBudget
from cos_update.retry import Backoff, retry_after

if TYPE_CHECKING:
    from cos_update.openstack.transport import Transport

T = TypeVar("T")
COMPUTE, ORCHESTRATION, VOLUME, NETWORK, IDENTITY = "compute", "orchestration", "block_storage", "network", "identity"
SERVICE_TYPE: Mapping[str, str] = {
    "Keystone": IDENTITY,
    "Nova": COMPUTE,
    "Heat": ORCHESTRATION,
    "Cinder": VOLUME,
    "Neutron": NETWORK,
}
"""The type of each service in openstacksdk's spelling."""
MISSHAPEN = (AttributeError, KeyError, TypeError, ValueError)
"""The exceptions of processing JSON that does not follow the service's API."""
BACKOFF = Backoff(0.5, 30.0)
_UNEXPECTED_FORMAT = "a response that is truncated or in an unexpected format"


class ProjectSession:
    """One login, scoped to one project or to none. Thread-safe."""

    def __init__(
        self, connection: Any, settings: CloudSettings, transport: Transport, sleep: Callable[[float], None]
    ) -> None:
        self._connection = connection
        self._settings = settings
        self._transport = transport
        self._sleep = sleep
        self._lock = threading.Lock()
        self._microversions: dict[str, tuple[int, int]] = {}
        self._endpoints: dict[str, tuple[Any, str]] = {}
        """Service -> the access info whose catalog was used, and the endpoint URL in it."""
        self._hangs: CallTimeoutError | None = None
        self.is_spoiled = False
        """Whether a discovery has failed: the SDK would keep its result for the lifetime of the session."""
        self.request_id = ""
        self.clocks = ServiceClocks()
        self.retry_budget = RetryBudget()
        self.requests = 0
        """The number of requests sent, as a sign of life; not exact, since threads increment it without a lock."""

    def access(self) -> Any:
        """keystoneauth's access info of the current token. Raises CloudLoginError."""
        session = self._connection.session
        known = session.auth.auth_ref
        if known and not known.will_expire_soon(session.auth.MIN_TOKEN_LIFE_SECONDS):
            return known
        for attempt in range(self._settings.retries + 1):
            self.requests += 1
            try:
                with self._lock:
                    return self._call(lambda: session.auth.get_access(session))
            except Exception as error:  # keystoneauth's plugins raise exceptions without a common base class
                failure = failures.explained(error, self._settings)
                if attempt == self._settings.retries or not failure.is_passing:
                    raise_login_error(failure, attempt + 1, self._keystone)
                wait = max(BACKOFF.scattered(attempt + 1), _asked_wait(getattr(error, "response", None)))
            self._sleep(wait)
        raise AssertionError("unreachable")

    @property
    def _keystone(self) -> str:
        """Keystone's address, for messages."""
        configured = self._connection.config.config.get("auth", {}).get("auth_url")
        return failures.without_credentials(str(configured or self._settings.auth.get("auth_url", "")))

    def _call(self, function: Callable[[], T]) -> T:
        """Calls into the library with a deadline. Raises what it raises, or CallTimeoutError."""
        if self._hangs:
            # The hanging call may hold the library's lock of this login.
            raise self._hangs
        try:
            return self._transport.call(function)
        except CallTimeoutError as error:
            self._hangs, self.is_spoiled = error, True
            raise

    @property
    def project_id(self) -> str:
        """The id of the project that the token is scoped to, or ""."""
        return self.access().project_id or ""

    def date(self) -> str | None:
        """The time of the clock on Keystone's host (the Date header); None if there is none."""
        session = self._connection.session
        try:
            answer = self._call(lambda: session.get(self._keystone, authenticated=False, raise_exc=False))
        except Exception:  # keystoneauth's exceptions have no common base class; nothing depends on the result
            return None
        date = answer.headers.get("Date")
        return str(date) if date else None

    @property
    def is_bound(self) -> bool:
        """Whether this login is bound to its project: an application credential or a trust."""
        plugin = str(self._connection.config.config.get("auth_type"))
        return "applicationcredential" in plugin or bool(self.access().trust_id)

    def offers(self, service: str) -> bool:
        """Whether the catalog has an endpoint of the service in the chosen region, for the chosen interface."""
        kind = service.replace("_", "-")
        config, catalog = self._connection.config, self.access().service_catalog
        wanted = {"interface": config.get_interface(kind), "region_name": config.get_region_name(kind)}
        return bool(catalog and catalog.get_endpoint_data_list(service_type=kind, **wanted))

    def regions(self) -> list[str]:
        """The regions of the services that we read, if there are several and none was chosen; else none."""
        catalog = self.access().service_catalog
        if not catalog or self._connection.config.get_region_name():
            return []
        kinds = (service.replace("_", "-") for service in (COMPUTE, ORCHESTRATION, VOLUME, NETWORK))
        endpoints = (each for kind in kinds for each in catalog.get_endpoint_data_list(service_type=kind))
        found = sorted({str(endpoint.region_name) for endpoint in endpoints if endpoint.region_name})
        return found if len(found) > 1 else []

    def endpoint(self, service: str) -> str:
        """The service's discovered URL, without a trailing slash. Raises CloudError."""
        self.access()
        return str(self._library(lambda: self._proxy(service).get_endpoint()) or "").rstrip("/")

    def microversion(self, service: str, wanted: tuple[int, int]) -> str:
        """`wanted`, or the highest microversion of the service if that is lower.

        Raises CloudError if the service does not publish its versions: the default version omits fields, and missing
        fields must not pass for empty ones.
        """
        self.access()
        with self._lock:
            most = self._microversions.get(service)
            if most is None:
                found = self._library(lambda: self._proxy(service).get_endpoint_data())
                if newest := getattr(found, "max_microversion", None):
                    most = self._microversions[service] = tuple(newest)
        if most is None:
            self.is_spoiled = True
            self.get(service, "/", of_many=True)  # raises the reason, which the library does not report
            raise CloudError("it does not publish its versions")
        return ".".join(str(part) for part in min(most, wanted))

    def get(
        self,
        service: str,
        path: str,
        params: Mapping[str, str | tuple[str, ...]] | None = None,
        *,
        key: str | None = None,
        microversion: str | None = None,
        of_many: bool = False,
    ) -> Mapping[str, Any]:
        """GETs `path` (or a full URL) of a service and returns its JSON, which must have `key`.

        Requests `of_many` (one for each of many objects) are no longer retried once several of them have failed.
        Raises NotFound, or CloudError ("503 after 4 tries").
        """
        self.access()
        tries = self._settings.retries + 1
        for attempt in range(tries):
            answer = self._ask(service, path, params, microversion)
            wait = BACKOFF.scattered(attempt + 1)
            if isinstance(answer, Failure):
                failure = answer
            elif 200 <= answer.status_code < 300:
                self.clocks.note(service, answer.headers.get("Date"))
                body = _json(answer)
                if isinstance(body, Mapping) and (key is None or key in body):
                    return body
                failure = failures.foreign(answer) if body is None else Failure(_UNEXPECTED_FORMAT, is_passing=True)
            else:
                failure = failures.answered(answer.status_code, answer)
                if answer.status_code == 404 and is_the_services_own(_json(answer)):
                    raise NotFound(failure.text, status=404)
                wait = max(wait, _asked_wait(answer))
            if not failure.is_passing:
                raise as_error(failure, attempt + 1)
            is_spent = of_many and self.retry_budget.is_spent(service)
            if attempt + 1 == tries or is_spent:
                if of_many:
                    self.retry_budget.spend(service)
                raise as_error(failure, attempt + 1)
            self._sleep(wait)
        raise AssertionError("unreachable")

    def _ask(
        self, service: str, path: str, params: Mapping[str, str | tuple[str, ...]] | None, microversion: str | None
    ) -> Any | Failure:
        """The response, whatever its status; a Failure if there was none."""
        headers = {"X-Openstack-Request-Id": self.request_id} if self.request_id else {}
        self.requests += 1

        def ask() -> Any:
            return self._proxy(service).get(
                self._url(service, path),
                params=dict(params or {}),
                headers=headers,
                microversion=microversion,
                connect_retries=0,
                timeout=self._settings.timeout,
                raise_exc=False,
            )

        try:
            answer = self._call(ask)
            if answer.status_code == 401:
                # When several threads have their token rejected, keystoneauth retries in only one of them.
                answer = self._call(ask)
        except CloudError:
            raise
        except Exception as error:  # keystoneauth has no narrower base for what it raises
            return failures.explained(error, self._settings)
        return answer

    def _url(self, service: str, path: str) -> str:
        """The full URL, cached: the library would search the catalog for every request."""
        if "://" in path:
            return path
        from keystoneauth1.adapter import Adapter

        access = self._connection.session.auth.auth_ref
        known = self._endpoints.get(service)
        if known is None or known[0] is not access:
            # Keystone's client has its own method of this name.
            endpoint = str(Adapter.get_endpoint(self._proxy(service)) or "").rstrip("/")
            # A renewed login may have brought another catalog.
            known = self._endpoints[service] = (self._connection.session.auth.auth_ref, endpoint)
        return f"{known[1]}/{path.lstrip('/')}"

    def _library(self, function: Callable[[], T]) -> T:
        """Calls into the library with a deadline. Raises CloudError."""
        try:
            return self._call(function)
        except CloudError:
            raise
        except Exception as error:  # keystoneauth has no narrower base for what it raises
            self.is_spoiled = True
            raise as_error(failures.explained(error, self._settings), 1) from None

    def _proxy(self, service: str) -> Any:
        """openstacksdk's client of a service; discovers the service's versions the first time. Raises CloudError."""
        from openstack.exceptions import ServiceDisabledException

        try:
            proxy = getattr(self._connection, service)
            proxy.get_endpoint  # noqa: B018  fails only on access if the service is not in the catalog
        except ServiceDisabledException:
            config = self._connection.config
            region = f" in region {config.get_region_name()}" if config.get_region_name() else ""
            raise CloudError(f"the catalog has no {config.get_interface()} endpoint of it{region}") from None
        except Exception as error:  # the SDK passes on any exception of its discovery
            self.is_spoiled = True
            failure = failures.explained(error, self._settings)
            if failure.status == 401:
                raise CloudError(f"Keystone refuses this login in the project ({failure.text})", status=401) from None
            raise as_error(failure, 1) from None
        return proxy


def _json(response: Any) -> object:
    try:
        return response.json()
    except ValueError:
        return None


def _asked_wait(response: Any) -> float:
    """The seconds in a response's Retry-After, limited to our maximum wait."""
    header = "" if response is None else str(response.headers.get("Retry-After", ""))
    return min(retry_after(header, time.time()), BACKOFF.longest)
