"""The file of the configuration, also where only whoever started the program may open it, and has opened it for us."""

from __future__ import annotations

import contextlib
import os
from pathlib import Path

OPENED = "COS_UPDATE_CONFIG_FD"
"""The variable with the number of the descriptor."""


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
    """Whether `content` may read the file, as far as permissions go."""
    return os.access(path, os.R_OK, effective_ids=True) or _handle(path) is not None


def _handle(path: Path) -> int | None:
    """The descriptor that was left to us, unless another file has taken the place of what was opened."""
    number = os.environ.get(OPENED, "")
    if not number.isdecimal():
        return None
    with contextlib.suppress(PermissionError):  # of a folder into which we may not even look
        if not os.path.samestat(os.fstat(int(number)), path.stat()):
            return None
    return int(number)
