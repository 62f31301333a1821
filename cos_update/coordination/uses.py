"""Which shards the processes of one data dir are at work on: a lease is handed over only when nobody is.

By locks of files, which the kernel takes from whoever dies. The keeper of the leases has the file of each shard to
itself for the moment of handing it over.
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
"""Is there while passes of this site fail."""


class Uses:
    """The lock files of one data dir. Raises ViewError when they can't be opened."""

    def __init__(self, data_dir: Path) -> None:
        self._folder = data_dir / FOLDER

    def begin(self, shard: int) -> int | None:
        """Begins to use a shard; what `end` takes, or None while it is being handed over."""
        return self._lock(_name(shard), fcntl.LOCK_SH)

    def end(self, handle: int) -> None:
        """Ends what `begin`, or `keep`, has begun."""
        os.close(handle)

    @contextmanager
    def nobody(self, shard: int) -> Iterator[bool]:
        """Whether nobody uses a shard, and nobody can begin to while the context lasts."""
        handle = self._lock(_name(shard), fcntl.LOCK_EX)
        try:
            yield handle is not None
        finally:
            if handle is not None:
                os.close(handle)

    def keep(self) -> int | None:
        """Becomes the one process that keeps the leases; None while another one is."""
        return self._lock(KEEPER, fcntl.LOCK_EX)

    def is_fit(self) -> bool:
        """Whether nothing is known of passes of this site that fail."""
        return not (self._folder / UNFIT).exists()

    def set_fit(self, fit: bool) -> None:
        """Notes whether this site's passes fail, for whichever process keeps the leases."""
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
