"""Interprets a response's status, before its body is parsed."""

from __future__ import annotations

import time
from urllib.parse import urlsplit

from cos_update.concertim.transport import URL_HINT, Answer, Method, TransientError
from cos_update.model.errors import Unavailable
from cos_update.retry import retry_after

TOO_MANY_REQUESTS = 429
OVERLOADED = frozenset({TOO_MANY_REQUESTS, 503})
BUSY = OVERLOADED | {502, 504}
"""Statuses of proxies and of an app that is starting or overloaded. Not 500, which is a permanent rejection."""


def busy(answer: Answer, address: str, method: Method, path: str) -> TransientError | None:
    """The error for a transient status, or None."""
    if answer.status not in BUSY:
        return None
    return TransientError(
        f"Concertim at {address} answered {answer.status} ({method} {path})",
        sent=answer.status != TOO_MANY_REQUESTS,
        status=answer.status,
        retry_after=retry_after(answer.headers.get("Retry-After", ""), time.time()),
    )


def redirected(answer: Answer, address: str, method: Method, path: str) -> Unavailable:
    """The error for a 3xx, which the API never returns to clients that accept JSON (observed)."""
    target = urlsplit(answer.headers.get("Location", ""))
    place = target._replace(netloc=target.netloc.rpartition("@")[2], query="", fragment="").geturl()
    return Unavailable(
        f"Concertim at {address} redirects to {place or 'nowhere'} ({answer.status} to {method} {path}): "
        "the URL is probably wrong, or a proxy answers in its place",
        URL_HINT,
        answer.status,
    )
