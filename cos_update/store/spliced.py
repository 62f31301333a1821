"""Writes a view by copying the unchanged part from the existing file, since pickling it takes most of the time.

The pickle is one dict in two parts: first the bulk of the data (devices, servers, ...), then what changes with each
pass (times, counters), which is pickled without references into the first part. It loads like any other pickle. The
second part begins with the length of the first, so that another process can tell where it begins.
"""

from __future__ import annotations

import os
import pickle
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any, BinaryIO

from cos_update.model.cloud_memory import CloudMemory
from cos_update.model.concertim import Device, Rack
from cos_update.store.cloud_memory import EncodedCloud
from cos_update.store.layout import Stamp, stamp_of
from cos_update.store.pickles import plain_items, write_plain
from cos_update.store.schema import to_plain
from cos_update.store.view import View

_CLOUD = "cloud"
LASTING = ("owners", "templates", "racks", "devices", "projects", "origins", "stacks", "strays", "dropped", "former")
LASTING_OF_CLOUD = ("servers", "volumes", "networks", "ports")
LENGTH = "lasting_length"
"""The key of the length of the first part, in bytes. Rename it when anything else goes into the first part."""
_CLOUD_DICT = 2
"""The memo number of the dict under the outermost dict's first key: the outermost dict has 0, that key 1."""
_EMPTY: dict[str, Any] = {}


class SplicedWriter:
    """Writes the views of one process in sequence; the caller holds the view's lock."""

    def __init__(self) -> None:
        self._written: tuple[View, int] | None = None
        self._last: tuple[View, int, Stamp | None] | None = None

    def write(self, view: View, path: Path, file: BinaryIO) -> None:
        """Writes the view to a new file that will replace `path`. Raises OSError, TypeError or RecursionError."""
        self._written = None
        if not isinstance(view.cloud, CloudMemory):
            write_plain(to_plain(view), file)
            return
        last = self._last  # other threads may load a view meanwhile
        if last and last[2] == stamp_of(path) and _is_lasting(last[0], view):
            length = last[1]
            _copy(path, length, file)
            plain = to_plain(_without_lasting(view))
        else:
            plain = to_plain(view)
            cloud = plain[_CLOUD]
            lasting = {_CLOUD: {name: cloud[name] for name in LASTING_OF_CLOUD}}
            write_plain(lasting | {name: plain[name] for name in LASTING}, file)
            length = file.tell() - len(pickle.STOP)
            file.seek(length)
        passing = {name: value for name, value in plain.items() if name not in LASTING and name != _CLOUD}
        of_cloud = {name: value for name, value in plain[_CLOUD].items() if name not in LASTING_OF_CLOUD}
        file.write(plain_items({LENGTH: length, **passing}))
        file.write(pickle.BINGET + bytes([_CLOUD_DICT]))
        file.write(plain_items(of_cloud))
        file.write(pickle.POP + pickle.STOP)
        self._written = view, length

    def is_in_place(self, path: Path) -> None:
        """Records that the file written last is now at `path`."""
        self._last = (*self._written, stamp_of(path)) if self._written else None

    def is_loaded(self, view: View, plain: Mapping[str, Any], path: Path, stamp: Stamp) -> None:
        """Records that `view`, in its `plain` form, was loaded from the file at `path`. Raises nothing."""
        length = plain.get(LENGTH)
        is_spliced = type(length) is int and 0 < length < stamp[2] and _is_second_part(path, length)
        self._last = (view, int(length or 0), stamp) if is_spliced else None


def _is_second_part(path: Path, start: int) -> bool:
    """Whether the second part of a file begins at byte `start`: somebody may have written it anew, with this key."""
    expected = _beginning(start)
    try:
        with path.open("rb") as file:
            file.seek(start)
            return file.read(len(expected)) == expected
    except OSError:
        return False


def _beginning(length: int) -> bytes:
    """The first bytes of a second part: its first item, which is the length of the first part."""
    items = plain_items({LENGTH: length, "-": None})
    return items[: items.rindex(pickle.BINUNICODE)]


def _is_lasting(one: View, other: View) -> bool:
    """Whether the first parts of both views are the same."""
    return (
        _are_same(one.actual.devices, other.actual.devices)
        and _are_same(one.actual.racks, other.actual.racks)
        and _are_same(one.former, other.former)
        and (one.actual.owners, one.actual.templates) == (other.actual.owners, other.actual.templates)
        and (one.projects, one.origins) == (other.projects, other.origins)
        and (one.stacks, one.unowned, one.dropped) == (other.stacks, other.unowned, other.dropped)
        and _is_lasting_cloud(_known_cloud(one), _known_cloud(other))
    )


def _is_lasting_cloud(one: CloudMemory | None, other: CloudMemory | None) -> bool:
    return (
        one is not None
        and other is not None
        and all(getattr(one, name) == getattr(other, name) for name in LASTING_OF_CLOUD)
    )


def _known_cloud(view: View) -> CloudMemory | None:
    return view.cloud.decoded if isinstance(view.cloud, EncodedCloud) else view.cloud


def _are_same(one: Mapping[str, Rack | Device], other: Mapping[str, Rack | Device]) -> bool:
    """Whether both hold the same in the same order: equal records may differ in cost."""
    return len(one) == len(other) and all(
        a is b or (type(a) is type(b) and all(getattr(a, name) == getattr(b, name) for name in a.__dataclass_fields__))
        for a, b in zip(one.values(), other.values(), strict=True)
    )


def _without_lasting(view: View) -> View:
    actual = replace(view.actual, owners=_EMPTY, templates=_EMPTY, racks=_EMPTY, devices=_EMPTY)
    assert isinstance(view.cloud, CloudMemory)
    return replace(
        view,
        actual=actual,
        projects=_EMPTY,
        origins=_EMPTY,
        stacks=_EMPTY,
        unowned=_EMPTY,
        dropped=_EMPTY,
        former=_EMPTY,
        cloud=replace(view.cloud, servers=_EMPTY, volumes=_EMPTY, networks=_EMPTY, ports=_EMPTY),
    )


def _copy(path: Path, length: int, file: BinaryIO) -> None:
    """Copies the first `length` bytes of a file. Raises OSError."""
    with path.open("rb") as source:
        left = length
        while left and (block := source.read(min(left, 1 << 20))):
            file.write(block)
            left -= len(block)
    if left:
        raise OSError(f"{os.fspath(path)} is shorter than it was")
