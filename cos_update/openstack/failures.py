"""Why OpenStack could not be reached, out of what keystoneauth and requests wrap into one another."""

from __future__ import annotations

import ssl
from collections.abc import Iterator

from cos_update.model.tls import not_trusted

_LONGEST = 20
"""How many errors are followed from one to the next."""


def reason(error: BaseException, address: str) -> tuple[str, str]:
    """The innermost words for what went wrong, "" where there are none, and what to do about it, if that is special."""
    words = ""
    for link in _chain(error):
        if isinstance(link, ssl.SSLCertVerificationError):
            text = f"its certificate is not trusted: {link.verify_message}"
            return text, not_trusted("openstack", address, link.verify_message)
        if isinstance(link, OSError) and (link.strerror or "CA certificate" in str(link)):
            words = str(link.strerror or link)
    return words, ""


def _chain(error: BaseException | None) -> Iterator[BaseException]:
    for _ in range(_LONGEST):
        if error is None:
            return
        yield error
        error = error.__cause__ or error.__context__
