"""What keystoneauth is taught for each session. Imported only when one is made, for keystoneauth is large."""

from __future__ import annotations

import ssl
from typing import Any

from keystoneauth1.access import AccessInfo
from keystoneauth1.identity.base import BaseIdentityPlugin
from keystoneauth1.session import Session, TCPKeepAliveAdapter

from cos_update import tls

_TRIES = 10


def taught(session: Session, *, strict: bool | None) -> Session:
    """The session, which verifies certificates as `cos_update.tls` says and has a token for every thread."""
    if session.verify:
        session.session.mount("https://", _Adapter(tls.http_context(strict=strict)))
    if isinstance(session.auth, BaseIdentityPlugin):
        _steady(session.auth)
    return session


def _steady(plugin: BaseIdentityPlugin) -> None:
    """Asks the plugin again when it has no token to give.

    A thread whose token was refused drops it; another one that has just made a new one then gets none, or, of a newer
    keystoneauth, an AssertionError.
    """
    ask = plugin.get_access

    def get_access(session: Session) -> AccessInfo:
        for _ in range(_TRIES):
            try:
                access = ask(session)
            except AssertionError:
                continue
            if access is not None:
                return access
        return ask(session)

    plugin.get_access = get_access


class _Adapter(TCPKeepAliveAdapter):  # type: ignore[misc]  # keystoneauth's types are not read
    """Connects with a TLS context of ours, also through a proxy."""

    def __init__(self, context: ssl.SSLContext) -> None:
        self._context = context
        super().__init__()

    def init_poolmanager(self, *args: Any, **kwargs: Any) -> None:
        """As that of requests."""
        super().init_poolmanager(*args, ssl_context=self._context, **kwargs)

    def proxy_manager_for(self, proxy: str, **kwargs: Any) -> Any:
        """As that of requests."""
        return super().proxy_manager_for(proxy, ssl_context=self._context, **kwargs)
