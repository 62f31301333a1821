"""Turns a failure into an error with a message for people.

Separate from the session, which only decides whether to retry.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import NoReturn

from cos_update.model.errors import CloudError, CloudLoginError
from cos_update.openstack import failures
from cos_update.openstack.failures import Cause, Failure


class NotFound(CloudError):
    """The service itself reports that the object does not exist (404 with the service's error body)."""


def as_error(failure: Failure, tries: int) -> CloudError:
    """The error for a request that failed after `tries` attempts ("503 after 4 tries")."""
    after = f" after {tries} tries" if tries > 1 else ""
    return CloudError(f"{failure.text}{after}", failures.hint(failure, is_login=False), failure.status)


def raise_login_error(failure: Failure, tries: int, keystone: str) -> NoReturn:
    """Raises CloudLoginError for a login that failed after `tries` attempts."""
    after = f", after {tries} tries" if tries > 1 else ""
    text = f"Keystone at {keystone} can't be used ({failure.text}){after}."
    if failure.status == 401:
        text = f"Keystone at {keystone} refused the login (401): {failure.text.removeprefix('401: ')}{after}."
    elif failure.cause is Cause.CERTIFICATE:
        text = f"{failure.text[:1].upper()}{failure.text[1:]}."
    raise CloudLoginError(text, failures.hint(failure, is_login=True), failure.status) from None


def is_the_services_own(body: object) -> bool:
    """Whether a 404 is from Nova, Cinder, Neutron or Heat itself, and not from a proxy."""
    if not isinstance(body, Mapping):
        return False
    return "itemNotFound" in body or "NeutronError" in body or (body.get("code") == 404 and "explanation" in body)
