"""The view: what is known of both sides, shared by bulk, listen and other services through the data dir."""

from __future__ import annotations

from cos_update.view.journal import Journal, Posting, with_postings
from cos_update.view.locks import FileLock, Locks
from cos_update.view.schema import SCHEMA, Origin, Resync, View, from_plain, to_plain
from cos_update.view.store import BadView, ViewStore, paused_gc

__all__ = [
    "SCHEMA",
    "BadView",
    "FileLock",
    "Journal",
    "Locks",
    "Origin",
    "Posting",
    "Resync",
    "View",
    "ViewStore",
    "from_plain",
    "paused_gc",
    "to_plain",
    "with_postings",
]
