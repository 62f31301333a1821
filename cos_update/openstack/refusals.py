"""What an error of keystoneauth, or an answer that is no success, means: as an error for people.

Apart from the session, which decides only whether to try again.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import NoReturn

from cos_update import tls
from cos_update.model.errors import CloudError, CloudLoginError
from cos_update.model.settings import CloudSettings
from cos_update.model.tls import not_trusted
from cos_update.openstack import failures

_VERIFY = "openstack.verify"


class NotFound(CloudError):
    """The service itself says that there is no such object (404 with its own kind of body)."""


def raise_login_error(error: BaseException, settings: CloudSettings) -> NoReturn:
    """For what a login has failed of. Raises CloudLoginError."""
    where = str(settings.auth.get("auth_url", settings.cloud))
    kind = type(error).__name__
    if distrust := tls.distrust(error, settings, _VERIFY):
        raise CloudLoginError(
            f"The certificate of Keystone at {where} is not trusted: {distrust.reason}.",
            distrust.hint or not_trusted("openstack", where, distrust.reason),
        ) from None
    if kind == "Unauthorized":
        raise CloudLoginError(
            f"Keystone at {where} refused the login (401).",
            "Check username, password, domain and project in the section openstack of the configuration.",
            status=401,
        ) from None
    text, hint = failures.reason(error, where)
    raise CloudLoginError(
        f"Keystone at {where} can't be used ({kind}{f': {text}' if text else ''}).",
        hint or "Check openstack.auth_url, and whether Keystone runs.",
        status=getattr(error, "http_status", None),
    ) from None


def raise_if_untrusted(error: BaseException, settings: CloudSettings) -> None:
    """For an error that comes from a service's certificate, which another try would not change. Raises CloudError."""
    if distrust := tls.distrust(error, settings, _VERIFY):
        where = str(settings.auth.get("auth_url", settings.cloud))
        hint = distrust.hint or not_trusted("openstack", where, distrust.reason)
        raise CloudError(f"its certificate is not trusted: {distrust.reason}", hint) from None


def raise_refusal(status: int, body: object) -> NoReturn:
    """For an answer that is no success. Raises NotFound or CloudError."""
    reason = _error_message(body)
    if status == 404 and _is_the_services_own(body):
        raise NotFound(f"404: {reason}", status=404)
    raise CloudError(f"{status}: {reason}" if reason else str(status), status=status)


def _is_the_services_own(body: object) -> bool:
    """Whether a 404 is Nova's or Cinder's, Neutron's, or Heat's, and not that of a proxy in between."""
    if not isinstance(body, Mapping):
        return False
    return "itemNotFound" in body or "NeutronError" in body or (body.get("code") == 404 and "explanation" in body)


def _error_message(body: object) -> str:
    """The message in any of the services' error bodies, "" when it is none of theirs."""
    if not isinstance(body, Mapping):
        return ""
    if "explanation" in body:
        return str(body["explanation"])[:200]
    inner = next((value for value in body.values() if isinstance(value, Mapping)), {})
    return str(inner.get("message") or inner.get("title") or "")[:200]
