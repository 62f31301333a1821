"""The view on disk: loaded without trusting it, saved so that a reader never sees half of it.

Our memory is a pickle of plain containers (`pickles`). It is in view.pickle, or beside it in state.pickle when that is
written for other services with classes of their own (`layout`).
"""

from __future__ import annotations

import contextlib
import errno
import logging
import os
import socket
import stat
import threading
import time
import uuid
from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, BinaryIO

from cos_update import files
from cos_update.file_hints import hint, words
from cos_update.model.concertim import Actual
from cos_update.model.errors import LockedError, ViewError
from cos_update.model.settings import ViewFor
from cos_update.store.extras import view_for_from
from cos_update.store.journal import LIMIT, Journal, JournalEntry, with_journal_entries
from cos_update.store.layout import OTHERS, VIEW_NAME, Layout, Stamp, stamp_of
from cos_update.store.locks import Locks, unwritable
from cos_update.store.pickles import OUR_OWN, SHARED, paused_gc, read_plain, write_plain
from cos_update.store.records import SchemaError
from cos_update.store.schema import check_schema, from_plain, resync_from, resync_plain, to_plain
from cos_update.store.spliced import SplicedWriter
from cos_update.store.view import Resync, View

_BAD_KEPT = 5
_PROBE_SIZE = 4096
_TRIES = 5
_PASSING = (errno.EMFILE, errno.ENFILE, errno.ENOMEM)
"""Troubles of ours, which say nothing about the file."""

_log = logging.getLogger("cos_update.view")


class BadView(ViewError):
    """The file of the view is there, but it cannot be read or is not a view of ours."""


