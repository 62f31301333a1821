"""Files and folders that root has left behind are given to the user who is to work with them from now on.

Whoever may write into such a folder must not be able to have anything else given away. So every file is opened where it
stands, without following a link, and only then looked at and given away: by its handle, not by its name. A file with a
second name (a hard link) may be known elsewhere as something else, and stays as it is.
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
"""Patterns of all that our processes leave in the data dir."""
LOG_FILES = tuple(logs.FILES.values())
"""All that they leave in the log dir."""


def take_over(folder: Path, patterns: Iterable[str], uid: int) -> None:
    """Gives `uid` the folder, if it is root's, and what in it has one of the names (`*.lock`, `locks/rack-*.lock`).

    Groups, and what other users may do, stay. A folder of another user stays theirs with all that is in it. What cannot
    be given away stays too, silently: whoever has need of it says what is missing.
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
    """The name under which the kernel knows an open file, whatever has become of its own."""
    return f"/proc/self/fd/{handle}"


@contextmanager
def _opened(path: str | Path, flags: int, folder: int | None = None) -> Iterator[int]:
    handle = os.open(path, flags | os.O_CLOEXEC, dir_fd=folder)
    try:
        yield handle
    finally:
        os.close(handle)
