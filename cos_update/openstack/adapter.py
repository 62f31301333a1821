"""keystoneauth's connections with a TLS context of ours. Imported only when one is made, for keystoneauth is large."""

from __future__ import annotations

import ssl
from typing import Any

from keystoneauth1.session import Session, TCPKeepAliveAdapter

from cos_update import tls


def mount(session: Session, *, strict: bool) -> None:
    """Lets the session verify certificates as `cos_update.tls` says; one that does not verify stays as it is."""
    if session.verify:
        session.session.mount("https://", _Adapter(tls.http_context(strict=strict)))


class _Adapter(TCPKeepAliveAdapter):  # type: ignore[misc]  # keystoneauth's types are not read
    """Connects with that context, also through a proxy."""

    def __init__(self, context: ssl.SSLContext) -> None:
        self._context = context
        super().__init__()

    def init_poolmanager(self, *args: Any, **kwargs: Any) -> None:
        """As that of requests."""
        super().init_poolmanager(*args, ssl_context=self._context, **kwargs)

    def proxy_manager_for(self, proxy: str, **kwargs: Any) -> Any:
        """As that of requests."""
        return super().proxy_manager_for(proxy, ssl_context=self._context, **kwargs)
