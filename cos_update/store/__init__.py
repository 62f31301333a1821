"""The view: the known state of both sides, shared by bulk, listen and other services through the data dir."""

from __future__ import annotations

from cos_update.store.journal import Journal, JournalEntry, with_journal_entries
from cos_update.store.locks import FileLock, Locks
from cos_update.store.pickles import paused_gc
from cos_update.store.publication import Published, publish
from cos_update.store.rehearsal import rehearse
from cos_update.store.schema import SCHEMA, cloud_memory, from_plain, to_plain
from cos_update.store.selection import Selection, select
from cos_update.store.store import BadView, ViewStore
from cos_update.store.view import Origin, Resync, View

__all__ = [
    "FILES",
    "SCHEMA",
    "BadView",
    "FileLock",
    "Journal",
    "JournalEntry",
    "Locks",
    "Origin",
    "Published",
    "Resync",
    "Selection",
    "View",
    "ViewStore",
    "cloud_memory",
    "from_plain",
    "paused_gc",
    "publish",
    "rehearse",
    "select",
    "to_plain",
    "with_journal_entries",
]

FILES = (
    "view.pickle",
    "view.pickle.bad-*",
    ".view.*.tmp",
    "state.pickle",
    "state.pickle.bad-*",
    ".state.*.tmp",
    ".published.*.tmp",
    "publication.lock",
    "view.journal",
    "view.lock",
    "bulk.lock",
    "listen.lock",
    "listen-*.lock",
    "locks/rack-*.lock",
)
"""Patterns of the files that the store creates in the data dir."""
