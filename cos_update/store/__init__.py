"""The view: what is known of both sides, shared by bulk, listen and other services through the data dir."""

from __future__ import annotations

from cos_update.store.journal import Journal, JournalEntry, with_journal_entries
from cos_update.store.locks import FileLock, Locks
from cos_update.store.pickles import paused_gc
from cos_update.store.publication import Published, publish
from cos_update.store.schema import SCHEMA, Origin, Resync, View, from_plain, to_plain
from cos_update.store.store import BadView, ViewStore

__all__ = [
    "SCHEMA",
    "BadView",
    "FileLock",
    "Journal",
    "JournalEntry",
    "Locks",
    "Origin",
    "Published",
    "Resync",
    "View",
    "ViewStore",
    "from_plain",
    "paused_gc",
    "publish",
    "to_plain",
    "with_journal_entries",
]
