"""Locks between the processes that share a data dir, and between the threads of each: flock on small files.

The kernel releases a lock when its process dies, however it dies. Lock files are never removed: a process still waiting
for a removed file would get a lock that nobody else sees.
"""

from __future__ import annotations

import contextlib
import errno
import fcntl
import json
import os
import socket
import time
import zlib
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

from cos_update import files
from cos_update.file_hints import hint, words
from cos_update.model.errors import LockedError, ViewError

SLOTS = 64
"""The number of lock files that racks are distributed over."""
VIEW_WAIT = 60.0
"""Seconds to wait for the view: saving a very large one takes several."""
_SHORTEST_PAUSE = 0.002
_LONGEST_PAUSE = 0.05
_LARGEST_NOTE = 500
_RACKS = "locks"


class FileLock:
    """An exclusive lock between processes and threads, signed with the name `process`.

    Each acquisition opens the file separately, so threads can share one FileLock. It is not reentrant.
    """

    def __init__(self, path: Path, process: str = "") -> None:
        self.path = path
        self._process = process

    @contextlib.contextmanager
    def hold(self, timeout: float, hint: str = "") -> Iterator[None]:
        """Holds the lock within the context, after waiting at most `timeout` seconds.

        Raises LockedError, which says who holds it and since when, with `hint`; ViewError if the file cannot be opened
        for writing.
        """
        handle = self._wait(timeout, hint)
        try:
            self._sign(handle)
            yield
        finally:
            with contextlib.suppress(OSError):
                os.ftruncate(handle, 0)
            os.close(handle)

    def _wait(self, timeout: float, hint: str) -> int:
        deadline = time.monotonic() + timeout
        pause = _SHORTEST_PAUSE
        while True:
            handle = self._open()
            try:
                if _taken(handle, self.path):
                    return handle
                if time.monotonic() >= deadline:
                    waited = f" (waited {timeout:g} s)" if timeout else ""
                    raise LockedError(f"another {_holder(handle, self.path)}{waited}", hint)
            except BaseException:
                os.close(handle)
                raise
            os.close(handle)
            time.sleep(min(pause, max(deadline - time.monotonic(), 0.0)))
            pause = min(pause * 2, _LONGEST_PAUSE)

    def _open(self) -> int:
        try:
            return files.open_file(self.path, os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW)
        except OSError as error:
            raise unwritable(self.path, error) from error

    def _sign(self, handle: int) -> None:
        since = datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
        note = {"process": self._process, "pid": os.getpid(), "host": socket.gethostname(), "since": since}
        with contextlib.suppress(OSError):  # on a full disk the lock works nevertheless
            os.ftruncate(handle, 0)
            os.pwrite(handle, json.dumps(note).encode() + b"\n", 0)


class Locks:
    """The locks of one data dir, as taken by `process` ("bulk", "listen", ...)."""

    def __init__(self, data_dir: Path, process: str) -> None:
        self._data_dir = data_dir
        self._process = process

    @contextlib.contextmanager
    def rack(self, stack_id: str, timeout: float) -> Iterator[None]:
        """Holds the posting lock of one stack's rack, after waiting at most `timeout` seconds.

        Racks share slots, so a thread must not hold two of these. Raises LockedError and ViewError, as `FileLock.hold`.
        """
        slot = zlib.crc32(stack_id.encode(errors="replace")) % SLOTS
        path = self._data_dir / _RACKS / f"rack-{slot:02d}.lock"
        with contextlib.suppress(OSError):  # opening the lock reports problems with the data dir
            files.make_folder(path.parent, 0o750)
        with FileLock(path, self._process).hold(
            timeout, f"It is posting stack {stack_id} or one that shares its lock."
        ):
            yield

    @contextlib.contextmanager
    def view(self) -> Iterator[None]:
        """Holds the lock of the view and its journal, for one short read and write.

        Raises LockedError after a minute, ViewError if the data dir is not writable.
        """
        lock = FileLock(self._data_dir / "view.lock", self._process)
        with lock.hold(VIEW_WAIT, "If that process hangs, restart it."):
            yield

    def prove(self) -> None:
        """Verifies that a held lock is not granted again, as some file systems do. Raises ViewError.

        Call it while holding the view's lock.
        """
        lock = FileLock(self._data_dir / "view.lock", self._process)
        with contextlib.suppress(LockedError), lock.hold(0.0):
            raise ViewError(
                f"Locks have no effect in {self._data_dir}: its file system grants the same lock twice.",
                "Use a data dir on another file system (data_dir, COS_UPDATE_DATA_DIR, --data-dir).",
            )

    @contextlib.contextmanager
    def publication(self) -> Iterator[None]:
        """Holds the lock of the view for other services, while one is being written.

        Separate from `view`, so that postings need not wait meanwhile. Raises LockedError after a minute, ViewError if
        the data dir is not writable.
        """
        lock = FileLock(self._data_dir / "publication.lock", self._process)
        with lock.hold(VIEW_WAIT, "If that process hangs, restart it."):
            yield

    @contextlib.contextmanager
    def sole(self, name: str, timeout: float = 0.0) -> Iterator[None]:
        """Makes this process the only `name` of the data dir within the context.

        Waits at most `timeout` seconds for another one to end. Raises LockedError, which says which process holds the
        lock and since when; ViewError if the data dir is not writable.
        """
        lock = FileLock(self._data_dir / f"{name}.lock", name)
        # No hint to use another data dir: two of them on one Concertim would not see each other's postings.
        with lock.hold(timeout, "Only one may run for each Concertim. Wait until that one has ended, or stop it."):
            yield


def unwritable(path: Path, error: OSError) -> ViewError:
    """The error for a file of the data dir that could not be written, with a hint."""
    data_dir = path.parent.parent if path.parent.name == _RACKS else path.parent
    if error.errno == errno.ENOENT and not os.path.exists(data_dir):
        return ViewError(
            f"The data dir {data_dir} does not exist.",
            f"Create it: mkdir -p {data_dir}; or use another (data_dir, COS_UPDATE_DATA_DIR, --data-dir).",
        )
    return ViewError(f"{path} cannot be written: {words(error)}.", hint(error, path))


def _taken(handle: int, path: Path) -> bool:
    """Tries to lock an open file without waiting; False also if the path no longer refers to it."""
    try:
        fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    except OSError as error:
        raise ViewError(
            f"{path} cannot be locked: {words(error)}.",
            "The data dir must be on a file system with locks (flock). NFS needs rpc.statd on the client, or the mount "
            "option local_lock=flock if all processes run on this host.",
        ) from error
    with contextlib.suppress(OSError):
        return os.path.samestat(os.fstat(handle), path.stat())
    return False


def _holder(handle: int, path: Path) -> str:
    """The holder of the lock according to the file, which may not be signed yet."""
    try:
        note = json.loads(os.pread(handle, _LARGEST_NOTE, 0))
        return f"cos-update {note['process']} (pid {note['pid']}) holds {path} since {note['since']}"
    except (OSError, ValueError, TypeError, KeyError):
        return f"process holds {path}"
