"""Publishes the view to other services: writes view.pickle if they load it.

Separate from the store, which does not know their format, and from the translation, which knows neither files nor logs.
"""

from __future__ import annotations

import logging
import threading
from collections.abc import Mapping
from dataclasses import replace
from typing import BinaryIO

from cos_update import neighbours
from cos_update.model.concertim import Owner
from cos_update.model.errors import LockedError, ViewError
from cos_update.model.settings import ViewFor
from cos_update.observability.repeats import RepeatSuppressor
from cos_update.store import View, ViewStore, publish

log = logging.getLogger("cos_update.view")

_NOBODY: Mapping[str, Owner] = {}
MOST_SAID = 20
"""Maximum number of left-out objects to log individually at once."""


class Publisher:
    """Writes the view for other services, and logs what it had to leave out, once until that changes. Thread-safe."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._reported: frozenset[str] = frozenset()
        self._announced: ViewFor | None = None
        self._repeats = RepeatSuppressor(log)

    def publish(self, store: ViewStore, known: View | None = None, owners: Mapping[str, Owner] = _NOBODY) -> int | None:
        """Writes the current view; returns the number of the last journal entry in it, None if nothing was written.

        `known` is the view that this process has just saved, if any; `owners` are additional known ones by id. Failures
        are logged: the next attempt follows.
        """

        def write(view: View, file: BinaryIO) -> Mapping[str, str]:
            all_owners = {**owners, **view.actual.owners}
            return neighbours.write(replace(view, actual=replace(view.actual, owners=all_owners)), file)

        try:
            published = publish(store, write, known)
        except (ViewError, LockedError) as error:
            text = "the view for other services is out of date: %s %s"
            self._repeats.failed("publish", text, error, error.hint, level=logging.ERROR)
            return None
        self._repeats.over("publish", "an outdated view for other services")
        if published is None:
            return None
        self._say(published.left_out)
        return published.seq

    def announce(self, form: ViewFor, before: ViewFor, *, is_asked_for: bool) -> None:
        """Logs which services view.pickle is now written for, and why; once."""
        if form is before or form is self._announced:
            return
        self._announced = form
        reason = "as set by view_for" if is_asked_for else "since the existing file names their classes"
        if form is ViewFor.NONE:
            log.info("view.pickle is now only our own memory, as set by view_for")
        else:
            log.info("view.pickle is written for the services of %s, %s", form, reason)

    def _say(self, left_out: Mapping[str, str]) -> None:
        with self._lock:
            new = sorted(left_out.keys() - self._reported)
            self._reported = frozenset(left_out)
        for item in new[:MOST_SAID]:
            log.info("left out of the view for other services: %s", left_out[item])
        if len(new) > MOST_SAID:
            log.info("left out of the view for other services: %d more", len(new) - MOST_SAID)
