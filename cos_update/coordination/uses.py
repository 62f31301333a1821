"""Which shards the processes of one data dir are working on: a lease is handed over only while nobody works under it.

Based on file locks, which the kernel releases when a process dies. To hand over a shard, the keeper of the leases takes
its lock exclusively.
"""

from __future__ import annotations

import fcntl
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from cos_update import files
from cos_update.file_hints import hint, words
from cos_update.model.errors import ViewError

FOLDER = "leases"
KEEPER = "keeper"
UNFIT = "unfit"
"""Exists while this site's passes fail."""


class Uses:
    """The lock files of one data dir. Every call raises ViewError if they cannot be opened."""

    def __init__(self, data_dir: Path) -> None:
        self._folder = data_dir / FOLDER

    def begin(self, shard: int) -> int | None:
        """Starts using a shard; returns the argument for `end`, or None if the shard is being handed over."""
        return self._lock(_name(shard), fcntl.LOCK_SH)

    def end(self, handle: int) -> None:
        """Ends what `begin` or `keep` started."""
        os.close(handle)

    @contextmanager
    def nobody(self, shard: int) -> Iterator[bool]:
        """Whether nobody uses a shard; if so, nobody can start to while the context lasts."""
        handle = self._lock(_name(shard), fcntl.LOCK_EX)
        try:
            yield handle is not None
        finally:
            if handle is not None:
                os.close(handle)

    def keep(self) -> int | None:
        """Becomes the process that keeps the leases; None if another process is."""
        return self._lock(KEEPER, fcntl.LOCK_EX)

    def is_fit(self) -> bool:
        """Whether this site's passes are not known to fail."""
        return not (self._folder / UNFIT).exists()

    def set_fit(self, fit: bool) -> None:
        """Records whether this site's passes work, for the process that keeps the leases."""
        try:
            if fit:
                (self._folder / UNFIT).unlink(missing_ok=True)
            else:
                files.make_folder(self._folder, 0o750)
                os.close(files.open_file(self._folder / UNFIT, os.O_WRONLY | os.O_CREAT | os.O_NOFOLLOW))
        except OSError as error:
            raise ViewError(
                f"{self._folder / UNFIT} cannot be written: {words(error)}.", hint(error, self._folder)
            ) from error

    def _lock(self, name: str, how: int) -> int | None:
        path = self._folder / f"{name}.lock"
        try:
            files.make_folder(self._folder, 0o750)
            handle = files.open_file(path, os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW)
        except OSError as error:
            raise ViewError(f"{path} cannot be written: {words(error)}.", hint(error, path)) from error
        try:
            fcntl.flock(handle, how | fcntl.LOCK_NB)
        except BlockingIOError:
            os.close(handle)
            return None
        except OSError as error:
            os.close(handle)
            raise ViewError(f"{path} cannot be locked: {words(error)}.", hint(error, path)) from error
        return handle


def _name(shard: int) -> str:
    return f"shard-{shard:02d}"
