"""Tests whether the view can be saved, before anything is posted, by saving it unchanged."""

from __future__ import annotations

import shutil
import stat
from pathlib import Path

from cos_update import files
from cos_update.store.locks import Locks, unwritable
from cos_update.store.store import ViewStore, temporary_of


def rehearse(store: ViewStore) -> None:
    """Replaces each existing view by a copy, as saving does. Raises ViewError, LockedError.

    Skips anything that is not a file, and files of other users, whom the copy would lock out.
    """
    with Locks(store.data_dir, store.process).view():
        for path in (store.layout.view, store.layout.state):
            try:
                _put_copy(path)
            except FileNotFoundError:
                continue
            except OSError as error:
                raise unwritable(path, error) from error


def _put_copy(path: Path) -> None:
    found = path.lstat()
    if not stat.S_ISREG(found.st_mode) or found.st_nlink > 1:
        return
    with path.open("rb") as old, files.replacing(path, temporary_of(path), stat.S_IMODE(found.st_mode)) as new:
        shutil.copyfileobj(old, new.file)
        if new.keep(found):
            new.put_in_place()
