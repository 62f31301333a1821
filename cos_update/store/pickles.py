"""Pickles of plain containers: written without classes, and read so that a hostile file cannot run code."""

from __future__ import annotations

import contextlib
import gc
import io
import os
import pickle
import stat
from collections.abc import Iterator
from pathlib import Path
from typing import Any, BinaryIO, cast

from cos_update.store.records import SchemaError, dict_of, simplified

LARGEST = 4 * 1024**3
"""The maximum size of a view in bytes."""
_PROTOCOL = 4
_WITHOUT_FRAMES = 3
"""The latest protocol whose pickles are not divided into frames; its opcodes are part of the later ones."""
SHARED, OUR_OWN = 0o644, 0o640
"""The modes of files for other services, and of private files, which contain people's names."""


@contextlib.contextmanager
def paused_gc() -> Iterator[None]:
    """Disables the cyclic garbage collector within the context.

    It would traverse hundreds of thousands of new records over and over and find nothing: they have no cycles
    (measured: a third of the CPU time of a pass).
    """
    if not gc.isenabled():
        yield
        return
    gc.disable()
    try:
        yield
    finally:
        gc.enable()


def read_plain(path: Path) -> dict[str, Any]:
    """The dict in a file. Raises OSError; SchemaError or, for a damaged file, nearly any other Exception."""
    # Must not block on a pipe of that name.
    with paused_gc(), open(os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC), "rb") as file:
        found = os.fstat(file.fileno())
        if not stat.S_ISREG(found.st_mode):
            raise SchemaError("not a file")
        if found.st_size > LARGEST:
            raise SchemaError(f"too large ({found.st_size} bytes)")
        return dict_of(_PlainUnpickler(file).load(), "view")


def write_plain(plain: dict[str, Any], file: BinaryIO) -> None:
    """Pickles a dict. Raises TypeError or RecursionError for values without a plain form."""
    try:
        _PlainPickler(file, _PROTOCOL).dump(plain)
    except SchemaError:
        # Some string is of a subclass (such as a StrEnum member). That is rare, so only now convert them.
        file.seek(0)
        file.truncate()
        _PlainPickler(file, _PROTOCOL).dump(simplified(plain))


def plain_items(plain: dict[str, Any]) -> bytes:
    """Pickles the items of a dict, at least two, so that they are added to the dict on top of the unpickler's stack.

    Raises TypeError or RecursionError for what has no plain form.
    """
    opcodes = _referenceless(plain)
    start = opcodes.index(pickle.MARK)
    return opcodes[start : -len(pickle.STOP)]


def _referenceless(plain: dict[str, Any]) -> bytes:
    """A pickle without memo and frames, which can be part of another one."""
    file = io.BytesIO()
    pickler = _PlainPickler(file, _WITHOUT_FRAMES)
    pickler.fast = True
    try:
        pickler.dump(plain)
    except SchemaError:
        return _referenceless(cast("dict[str, Any]", simplified(plain)))
    return file.getvalue()


class _PlainUnpickler(pickle.Unpickler):
    """Reads only plain containers."""

    def find_class(self, module_name: str, global_name: str, /) -> Any:
        """Rejects every class and function: only these can run code."""
        raise SchemaError(f"it names {module_name}.{global_name}, but a view must not name code")

    def persistent_load(self, pid: object, /) -> Any:
        """Rejects references to objects outside the file."""
        raise SchemaError("it refers to an object outside the file")


class _PlainPickler(pickle.Pickler):
    """Writes only plain containers."""

    def reducer_override(self, obj: object, /) -> Any:
        """Called for objects that are not exactly of a plain type."""
        raise SchemaError(f"a {type(obj).__name__} is not plain")
