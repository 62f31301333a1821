"""Writes view.pickle for other services.

Both `bulk` (after a pass) and the listener (after its own changes) do that. So that an older state never replaces a
newer one, the content is read from disk and written under a lock. That is not the view's lock, since writing takes a
while; the view's lock is held only to check whether the file is still wanted.
"""

from __future__ import annotations

import os
import stat
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import BinaryIO

from cos_update import files
from cos_update.model.errors import ViewError
from cos_update.store.journal import with_journal_entries
from cos_update.store.layout import OTHERS
from cos_update.store.locks import Locks, unwritable
from cos_update.store.pickles import SHARED, paused_gc
from cos_update.store.store import ViewStore
from cos_update.store.view import View

Write = Callable[[View, BinaryIO], Mapping[str, str]]
"""Writes a view for the services of its `view_for`; returns descriptions of what was left out, by Concertim id."""


@dataclass(frozen=True, slots=True)
class Published:
    """The result: the last journal entry included, and descriptions of what was left out, by Concertim id."""

    seq: int
    left_out: Mapping[str, str]


def publish(store: ViewStore, write: Write, known: View | None = None) -> Published | None:
    """Rewrites view.pickle for the services that the memory names; None if it names none.

    `known` is the view that this process has just saved, if any, which avoids reading the file. Raises ViewError,
    LockedError; the old file then stays in place.
    """
    locks = Locks(store.data_dir, store.process)
    with paused_gc(), locks.publication():
        view = store.peek() if known is None else with_journal_entries(known, store.entries_since(known.journal_seq))
        if view is None or view.view_for not in OTHERS:
            return None
        target = store.layout.view
        temporary = target.with_name(f".published.{os.getpid()}.tmp")
        try:
            for stale in store.data_dir.glob(".published.*.tmp"):
                stale.unlink(missing_ok=True)
            with files.replacing(target, temporary, SHARED, granted=stat.S_IRGRP) as new:
                left_out = write(view, new.file)
                new.finish()
                with locks.view():
                    if not store.layout.is_shared():
                        return None  # meanwhile a pass has made it our memory again
                    new.put_in_place()
        except OSError as error:
            raise unwritable(target, error) from error
        except (TypeError, RecursionError) as error:
            raise ViewError(f"{target} cannot be written: {error}.", "Please report this as a bug.") from error
    return Published(view.journal_seq, left_out)
