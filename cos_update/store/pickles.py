"""Pickles of plain containers: written without any class, and read so that a hostile file can run nothing."""

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
"""Bytes above which a file is not taken for a view."""
_PROTOCOL = 4
_WITHOUT_FRAMES = 3
"""The latest protocol whose pickles are not divided into frames; its opcodes are part of the later ones."""
SHARED, OUR_OWN = 0o644, 0o640
"""The modes of what other services read, and of what nobody else needs: there are people's names in it."""


@contextlib.contextmanager
def paused_gc() -> Iterator[None]:
    """No cyclic collection meanwhile.

    The collector would look through hundreds of thousands of new records again and again and find nothing: they have
    no cycles (measured: a third of the CPU time of a pass).
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
    """The dict that a file holds. Raises OSError; SchemaError or, for what is damaged, nearly any other Exception."""
    # A pipe of that name must not make us wait.
    with paused_gc(), open(os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC), "rb") as file:
        found = os.fstat(file.fileno())
        if not stat.S_ISREG(found.st_mode):
            raise SchemaError("not a file")
        if found.st_size > LARGEST:
            raise SchemaError(f"too large ({found.st_size} bytes)")
        return dict_of(_PlainUnpickler(file).load(), "view")


def write_plain(plain: dict[str, Any], file: BinaryIO) -> None:
    """Pickles a dict. Raises TypeError or RecursionError for what has no plain form."""
    try:
        _PlainPickler(file, _PROTOCOL).dump(plain)
    except SchemaError:
        # Some text is of a subclass (a member of a StrEnum, say). That is rare, so it is looked for only then.
        file.seek(0)
        file.truncate()
        _PlainPickler(file, _PROTOCOL).dump(simplified(plain))


def write_plain_items(plain: dict[str, Any], file: BinaryIO) -> None:
    """Pickles what puts the items of a dict, two at least, into the dict on top of the stack; nothing refers to them.

    Raises TypeError or RecursionError for what has no plain form.
    """
    opcodes = _referenceless(plain)
    start = opcodes.index(pickle.MARK)
    file.write(opcodes[start : -len(pickle.STOP)])


def _referenceless(plain: dict[str, Any]) -> bytes:
    """A pickle without memo and frames, which can be a part of another one."""
    file = io.BytesIO()
    pickler = _PlainPickler(file, _WITHOUT_FRAMES)
    pickler.fast = True
    try:
        pickler.dump(plain)
    except SchemaError:
        return _referenceless(cast("dict[str, Any]", simplified(plain)))
    return file.getvalue()


class _PlainUnpickler(pickle.Unpickler):
    """Reads plain containers only."""

    def find_class(self, module_name: str, global_name: str, /) -> Any:
        """Refuses every class and function: only these can run code."""
        raise SchemaError(f"it names {module_name}.{global_name}, and a view names no code")

    def persistent_load(self, pid: object, /) -> Any:
        """Refuses references to what is outside of the file."""
        raise SchemaError("it refers to something outside of itself")


class _PlainPickler(pickle.Pickler):
    """Writes plain containers only."""

    def reducer_override(self, obj: object, /) -> Any:
        """Called for whatever is not exactly a plain type."""
        raise SchemaError(f"a {type(obj).__name__} is not plain")
