"""The view saved once more as it is, to see whether it can be: for whoever wants to know before anything is posted."""

from __future__ import annotations

import shutil
import stat
from pathlib import Path

from cos_update import files
from cos_update.store.locks import Locks, unwritable
from cos_update.store.store import ViewStore, temporary_of


def rehearse(store: ViewStore) -> None:
    """Puts a copy in the place of each view that there is, as saving does. Raises ViewError, LockedError likewise.

    What is no file stays as it is, and so does somebody else's, whom the copy would shut out.
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
