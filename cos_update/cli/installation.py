"""The configuration and folders in effect here, for generated files that start the daemons."""

from __future__ import annotations

import os
import socket
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import parse_qsl, urlsplit

from cos_update.cli.context import Context
from cos_update.config import config_path
from cos_update.model.settings import Settings

_STOP_MARGIN = 15.0
"""Seconds beyond `shutdown_timeout` before a daemon may be killed."""
_ENGINE_FILES = ("ca_cert", "cert_cert", "cert_key", "ssl_ca_certs", "ssl_certfile", "ssl_keyfile")
"""The parameters of coordination.backend_url that name files: tooz's for etcd, and for Redis."""


@dataclass(frozen=True, slots=True)
class Installation:
    """The configuration's absolute path, and the settings from it and the command line."""

    config: Path
    settings: Settings

    @classmethod
    def of(cls, context: Context) -> Installation:
        """The installation of a command; a missing configuration means the default folders. Raises ConfigError."""
        path = config_path(context.config, os.environ)
        settings = context.settings() if path.exists() else context.overridden(Settings())
        return cls(path.absolute(), settings)

    @property
    def site(self) -> str:
        """What this machine is called among several; "" if it is the only one."""
        coordination = self.settings.coordination
        return "" if coordination is None else coordination.site or socket.gethostname()

    @property
    def stop_after(self) -> float:
        """Seconds after SIGTERM before a daemon may be killed; its leases may take as long to return as its work."""
        return self.settings.shutdown_timeout * (2 if self.site else 1) + _STOP_MARGIN

    @property
    def other_files(self) -> tuple[Path, ...]:
        """The certificates and keys that the configuration names."""
        settings = self.settings
        sections = (settings.openstack, settings.concertim, settings.rmq)
        named = [section.verify for section in sections if section is not None]
        if settings.rmq is not None:
            named += [name for name in (settings.rmq.client_cert, settings.rmq.client_key) if name is not None]
        paths = {Path(name) for name in named if isinstance(name, str)}
        return tuple(sorted(paths.union(self._engine_files())))

    def _engine_files(self) -> Iterator[Path]:
        if self.settings.coordination is not None:
            for name, value in parse_qsl(urlsplit(self.settings.coordination.backend_url).query):
                if name in _ENGINE_FILES and Path(value).is_absolute():
                    yield Path(value)
