"""Files shared by processes of several users, on file systems of every kind.

Files that root creates in another user's folder get that user as owner, so that a command run by root cannot lock out a
daemon. Operations that a file system does not support, and that safety does not require, are skipped.
"""

from __future__ import annotations

import contextlib
import errno
import os
import stat
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import BinaryIO

_ROOT = 0

_NOT_OFFERED = frozenset({errno.EINVAL, errno.ENOTSUP, errno.EOPNOTSUPP, errno.ENOSYS})
"""Errors of a file system that does not support an operation at all (CIFS, NFS, FUSE)."""
_NOT_FOR_FOLDERS = _NOT_OFFERED | {errno.EBADF, errno.EISDIR, errno.EACCES, errno.EPERM}
_NOT_FOR_US = _NOT_OFFERED | {errno.EACCES, errno.EPERM}
"""Errors of a file system whose modes are set by the mount or the server (CIFS, NFS with root squashing)."""


class Replacement:
    """A new file to replace another; created by `replacing`.

    `done_without` describes what the file system does not support.
    """

    def __init__(self, path: Path, temporary: Path, file: BinaryIO, *, durable: bool) -> None:
        self.file = file
        self.done_without: list[str] = []
        self._path = path
        self._temporary = temporary
        self._durable = durable

    def finish(self) -> None:
        """Finishes writing. Raises OSError."""
        if self.file.closed:
            return
        self.file.flush()
        if self._durable:
            self._flush(self.file.fileno(), _NOT_OFFERED, "flushing files to the disk (fsync)")
        self.file.close()

    def put_in_place(self) -> None:
        """Atomically replaces the old file; nothing can be written any more. Raises OSError."""
        self.finish()
        self._temporary.replace(self._path)
        if self._durable:
            self.done_without += flush_folder(self._path.parent)

    def grant(self, mode: int) -> None:
        """Adds these permission bits. Raises OSError."""
        now = stat.S_IMODE(os.fstat(self.file.fileno()).st_mode)
        if now | mode == now:
            return
        try:
            os.fchmod(self.file.fileno(), now | mode)
        except OSError as error:
            self._do_without(error, _NOT_FOR_US, "setting permissions (chmod)")

    def keep(self, former: os.stat_result) -> bool:
        """Copies owner, permissions and time from the replaced file; returns whether owner and group could be set.

        Call it after writing everything.
        """
        self.file.flush()
        handle = self.file.fileno()
        with contextlib.suppress(OSError):
            os.fchown(handle, former.st_uid, former.st_gid)
        with contextlib.suppress(OSError):
            os.fchmod(handle, stat.S_IMODE(former.st_mode))
        os.utime(handle, ns=(former.st_atime_ns, former.st_mtime_ns))
        now = os.fstat(handle)
        return (now.st_uid, now.st_gid) == (former.st_uid, former.st_gid)

    def _flush(self, handle: int, harmless: frozenset[int], words: str) -> None:
        try:
            os.fsync(handle)
        except OSError as error:
            self._do_without(error, harmless, words)

    def _do_without(self, error: OSError, harmless: frozenset[int], words: str) -> None:
        if error.errno not in harmless:
            raise error
        self.done_without.append(words)


