"""The context of every command: the program's options, the settings on demand, and logging."""

from __future__ import annotations

import logging
import os
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Literal

import click

from cos_update.cli.output.encoding import echo

if TYPE_CHECKING:
    from cos_update.config import Loaded
    from cos_update.model.settings import Settings


@dataclass(frozen=True, slots=True)
class Context:
    """The program's options."""

    config: Path | None = None
    data_dir: Path | None = None
    log_dir: Path | None = None
    log_format: str | None = None
    verbosity: int = 0
    """-1 with -q, else how many -v were given."""

    def settings(self, *needed: str) -> Settings:
        """The settings of the file, overridden by the command line.

        Prints warnings on stderr, also for errors in sections that are not `needed`. Raises ConfigError for errors in
        needed sections.
        """
        loaded = self.loaded()
        loaded.need(*needed)
        if self.verbosity >= 0:
            for warning in loaded.warnings_for(*needed):
                echo(f"Warning: {warning}", err=True)
        return loaded.settings

    def settings_with_logging(
        self, *needed: str, process: Literal["bulk", "listen"] | None = None, daemon: bool = False
    ) -> Settings:
        """As `settings`, for commands that log: starts logging, and logs the warnings."""
        loaded = self.loaded()
        loaded.need(*needed)
        self.start_logging(loaded.settings, process, daemon=daemon)
        log = logging.getLogger("cos_update.config")
        for warning in loaded.warnings_for(*needed):
            log.warning("%s", warning)
        return loaded.settings

    def start_logging(
        self, settings: Settings, process: Literal["bulk", "listen"] | None = None, *, daemon: bool = False
    ) -> None:
        """Configures logging for this command; see `cos_update.observability.logs.configure`."""
        from cos_update import config
        from cos_update.observability import logs

        secrets = config.secrets(settings)
        logs.configure(settings, secrets=secrets, process=process, daemon=daemon, verbosity=self.verbosity)

    def restart_logging(self, settings: Settings, process: Literal["bulk", "listen"]) -> None:
        """Applies new log settings to a running daemon, and reopens its log file."""
        from cos_update import config
        from cos_update.observability import logs

        secrets = config.secrets(settings)
        logs.reconfigure(settings, secrets=secrets, process=process, daemon=True, verbosity=self.verbosity)

    def folders(self) -> Settings:
        """As `settings`, for commands that need only the folders; the configuration file may be missing."""
        from cos_update import config
        from cos_update.model.settings import Settings

        if self.data_dir is not None and self.config is None and not config.is_readable(self._path):
            return self.overridden(Settings())
        return self.settings()

    def require_rights(self) -> None:
        """Raises CosUpdateError if the configuration is not readable or the data dir is not writable."""
        from cos_update import config
        from cos_update.cli import rights
        from cos_update.model.settings import Settings

        readable = config.is_readable(self._path)
        settings = self.loaded().settings if readable else self.overridden(Settings())
        rights.require(self._path, settings.data_dir, settings.log_dir)

    def loaded(self) -> Loaded:
        """The settings with the command line's overrides, and remarks on the file. Raises ConfigError."""
        from cos_update import config

        loaded = config.load(self._path, os.environ)
        return replace(loaded, settings=self.overridden(loaded.settings))

    @property
    def _path(self) -> Path:
        from cos_update import config

        return config.config_path(self.config, os.environ)

    def overridden(self, settings: Settings) -> Settings:
        """The settings, overridden by the command line."""
        return replace(
            settings,
            data_dir=self.data_dir.absolute() if self.data_dir else settings.data_dir,
            log_dir=self.log_dir.absolute() if self.log_dir else settings.log_dir,
            log_format=self.log_format or settings.log_format,
        )


pass_context = click.make_pass_decorator(Context)
