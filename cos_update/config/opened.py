"""Reads the configuration file, by an inherited descriptor if only the parent process may open it."""

from __future__ import annotations

import contextlib
import os
from pathlib import Path

OPENED = "COS_UPDATE_CONFIG_FD"
"""The environment variable with the number of the descriptor."""


def content(path: Path, most: int) -> bytes:
    """The first `most` bytes of the file. Raises OSError."""
    try:
        with path.open("rb") as file:
            return file.read(most)
    except PermissionError:
        handle = _handle(path)
        if handle is None:
            raise
        return os.pread(handle, most, 0)


def is_readable(path: Path) -> bool:
    """Whether permissions let `content` read the file."""
    return os.access(path, os.R_OK, effective_ids=True) or _handle(path) is not None


def _handle(path: Path) -> int | None:
    """The inherited descriptor, unless the file has been replaced since it was opened."""
    number = os.environ.get(OPENED, "")
    if not number.isdecimal():
        return None
    with contextlib.suppress(PermissionError):  # the folder may be unreadable for this user
        if not os.path.samestat(os.fstat(int(number)), path.stat()):
            return None
    return int(number)