class ViewStore:
    """The view of one data dir, as `process` ("bulk", "listen", ...) reads and writes it. Threads may share it.

    `keeps` is for who loads it again and again: what was loaded or saved last stays in memory, and is not read from
    disk as long as nobody else has written.
    """

    def __init__(
        self, data_dir: Path, process: str, clock: Callable[[], float] = time.time, *, keeps: bool = False
    ) -> None:
        self.process = process
        self.layout = Layout(data_dir)
        self._journal = Journal(data_dir, clock)
        self._locks = Locks(data_dir, process)
        self._data_dir = data_dir
        self._clock = clock
        self._mutex = threading.Lock()
        self._request: tuple[Stamp | None, Resync | None] = (None, None)
        self._keeps = keeps
        self._writer = SplicedWriter()
        self._kept: tuple[Stamp | None, View | None] = (None, None)

    @property
    def path(self) -> Path:
        """The file of our memory."""
        return self.layout.memory

    @property
    def data_dir(self) -> Path:
        """Where it and all that belongs to it is kept."""
        return self._data_dir

    def prepare(self) -> list[str]:
        """Makes sure that the view can be saved, by writing; removes what a killed process left half written.

        Returns what its file system cannot do and is done without, in words. Raises ViewError that says what to do when
        the data dir is missing, not writable or full, or gives no locks; LockedError when the view is held for too
        long.
        """
        probe = self._data_dir / f".{VIEW_NAME}.probe.tmp"
        with self._locks.view():
            self._locks.prove()
            for path in (self.layout.view, self.layout.state):
                if files.is_mounted_apart(path):
                    raise unwritable(path, OSError(errno.EBUSY, os.strerror(errno.EBUSY)))
            try:
                self._remove_stale()
                with files.replacing(probe, temporary_of(self.layout.view), SHARED, granted=stat.S_IRGRP) as new:
                    new.file.write(bytes(_PROBE_SIZE))
                    new.put_in_place()
                return new.done_without
            except OSError as error:
                raise unwritable(probe, error) from error
            finally:
                with contextlib.suppress(OSError):
                    probe.unlink(missing_ok=True)

    def peek(self) -> View | None:
        """The view with the journal entries since it was saved, None when none was saved yet. Writes nothing anywhere.

        Raises BadView when the file is no view of ours, ViewError when it could not be read.
        """
        found = None
        for _ in range(_TRIES):
            path = self.path
            before = stamp_of(path)
            if before is None:
                return None
            with self._mutex:
                stamp, kept = self._kept
            if kept is not None and stamp == before:
                view = kept
            else:
                try:
                    with paused_gc():
                        view = _checked(path, self._read_plain(path))
                except BadView:
                    if stamp_of(path) is None:
                        continue  # it has just been moved
                    raise
            with self._mutex:
                self._request = (before, view.resync)
                self._kept = (before, view) if self._keeps else (None, None)
            journal_entries = self._journal.since(view.journal_seq)
            torn = self._journal.dropped > view.journal_seq
            found = replace(with_journal_entries(view, journal_entries), torn=torn) if view.saved_by else None
            self._journal.remember(view.journal_seq)
            if self._stamp() == before:
                break
        return found

    def load(self) -> View | None:
        """As `peek`, but whatever is wrong is logged, and the answer is None: the view is to be built anew.

        A file that is no view of ours is set aside as `view.pickle.bad-<time>` (or `state.pickle.bad-<time>`).
        """
        try:
            try:
                return self.peek()
            except BadView:
                with self._locks.view():
                    try:
                        return self.peek()  # somebody may have put a good one in its place meanwhile
                    except BadView as error:
                        self._set_aside(self.path, error)
        except (ViewError, LockedError) as error:
            _log.warning("the view could not be loaded and is rebuilt: %s", error)
        return None

    def save(self, view: View) -> View:
        """Writes the view with what was posted since its `journal_seq`; a resync request on disk stays as it is.

        Sets `saved_at` and `saved_by`, and gives the view as it was saved. Raises ViewError when it cannot be written;
        the old file is then still there.
        """
        with paused_gc(), self._locks.view():
            return self._save(view)

    def record(self, journal_entry: JournalEntry) -> int:
        """Records for the other processes what this one posted, and returns the entry's number.

        Its own number and author are not used: the journal counts, and what is recorded here is by this process.
        When the journal has grown too large it is taken into the view at once. Raises ViewError.
        """
        with self._locks.view():
            seq = self._journal.append(replace(journal_entry, by=self.process), self._saved_seq)
            if self._journal.size > LIMIT:
                with contextlib.suppress(BadView):
                    view = self.peek()
                    if view is not None:
                        self._save(view)
        return seq

    def arrange(self, wanted: ViewFor | None) -> ViewFor:
        """Has our memory be where it belongs when view.pickle is for `wanted`, and gives whose that is.

        With None it stays for those whose classes it names. For passes only: everybody else goes by what is on disk.
        Raises ViewError.
        """
        with self._locks.view():
            there = self.layout.form()
            form = self._found(there) if wanted is None else wanted
            try:
                if form is ViewFor.NONE:
                    self._unshare(there)
                else:
                    self._share(form, there)
            except OSError as error:
                raise unwritable(self.layout.view, error) from error
        return form

    def take_in(self) -> None:
        """Brings the saved view up to date with the journal, for those who read the file. Raises ViewError."""
        with paused_gc(), self._locks.view(), contextlib.suppress(BadView):
            view = self.peek()
            if view is not None:
                self._save(view)

    def stamp(self) -> tuple[int, int, int] | None:
        """What tells one saved view from the next; None when there is none. Costs one look at the file's time."""
        return self._stamp()

    def entries_since(self, seq: int) -> list[JournalEntry]:
        """What any process, this one too, posted after number `seq`, oldest first. Raises ViewError.

        Postings are kept for an hour after a saved view has taken them in. A reading that began longer ago than that
        must not be posted from.
        """
        return self._journal.since(seq)

    def seq(self) -> int:
        """The number of the last journal entry. Take it before a reading of Concertim begins. Raises ViewError."""
        return self._journal.last()

    def rack_lock(self, stack_id: str, timeout: float) -> contextlib.AbstractContextManager[None]:
        """The posting lock of one rack, waited for `timeout` seconds at most; see `Locks.rack`."""
        return self._locks.rack(stack_id, timeout)

    def sole(self, name: str, timeout: float = 0.0) -> contextlib.AbstractContextManager[None]:
        """Makes this process the only `name` of the data dir while the context lasts; see `Locks.sole`."""
        return self._locks.sole(name, timeout)

    def resync(self) -> Resync | None:
        """The pending request for a pass out of turn. Costs one look at the file's time while nothing changes."""
        with self._mutex:
            stamp = self._stamp()
            if stamp is None:
                return None
            if stamp != self._request[0]:
                try:
                    self._request = (stamp, resync_from(self._read_plain(self.path).get("resync")))
                except (BadView, SchemaError):
                    self._request = (stamp, None)
            return self._request[1]

    def request_resync(self, why: str) -> Resync:
        """Asks for a pass out of turn, in place of an older request. Raises ViewError."""
        request = Resync(id=uuid.uuid4().hex, at=self._clock(), why=why)
        with self._locks.view():
            self._change_resync(request)
        return request

    def clear_resync(self, resync: Resync) -> None:
        """Takes away that request, and no other that came in its place. Raises ViewError."""
        with self._locks.view():
            pending = self.resync()
            if pending is not None and pending.id == resync.id:
                self._change_resync(None)

    def _change_resync(self, request: Resync | None) -> None:
        try:
            plain = self._read_plain(self.path) if self._stamp() else _nothing()
        except BadView as error:
            self._set_aside(self.path, error)
            plain = _nothing()
        plain["resync"] = resync_plain(request)
        self._write(lambda file: write_plain(plain, file), request)

    def _save(self, view: View) -> View:
        merged = with_journal_entries(view, self._journal.since(view.journal_seq))
        pending = self.resync()
        saved = replace(merged, resync=pending, saved_at=self._clock(), saved_by=self._signature())
        self._write(lambda file: self._writer.write(saved, self.path, file), pending)
        if self._keeps:
            self._writer.is_in_place(self.path)
            with self._mutex:
                self._kept = (self._request[0], saved)
        self._journal.remember(merged.journal_seq)
        self._journal.drop(merged.journal_seq)
        return saved

    def _found(self, there: ViewFor | None) -> ViewFor:
        if there in OTHERS:
            return there
        return self._shared_form() if self.layout.is_shared() else ViewFor.NONE

    def _shared_form(self) -> ViewFor:
        """For whom view.pickle was written from the memory beside it."""
        with contextlib.suppress(ViewError, SchemaError):
            return view_for_from(self._read_plain(self.layout.state))[0]
        return ViewFor.NONE

    def _share(self, form: ViewFor, there: ViewFor | None) -> None:
        view, state = self.layout.view, self.layout.state
        if there is ViewFor.NONE and self.layout.is_view_newer():
            view.replace(state)
            files.flush_folder(self._data_dir)
            _log.info("view.pickle is to be %s's; our own memory has become %s", form, state.name)
        elif not self.layout.is_shared():
            self._write(lambda file: write_plain(_nothing(), file), None, state)
        if there is None and stamp_of(view) is not None:
            self._set_aside(view, f"{view} is nobody's that is known here.")

    def _unshare(self, there: ViewFor | None) -> None:
        view, state, is_shared = self.layout.view, self.layout.state, self.layout.is_shared()
        if there in OTHERS and not (is_shared and self._shared_form() in OTHERS):
            self._set_aside(view, f"{view} names classes of {there}, and view_for says that nobody loads it.")
        if is_shared and there is ViewFor.NONE and self.layout.is_view_newer():
            state.unlink()
        elif is_shared:
            state.replace(view)
            files.flush_folder(self._data_dir)
            _log.info("view.pickle is our own memory again")

    def _saved_seq(self) -> int:
        with contextlib.suppress(ViewError):
            seq = self._read_plain(self.path).get("journal_seq") if self._stamp() else 0
            if type(seq) is int:
                return seq
        return 0

    def _signature(self) -> str:
        return f"{self.process} (pid {os.getpid()} on {socket.gethostname()})"

    def _stamp(self) -> Stamp | None:
        return stamp_of(self.path)

    def _read_plain(self, path: Path) -> dict[str, Any]:
        try:
            plain = read_plain(path)
            check_schema(plain)
            return plain
        except OSError as error:
            kind = ViewError if error.errno in _PASSING else BadView
            raise kind(f"{path} cannot be read: {words(error)}.", hint(error, path)) from error
        except Exception as error:
            # Damaged pickles raise nearly anything: ValueError, EOFError, MemoryError, RecursionError, IndexError, ...
            raise BadView(f"{path} is not a view of ours: {error or type(error).__name__}") from error

    def _set_aside(self, path: Path, reason: object) -> None:
        moment = datetime.fromtimestamp(self._clock(), UTC).strftime("%Y%m%dT%H%M%S.%fZ")
        aside = path.with_name(f"{path.name}.bad-{moment}")
        try:
            path.rename(aside)
        except OSError as problem:
            _log.warning("%s It cannot be set aside either (%s); it is rebuilt", reason, problem.strerror)
            return
        _log.warning("%s It was set aside as %s and is rebuilt", reason, aside.name)
        for old in sorted(self._data_dir.glob(f"{path.name}.bad-*"))[:-_BAD_KEPT]:
            with contextlib.suppress(OSError):
                old.unlink()

    def _write(self, write: Callable[[BinaryIO], None], request: Resync | None, path: Path | None = None) -> None:
        """Puts a new file in the place of the old one; the lock of the view is held."""
        path = path or self.path
        mode = SHARED if path == self.layout.view else OUR_OWN
        try:
            self._remove_stale()
            with files.replacing(path, temporary_of(path), mode, granted=stat.S_IRGRP) as new:
                write(new.file)
                new.put_in_place()
        except OSError as error:
            raise unwritable(path, error) from error
        except (TypeError, RecursionError) as error:
            raise ViewError(f"{path} cannot be written: {error}.", "Please report this as a bug.") from error
        with self._mutex:
            self._request = (stamp_of(path), request)

    def _remove_stale(self) -> None:
        """What was begun and not finished: we hold the lock, so its writer is dead. Process ids say nothing here,
        because each container counts its own.
        """
        for pattern in (".view.*.tmp", ".state.*.tmp"):
            for stale in self._data_dir.glob(pattern):
                stale.unlink(missing_ok=True)


def _nothing() -> dict[str, Any]:
    """The file that carries a request before any view was saved: `saved_by` is "" in it."""
    return to_plain(View(Actual(began=0.0)))


def _checked(path: Path, plain: dict[str, Any]) -> View:
    try:
        return from_plain(plain)
    except SchemaError as error:
        raise BadView(f"{path} is not a view of ours: {error}") from error


def temporary_of(path: Path) -> Path:
    """Where a file is written before it takes the place of `path`; to be used under the view's lock."""
    return path.with_name(f".{path.name}.{os.getpid()}.tmp")
