"""What an error of keystoneauth, or an answer that is no success, means: as an error for people.

Apart from the session, which decides only whether to try again.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import NoReturn

from cos_update.model.errors import CloudError, CloudLoginError
from cos_update.openstack import failures
from cos_update.openstack.failures import Cause, Failure


class NotFound(CloudError):
    """The service itself says that there is no such object (404 with its own kind of body)."""


def as_error(failure: Failure, tries: int) -> CloudError:
    """For a request that has failed so many times, with a phrase for people ("503 after 4 tries")."""
    after = f" after {tries} tries" if tries > 1 else ""
    return CloudError(f"{failure.text}{after}", failures.hint(failure, is_login=False), failure.status)


def raise_login_error(failure: Failure, tries: int, keystone: str) -> NoReturn:
    """For a login that has failed so many times. Raises CloudLoginError."""
    after = f", after {tries} tries" if tries > 1 else ""
    text = f"Keystone at {keystone} can't be used ({failure.text}){after}."
    if failure.status == 401:
        text = f"Keystone at {keystone} refused the login (401): {failure.text.removeprefix('401: ')}{after}."
    elif failure.cause is Cause.CERTIFICATE:
        text = f"{failure.text[:1].upper()}{failure.text[1:]}."
    raise CloudLoginError(text, failures.hint(failure, is_login=True), failure.status) from None


def is_the_services_own(body: object) -> bool:
    """Whether a 404 is Nova's or Cinder's, Neutron's, or Heat's, and not that of a proxy in between."""
    if not isinstance(body, Mapping):
        return False
    return "itemNotFound" in body or "NeutronError" in body or (body.get("code") == 404 and "explanation" in body)
