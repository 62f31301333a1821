"""The journal of what each process has posted, for the others to read before they post.

It has one JSON object per line, appended under a lock. The first line has the number of the last dropped entry. Entries
stay for an hour after a saved view includes them, so that a pass in progress in another process does not miss them.
"""

from __future__ import annotations

import contextlib
import errno
import json
import logging
import os
import re
import sys
import threading
import time
import uuid
from bisect import bisect_right
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, NamedTuple, TypeVar

from cos_update import files
from cos_update.file_hints import hint, words
from cos_update.model.concertim import Device, Rack, Template
from cos_update.model.errors import ViewError
from cos_update.model.openstack import RememberedStack
from cos_update.store import schema
from cos_update.store.locks import unwritable
from cos_update.store.records import RecordSchema, SchemaError, dict_of, simplified
from cos_update.store.view import Origin, View

FILE_NAME = "view.journal"
KEPT = 3600.0
"""Seconds that an entry stays after the view includes it."""
LIMIT = 64 * 1024 * 1024
"""The size in bytes from which the journal should be merged into the view."""

_log = logging.getLogger("cos_update.view")

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class JournalEntry:
    """What one process posted for one rack at time `at`, based on a reading of the cloud that began at `cloud_read_at`.

    Records are Concertim's new ones by id (origins and stacks by OpenStack id); None: removed. The journal assigns
    `seq`, 0 until then, and `at` if that is 0. `stack_id` is "" for templates.
    """

    seq: int
    by: str
    at: float
    cloud_read_at: float
    stack_id: str
    racks: Mapping[str, Rack | None] = field(default_factory=dict)
    devices: Mapping[str, Device | None] = field(default_factory=dict)
    templates: Mapping[str, Template | None] = field(default_factory=dict)
    origins: Mapping[str, Origin | None] = field(default_factory=dict)
    stacks: Mapping[str, RememberedStack | None] = field(default_factory=dict)


_RECORDS = ("racks", "devices", "templates", "origins", "stacks")
_ENTRY = RecordSchema(JournalEntry, nested=_RECORDS)
_TO_PLAIN: Mapping[str, Callable[[Any], dict[str, Any]]] = {
    "racks": schema.rack_plain,
    "devices": schema.device_plain,
    "templates": schema.template_plain,
    "origins": schema.origin_plain,
    "stacks": schema.memory_plain,
}
_FROM_PLAIN: Mapping[str, Callable[[Any], Any]] = {
    "racks": schema.rack_from,
    "devices": schema.device_from,
    "templates": schema.template_from,
    "origins": schema.origin_from,
    "stacks": schema.memory_from,
}


class _Line(NamedTuple):
    """The offset of an entry's line in the file."""

    seq: int
    at: float
    start: int


_BEGINNING = re.compile(rb'\{"seq":(\d+),"by":"[^"\\]*","at":(\d+(?:\.\d+)?),')
"""The start of nearly every line; other lines are decoded."""


