"""SIGHUP handling of a daemon: reopens its logs and reloads its configuration."""

from __future__ import annotations

import logging
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import fields, replace
from typing import Literal

from cos_update.cli.context import Context
from cos_update.cli.setup import needed_by
from cos_update.model.errors import ConfigError
from cos_update.model.settings import Settings

_LOGGING = frozenset({"log_dir", "log_level", "log_format"})
_OF_NO_CONCERN = {"bulk": frozenset({"rmq", "source"}), "listen": frozenset({"interval", "source"})}
_LOOK = 0.1
"""Seconds between two checks for a reload."""

_log = logging.getLogger("cos_update.config")


class Reload:
    """The settings of a daemon: those in use and those to be used next.

    `hang_up` is thread-safe. Once `wanted` is set, the daemon finishes its current work, calls `take`, and starts over
    with `settings`.
    """

    def __init__(self, context: Context, process: Literal["bulk", "listen"], settings: Settings) -> None:
        self.settings = settings
        self.wanted = threading.Event()
        self._next = settings
        self._context = context
        self._process = process

    def hang_up(self) -> None:
        """Reads the configuration. If it is invalid, logs the error and keeps the current settings."""
        try:
            loaded = self._context.loaded()
            loaded.need(*needed_by(self._process))
        except ConfigError as error:
            self._log_as(self._next)
            _log.error("cannot reload the configuration, keeping the current one: %s %s", error, error.hint)
            return
        self._log_as(loaded.settings)
        for warning in loaded.warnings_for(*needed_by(self._process)):
            _log.warning("%s", warning)
        fixed = self._fixed(loaded.settings)
        changed = [name for name in _changed(self._next, fixed) if name not in _OF_NO_CONCERN[self._process]]
        _log.info("configuration reloaded; changed: %s", ", ".join(changed) or "nothing")
        later = " and ".join(_changed(fixed, loaded.settings))
        if later:
            _log.warning("changes to %s take effect when %s is restarted", later, self._process)
        self._next = fixed
        # Settings do not include the content of clouds.yaml, so changes there cannot be detected.
        if _LOGGING.issuperset(changed) and not (fixed.openstack and fixed.openstack.cloud):
            return
        self.wanted.set()

    def take(self) -> None:
        """Switches to the settings that were read last."""
        self.wanted.clear()
        self.settings = self._next

    def _log_as(self, settings: Settings) -> None:
        self._context.restart_logging(settings, self._process)

    def _fixed(self, settings: Settings) -> Settings:
        """The new settings, but with the old values for the locks and files that this process holds."""
        former = self._next
        fixed = replace(settings, data_dir=former.data_dir)
        if self._process == "listen" and fixed.rmq is not None and former.rmq is not None:
            index, count = former.rmq.shard_index, former.rmq.shard_count
            fixed = replace(fixed, rmq=replace(fixed.rmq, shard_index=index, shard_count=count))
        return fixed


@contextmanager
def either(stop: threading.Event, reload: threading.Event) -> Iterator[threading.Event]:
    """An event that is set when either of these is set; setting it affects neither."""
    ending = threading.Event()

    def relay() -> None:
        while not ending.is_set():
            if stop.wait(_LOOK) or reload.is_set():
                ending.set()

    threading.Thread(target=relay, name="relay", daemon=True).start()
    try:
        yield ending
    finally:
        ending.set()


def _changed(before: Settings, now: Settings) -> list[str]:
    """The names of keys and sections that differ."""
    names = (field.name for field in fields(Settings))
    return [name for name in names if getattr(before, name) != getattr(now, name)]