def flush_folder(path: Path) -> list[str]:
    """Makes folder entries survive a power failure; returns what the file system does not support. Raises OSError."""
    handle = -1
    try:
        handle = os.open(path, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
        os.fsync(handle)
    except OSError as error:
        if error.errno not in _NOT_FOR_FOLDERS:
            raise
        return ["flushing folders to the disk (fsync)"]
    finally:
        if handle >= 0:
            os.close(handle)
    return []


@contextlib.contextmanager
def replacing(
    path: Path, temporary: Path, mode: int = 0o640, *, granted: int = 0, durable: bool = True
) -> Iterator[Replacement]:
    """A new file to replace `path`, written as `temporary` in the same folder. Raises OSError.

    It has the permissions `mode` subject to the umask, and `granted` in any case. Unless put in place within the
    context, it is deleted. If `durable`, it survives a power failure.
    """
    try:
        with open(new_file(temporary, mode), "wb") as file:
            new = Replacement(path, temporary, file, durable=durable)
            new.grant(granted)
            yield new
    finally:
        with contextlib.suppress(OSError):
            temporary.unlink(missing_ok=True)


def make_private(handle: int) -> None:
    """Makes an open file readable only by its owner. Raises OSError, also if that is not possible."""
    if _is_private(handle):
        return
    with contextlib.suppress(OSError):
        os.fchmod(handle, stat.S_IRUSR | stat.S_IWUSR)
    if not _is_private(handle):
        raise OSError(errno.EPERM, "others may read it, and its file system does not allow changing that")


def _is_private(handle: int) -> bool:
    return not os.fstat(handle).st_mode & (stat.S_IRWXG | stat.S_IRWXO)


def is_mounted_apart(path: Path) -> bool:
    """Whether a file is itself a mount point, which cannot be replaced; False if unknown."""
    with contextlib.suppress(OSError, ValueError):
        return _mount(path, os.O_PATH | os.O_NOFOLLOW) != _mount(path.parent, os.O_PATH | os.O_DIRECTORY)
    return False


def _mount(path: Path, flags: int) -> int:
    handle = os.open(path, flags | os.O_CLOEXEC)
    try:
        lines = Path("/proc/self/fdinfo", str(handle)).read_text().splitlines()
    finally:
        os.close(handle)
    return next(int(line.partition(":")[2]) for line in lines if line.startswith("mnt_id:"))


def open_file(path: Path, flags: int, mode: int = 0o640) -> int:
    """As `os.open`, with a descriptor that is not inherited. Raises OSError.

    Root's file in another user's folder is given to that user. That user could redirect root by a link: root follows
    none there, and opens no file with more than one hard link. So `flags` must not truncate.
    """
    owner = _other_owner(path.parent)
    handle = os.open(path, flags | os.O_CLOEXEC | (os.O_NOFOLLOW if owner else 0), mode)
    if owner:
        if os.fstat(handle).st_nlink > 1:
            os.close(handle)
            raise OSError(errno.EMLINK, "it has another hard link, and its folder is not root's", str(path))
        _give(handle, owner)
    return handle


def new_file(path: Path, mode: int = 0o640) -> int:
    """As `open_file`, for a new file that replaces any other of that name. Raises OSError."""
    path.unlink(missing_ok=True)
    return open_file(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, mode)


def append_to(path: Path, mode: int = 0o640) -> int:
    """Opens a file for appending, creating it if necessary; moves a file of root's away if the folder is ours. Raises
    OSError.

    Such a file exists if a predecessor wrote the log as root, or root has rotated it: its content is kept as
    `<name>.until-<time>`.
    """
    # Must not block on a pipe without a reader.
    flags = os.O_WRONLY | os.O_APPEND | os.O_CREAT | os.O_NONBLOCK
    try:
        return open_file(path, flags, mode)
    except PermissionError:
        if not _make_room(path):
            raise
    return open_file(path, flags, mode)


def make_folder(path: Path, mode: int) -> None:
    """Creates the folder unless it exists, with the owner of its parent. Raises OSError."""
    path.mkdir(mode=mode, exist_ok=True)
    if owner := _other_owner(path.parent):
        handle = os.open(path, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC)
        try:
            _give(handle, owner)
        finally:
            os.close(handle)


def _make_room(path: Path) -> bool:
    with contextlib.suppress(OSError):
        found = path.lstat()
        if stat.S_ISREG(found.st_mode) and found.st_uid == _ROOT:
            if found.st_size:
                now = datetime.now(UTC).strftime("%Y%m%dT%H%M%S.%fZ")
                path.rename(path.with_name(f"{path.name}.until-{now}"))
            else:
                path.unlink()
            return True
    return False


def _other_owner(folder: Path) -> os.stat_result | None:
    """The owner of the folder, if we are root and the folder is not root's."""
    if os.geteuid() != _ROOT:
        return None
    found = folder.stat()
    return found if found.st_uid != _ROOT else None


def _give(handle: int, owner: os.stat_result) -> None:
    if os.fstat(handle).st_uid == _ROOT:
        with contextlib.suppress(PermissionError):  # root without the capability
            os.fchown(handle, owner.st_uid, owner.st_gid)