class Journal:
    """The journal of one data dir. Reading takes no lock; `append` and `drop` must be called under the view's lock.

    An instance remembers its read position, and keeps only entries that were requested: the others, which a saved view
    includes, may be many. Thread-safe.
    """

    def __init__(self, data_dir: Path, clock: Callable[[], float] = time.time) -> None:
        self.path = data_dir / FILE_NAME
        self._data_dir = data_dir
        self._clock = clock
        self._mutex = threading.Lock()
        self._highest = 0
        self._floor = sys.maxsize
        self._begin()

    def last(self) -> int:
        """The number of the last entry, 0 if there has never been one. Raises ViewError."""
        with self._mutex:
            self._catch_up()
            return self._last()

    def since(self, seq: int) -> list[JournalEntry]:
        """The entries after number `seq` that the journal still has, oldest first. Raises ViewError."""
        with self._mutex:
            if seq < self._floor:
                self._floor = seq
                self._begin()
            self._catch_up()
            return self._entries[bisect_right(self._entries, seq, key=lambda journal_entry: journal_entry.seq) :]

    def remember(self, seq: int) -> None:
        """Continues numbering after `seq`, which a saved view includes, even if the journal was lost."""
        with self._mutex:
            self._highest = max(self._highest, seq)

    @property
    def dropped(self) -> int:
        """The number of the last dropped entry, as of the last read."""
        with self._mutex:
            return self._base or 0

    @property
    def size(self) -> int:
        """Its size in bytes, as of the last read."""
        return self._offset

    def append(self, journal_entry: JournalEntry, saved_seq: Callable[[], int]) -> int:
        """Appends an entry and returns its number; a new journal continues after `saved_seq()`.

        Raises ValueError for an entry without author, which every process would take for another's. Raises ViewError if
        the journal cannot be written: other processes then find the change by reading Concertim.
        """
        if not journal_entry.by:
            raise ValueError("a journal entry without its author")
        with self._mutex:
            self._catch_up()
            try:
                if self._base is None:
                    self._highest = max(self._highest, saved_seq())
                    base = self._lines[0].seq - 1 if self._lines else self._last()
                    self._rewrite(base, self._lines_from(len(self._header)))
                    self._catch_up()
                numbered = replace(journal_entry, seq=self._last() + 1, at=journal_entry.at or self._clock())
                self._write(_line(entry_plain(numbered)))
            except OSError as error:
                raise unwritable(self.path, error) from error
            return numbered.seq

    def drop(self, taken: int) -> None:
        """Drops entries up to number `taken`, which a saved view includes, except those of the last hour.

        Of the last hour it keeps at most half of `LIMIT`. Never raises: leftover entries are harmless. The file is
        rewritten only if that at least halves it.
        """
        with self._mutex:
            self._catch_up()
            youngest = self._clock() - KEPT
            count = 0
            while count < len(self._lines) and self._lines[count].seq <= taken:
                line = self._lines[count]
                if line.at >= youngest and self._offset - line.start <= LIMIT // 2:
                    break
                count += 1
            start = self._lines[count].start if count < len(self._lines) else self._offset
            if count and start >= self._offset // 2:
                with contextlib.suppress(OSError):
                    self._rewrite(self._lines[count - 1].seq, self._lines_from(start))

    def _last(self) -> int:
        return max(self._highest, self._base or 0, self._lines[-1].seq if self._lines else 0)

    def _lines_from(self, start: int) -> bytes:
        if start >= self._offset:
            return b""
        with self.path.open("rb") as file:
            file.seek(start)
            return file.read(self._offset - start)

    def _begin(self, header: bytes = b"") -> None:
        self._header = header
        self._offset = len(header)
        self._base = _base(header) if header else None
        self._lines: list[_Line] = []
        self._entries: list[JournalEntry] = []

    def _catch_up(self) -> None:
        """Reads new lines, or everything if the file was replaced."""
        try:
            with self.path.open("rb") as file:
                header = file.readline()
                if header != self._header:
                    self._begin(header)
                elif os.fstat(file.fileno()).st_size < self._offset:
                    self._begin(header)
                    self._base = None  # truncated by somebody: a new first line lets all readers notice
                file.seek(self._offset)
                for line in file:
                    if not line.endswith(b"\n"):
                        break  # still being written, or torn by a kill
                    self._take(line)
                    self._offset += len(line)
        except FileNotFoundError:
            self._begin()
        except OSError as error:
            raise ViewError(f"{self.path} cannot be read: {words(error)}.", hint(error, self.path)) from error

    def _take(self, line: bytes) -> None:
        try:
            found = _BEGINNING.match(line)
            seq, at = (int(found[1]), float(found[2])) if found else (0, 0.0)
            if not found or seq > self._floor:
                journal_entry = entry_from(dict_of(json.loads(line), "line"))
                seq, at = journal_entry.seq, journal_entry.at
            last = self._lines[-1].seq if self._lines else self._base or 0
            if seq <= last:
                raise SchemaError(f"entry {seq} after {last}")
        except (ValueError, TypeError, RecursionError) as error:
            _log.warning("skipping an invalid line of %s: %s", self.path, error)
            return
        self._lines.append(_Line(seq, at, self._offset))
        self._highest = max(self._highest, seq)
        if seq > self._floor:
            self._entries.append(journal_entry)

    def _write(self, line: bytes) -> None:
        handle = files.open_file(self.path, os.O_WRONLY | os.O_APPEND | os.O_NOFOLLOW)
        try:
            os.ftruncate(handle, self._offset)  # a torn line would corrupt the next one
            try:
                written = os.write(handle, line)
                if written < len(line):
                    raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
            except OSError:
                os.ftruncate(handle, self._offset)
                raise
        finally:
            os.close(handle)

    def _rewrite(self, base: int, lines: bytes) -> None:
        temporary = self.path.with_name(f".{FILE_NAME}.tmp")
        with files.replacing(self.path, temporary, granted=0o640, durable=False) as new:
            new.file.write(_line({"base": base, "id": uuid.uuid4().hex}))
            new.file.write(lines)
            new.put_in_place()


