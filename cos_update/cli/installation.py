"""The configuration and folders in effect here, for generated files that start the daemons."""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path

from cos_update.cli.context import Context
from cos_update.config import config_path
from cos_update.model.settings import Settings

_STOP_MARGIN = 15.0
"""Seconds beyond `shutdown_timeout` before a daemon may be killed."""


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
    def stop_after(self) -> float:
        """Seconds after SIGTERM before a daemon may be killed."""
        return self.settings.shutdown_timeout + _STOP_MARGIN

    @property
    def other_files(self) -> tuple[Path, ...]:
        """The certificates and keys that the configuration names."""
        settings = self.settings
        sections = (settings.openstack, settings.concertim, settings.rmq)
        named = [section.verify for section in sections if section is not None]
        if settings.rmq is not None:
            named += [name for name in (settings.rmq.client_cert, settings.rmq.client_key) if name is not None]
        return tuple(sorted({Path(name) for name in named if isinstance(name, str)}))
