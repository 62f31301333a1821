"""Files that processes of several users share: what root makes in a folder of another user is made for that user.

So a command that root runs beside a daemon leaves nothing behind that shuts the daemon out.
"""

from __future__ import annotations

import contextlib
import errno
import os
import stat
from datetime import UTC, datetime
from pathlib import Path

_ROOT = 0


def open_file(path: Path, flags: int, mode: int = 0o640) -> int:
    """As `os.open`, for a descriptor that no child gets. Raises OSError.

    Root's own file in a folder of another user becomes that user's. That user could lead root elsewhere by a link: root
    follows none there, and opens nothing that has a second name. So `flags` must not truncate.
    """
    owner = _other_owner(path.parent)
    handle = os.open(path, flags | os.O_CLOEXEC | (os.O_NOFOLLOW if owner else 0), mode)
    if owner:
        if os.fstat(handle).st_nlink > 1:
            os.close(handle)
            raise OSError(errno.EMLINK, "it has a second name elsewhere, and its folder is not root's", str(path))
        _give(handle, owner)
    return handle


def new_file(path: Path, mode: int = 0o640) -> int:
    """A file in place of any other of that name, open for writing, likewise. Raises OSError."""
    path.unlink(missing_ok=True)
    return open_file(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, mode)


def append_to(path: Path, mode: int = 0o640) -> int:
    """A file open for appending, made if need be; where root's bars the way in a folder of ours, it makes room. Raises
    OSError.

    Such a file is there when a log was written by a predecessor of root's, or when root has rotated it: what is in it
    stays, as `<name>.until-<time>`.
    """
    # A pipe of that name that nobody reads must not make us wait.
    flags = os.O_WRONLY | os.O_APPEND | os.O_CREAT | os.O_NONBLOCK
    try:
        return open_file(path, flags, mode)
    except PermissionError:
        if not _make_room(path):
            raise
    return open_file(path, flags, mode)


def make_folder(path: Path, mode: int) -> None:
    """Makes the folder unless it is there, and gives it away likewise. Raises OSError."""
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
    """Of whom the folder is, if this is root and the folder is not."""
    if os.geteuid() != _ROOT:
        return None
    found = folder.stat()
    return found if found.st_uid != _ROOT else None


def _give(handle: int, owner: os.stat_result) -> None:
    if os.fstat(handle).st_uid == _ROOT:
        with contextlib.suppress(PermissionError):  # a root without this power
            os.fchown(handle, owner.st_uid, owner.st_gid)