def with_journal_entries(view: View, journal_entries: Iterable[JournalEntry]) -> View:
    """The view with the entries applied in order.

    Entries that are based on another reading of the cloud may contain newer state than the view.
    """
    wanted = list(journal_entries)
    if not wanted:
        return view
    actual = view.actual
    return replace(
        view,
        actual=replace(
            actual,
            racks=_patched(actual.racks, [journal_entry.racks for journal_entry in wanted]),
            devices=_patched(actual.devices, [journal_entry.devices for journal_entry in wanted]),
            templates=_patched(actual.templates, [journal_entry.templates for journal_entry in wanted]),
        ),
        origins=_patched(view.origins, [journal_entry.origins for journal_entry in wanted]),
        stacks=_patched(view.stacks, [journal_entry.stacks for journal_entry in wanted]),
        journal_seq=max(view.journal_seq, wanted[-1].seq),
        recheck={**view.recheck, **_posted_by_others(view, wanted)},
        still={},
    )


def _posted_by_others(view: View, journal_entries: Iterable[JournalEntry]) -> dict[str, tuple[str, str]]:
    """OpenStack id -> kind and project, of objects posted on the basis of another reading of the cloud."""
    found = {}
    for entry in journal_entries:
        if entry.cloud_read_at == view.cloud_read_at:
            continue
        for device_id, posted in entry.devices.items():
            device = posted or view.actual.devices.get(device_id)
            if device and device.object_id:
                origin = entry.origins.get(device.object_id) or view.origins.get(device.object_id)
                found[device.object_id] = (device.kind.value, origin.project_id if origin else "")
    return found


def entry_plain(journal_entry: JournalEntry) -> dict[str, Any]:
    plain = _ENTRY.plain(journal_entry)
    for name in _RECORDS:
        convert = _TO_PLAIN[name]
        plain[name] = {key: None if item is None else convert(item) for key, item in plain[name].items()}
    return plain


def entry_from(plain: dict[str, Any]) -> JournalEntry:
    """An entry from a dict. Raises SchemaError."""
    values = dict(zip(_ENTRY.names, _ENTRY.values(plain), strict=True))
    for name in _RECORDS:
        convert = _FROM_PLAIN[name]
        items = dict_of(values[name], name).items()
        values[name] = {key: None if item is None else convert(item) for key, item in items}
    return JournalEntry(**values)


def _patched(records: Mapping[str, T], patches: Iterable[Mapping[str, T | None]]) -> Mapping[str, T]:
    result: dict[str, T | None] = {}
    for patch in patches:
        result.update(patch)
    if not result:
        return records
    merged: dict[str, T | None] = {**records, **result}
    return {key: record for key, record in merged.items() if record is not None}


def _base(header: bytes) -> int | None:
    """The number of the last dropped entry, from the first line; None if that is invalid."""
    with contextlib.suppress(ValueError, TypeError, KeyError, RecursionError):
        base = json.loads(header)["base"]
        if type(base) is int:
            return base
    _log.warning("the journal's first line is invalid; reading its entries nevertheless")
    return None


def _line(plain: Mapping[str, Any]) -> bytes:
    return json.dumps(simplified(plain), separators=(",", ":")).encode("ascii") + b"\n"
