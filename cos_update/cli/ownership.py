"""Changes the owner of files and folders that root has left behind to the user who runs the daemons from now on.

Nobody who can write to such a folder must be able to have other files given away. So every file is opened in place,
without following links, and only then checked and chowned: by its descriptor, not by its name. A file with more than
one hard link may be something else elsewhere, and keeps its owner.
"""

from __future__ import annotations

import contextlib
import os
import stat
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from fnmatch import fnmatchcase
from pathlib import Path

from cos_update.listener import dead_letters
from cos_update.observability import heartbeat, logs
from cos_update.store import FILES

ROOT = 0
DATA_FILES = (*FILES, *heartbeat.FILES, *dead_letters.FILES)
"""Patterns of the files that our processes create in the data dir."""
LOG_FILES = tuple(logs.FILES.values())
"""The same for the log dir."""


def take_over(folder: Path, patterns: Iterable[str], uid: int) -> None:
    """Chowns the folder to `uid`, if it is root's, and files in it that match (`*.lock`, `locks/rack-*.lock`).

    Groups and modes stay. A folder of another user is left alone with all its content. Failures are ignored: the
    process that needs a file reports what is missing.
    """
    with contextlib.suppress(OSError), _opened(folder, os.O_RDONLY | os.O_DIRECTORY) as handle:
        if os.fstat(handle).st_uid not in (ROOT, uid):
            return
        _give(handle, uid)
        _take_over_content(handle, [pattern.split("/") for pattern in patterns], uid)


def _take_over_content(folder: int, patterns: Sequence[Sequence[str]], uid: int) -> None:
    for name in os.listdir(folder):
        deeper = [pattern[1:] for pattern in patterns if fnmatchcase(name, pattern[0])]
        if deeper:
            with contextlib.suppress(OSError), _opened(name, os.O_PATH | os.O_NOFOLLOW, folder) as handle:
                _take_over_entry(handle, deeper, uid)


def _take_over_entry(handle: int, deeper: Sequence[Sequence[str]], uid: int) -> None:
    found = os.fstat(handle)
    if stat.S_ISDIR(found.st_mode) and all(deeper):
        _give(handle, uid)
        with _opened(_by_handle(handle), os.O_RDONLY | os.O_DIRECTORY) as folder:
            _take_over_content(folder, deeper, uid)
    elif stat.S_ISREG(found.st_mode) and found.st_nlink == 1 and not all(deeper):
        _give(handle, uid)


def _give(handle: int, uid: int) -> None:
    found = os.fstat(handle)
    if found.st_uid != uid:
        os.chown(_by_handle(handle), uid, -1)
    needed = stat.S_IRWXU if stat.S_ISDIR(found.st_mode) else stat.S_IRUSR | stat.S_IWUSR
    if found.st_mode & needed != needed:
        os.chmod(_by_handle(handle), stat.S_IMODE(found.st_mode) | needed)


def _by_handle(handle: int) -> str:
    """The kernel's name for an open file, valid even if the file is renamed."""
    return f"/proc/self/fd/{handle}"


@contextmanager
def _opened(path: str | Path, flags: int, folder: int | None = None) -> Iterator[int]:
    handle = os.open(path, flags | os.O_CLOEXEC, dir_fd=folder)
    try:
        yield handle
    finally:
        os.close(handle)
