"""SIGHUP of a daemon: its logs are opened anew, and its configuration is read again."""

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
"""Seconds between two looks at whether the configuration was read again."""

_log = logging.getLogger("cos_update.config")


class Reload:
    """The settings of a daemon, as they are and as they are to be.

    `hang_up` may be called by any thread. Once `wanted` is set, the daemon ends what it is at in good order, calls
    `take`, and begins anew with `settings`.
    """

    def __init__(self, context: Context, process: Literal["bulk", "listen"], settings: Settings) -> None:
        self.settings = settings
        self.wanted = threading.Event()
        self._next = settings
        self._context = context
        self._process = process

    def hang_up(self) -> None:
        """Reads the configuration. A wrong one is logged, and the daemon goes on with what it has."""
        try:
            loaded = self._context.loaded()
            loaded.need(*needed_by(self._process))
        except ConfigError as error:
            self._log_as(self._next)
            _log.error("the configuration stays as it was, for it cannot be read: %s %s", error, error.hint)
            return
        self._log_as(loaded.settings)
        for warning in loaded.warnings_for(*needed_by(self._process)):
            _log.warning("%s", warning)
        fixed = self._fixed(loaded.settings)
        changed = [name for name in _changed(self._next, fixed) if name not in _OF_NO_CONCERN[self._process]]
        _log.info("the configuration was read again; changed: %s", ", ".join(changed) or "nothing")
        later = " and ".join(_changed(fixed, loaded.settings))
        if later:
            _log.warning("what has changed in %s takes effect when %s is started anew", later, self._process)
        self._next = fixed
        # What stands in clouds.yaml is not among the settings, so that it cannot be compared.
        if _LOGGING.issuperset(changed) and not (fixed.openstack and fixed.openstack.cloud):
            return
        self.wanted.set()

    def take(self) -> None:
        """The settings are those that were read last."""
        self.wanted.clear()
        self.settings = self._next

    def _log_as(self, settings: Settings) -> None:
        self._context.restart_logging(settings, self._process)

    def _fixed(self, settings: Settings) -> Settings:
        """The settings with those of before where these name the locks and the files that this process holds."""
        former = self._next
        fixed = replace(settings, data_dir=former.data_dir)
        if self._process == "listen" and fixed.rmq is not None and former.rmq is not None:
            index, count = former.rmq.shard_index, former.rmq.shard_count
            fixed = replace(fixed, rmq=replace(fixed.rmq, shard_index=index, shard_count=count))
        return fixed


@contextmanager
def either(stop: threading.Event, reload: threading.Event) -> Iterator[threading.Event]:
    """An event that is set once one of these is; setting it sets neither."""
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
    """The keys and sections that differ."""
    names = (field.name for field in fields(Settings))
    return [name for name in names if getattr(before, name) != getattr(now, name)]
