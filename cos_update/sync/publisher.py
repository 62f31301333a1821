"""Publishing what is known to the services beside us: view.pickle, where it is theirs to load.

Apart from the store, which does not know their terms, and from the translation, which knows neither files nor logs.
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
"""Of what is left out so many are named in the log at once."""


class Publisher:
    """Writes the view for others, and says what had to be left out of it: once, until that changes. Thread-safe."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._said: frozenset[str] = frozenset()
        self._announced: ViewFor | None = None
        self._repeats = RepeatSuppressor(log)

    def publish(self, store: ViewStore, known: View | None = None, owners: Mapping[str, Owner] = _NOBODY) -> int | None:
        """Writes what is known by now; the number of the last posting in it, None when nothing was written.

        `known` is what this process has just saved, if it has; `owners` are known to it besides, by id. What fails is
        logged: what was posted is posted, and the next time comes.
        """

        def write(view: View, file: BinaryIO) -> Mapping[str, str]:
            all_owners = {**owners, **view.actual.owners}
            return neighbours.write(replace(view, actual=replace(view.actual, owners=all_owners)), file)

        try:
            published = publish(store, write, known)
        except (ViewError, LockedError) as error:
            text = "the view for other services is not up to date: %s %s"
            self._repeats.failed("publish", text, error, error.hint, level=logging.ERROR)
            return None
        self._repeats.over("publish", "a view for other services that is not up to date")
        if published is None:
            return None
        self._say(published.left_out)
        return published.seq

    def announce(self, form: ViewFor, before: ViewFor, *, is_asked_for: bool) -> None:
        """Says for whom view.pickle is from now on, and why; once."""
        if form is before or form is self._announced:
            return
        self._announced = form
        reason = "as view_for says" if is_asked_for else "since the one that is there names their classes"
        if form is ViewFor.NONE:
            log.info("view.pickle is nobody's but ours from now on, as view_for says")
        else:
            log.info("view.pickle is written for the services of %s, %s", form, reason)

    def _say(self, left_out: Mapping[str, str]) -> None:
        with self._lock:
            new = sorted(left_out.keys() - self._said)
            self._said = frozenset(left_out)
        for item in new[:MOST_SAID]:
            log.info("left out of the view for other services, which could not follow it: %s", left_out[item])
        if len(new) > MOST_SAID:
            log.info("left out of the view for other services: %d more", len(new) - MOST_SAID)
