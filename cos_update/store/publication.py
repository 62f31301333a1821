"""The view that other services load, put in the place of view.pickle.

Whoever posts to Concertim may do that: `bulk` after a pass, the listener after changes of its own. So that an older
state never replaces a newer one, what is written is put together under a lock, from all that is on disk then. That lock
is not the view's, for making the file takes a while; the view's is only held to see whether it is still wanted.
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
"""Writes a view in the terms of its `view_for`, and says what was left out of it, by Concertim id."""


@dataclass(frozen=True, slots=True)
class Published:
    """What was written: the last journal entry that is in it, and what was left out of it, by Concertim id."""

    seq: int
    left_out: Mapping[str, str]


def publish(store: ViewStore, write: Write, known: View | None = None) -> Published | None:
    """Writes view.pickle anew for those whom the memory names; None when it names nobody.

    `known` is what this process has just saved, if it has: the file then need not be read. Raises ViewError,
    LockedError; the old file is then still there.
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
                        return None  # a pass has made it our memory again meanwhile
                    new.put_in_place()
        except OSError as error:
            raise unwritable(target, error) from error
        except (TypeError, RecursionError) as error:
            raise ViewError(f"{target} cannot be written: {error}.", "Please report this as a bug.") from error
    return Published(view.journal_seq, left_out)
