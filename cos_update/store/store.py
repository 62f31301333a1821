"""The view on disk: loaded without trusting it, saved atomically.

Our memory is a pickle of plain containers (`pickles`). It is in view.pickle, or in state.pickle while view.pickle is
written for other services with their own classes (`layout`).
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
from cos_update.store.spliced import LENGTH, SplicedWriter
from cos_update.store.view import Resync, View

_BAD_KEPT = 5
_PROBE_SIZE = 4096
_TRIES = 5
_PASSING = (errno.EMFILE, errno.ENFILE, errno.ENOMEM)
"""Errors of this process or machine, which do not mean that the file is bad."""

_log = logging.getLogger("cos_update.view")


class BadView(ViewError):
    """The file of the view exists, but cannot be read or is not one of our views."""


class ViewStore:
    """The view of one data dir, read and written by `process` ("bulk", "listen", ...). Thread-safe.

    `keeps` is for frequent loading: the view that was loaded or saved last stays in memory, and is not read from disk
    until another process has written it.
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
        """The folder of the view and its journal, locks and heartbeats."""
        return self._data_dir

    def prepare(self) -> list[str]:
        """Verifies by writing that the view can be saved; removes incomplete files of killed processes.

        Returns descriptions of what its file system does not support. Raises ViewError, with a hint, if the data dir is
        missing, not writable or full, or has no locks; LockedError if the view is locked for too long.
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
        """The view with the journal entries since it was saved, None if none was saved yet. Writes nothing.

        Raises BadView if the file is not one of our views, ViewError if it could not be read.
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
                        plain = self._read_plain(path)
                        view = _checked(path, plain)
                        self._writer.is_loaded(view, plain, path, before)
                except BadView:
                    if stamp_of(path) is None:
                        continue  # it was just moved
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
        """As `peek`, but logs any error and returns None: the view must be rebuilt.

        A file that is not one of our views is set aside as `view.pickle.bad-<time>` (or `state.pickle.bad-<time>`).
        """
        try:
            try:
                return self.peek()
            except BadView:
                with self._locks.view():
                    try:
                        return self.peek()  # it may have been replaced by a good one meanwhile
                    except BadView as error:
                        self._set_aside(self.path, error)
        except (ViewError, LockedError) as error:
            _log.warning("the view could not be loaded and is rebuilt: %s", error)
        return None

    def save(self, view: View) -> View:
        """Writes the view with the journal entries since its `journal_seq`; keeps a resync request on disk.

        Returns the view as saved, with `saved_at` and `saved_by` set. Raises ViewError if it cannot be written; the old
        file then stays in place.
        """
        with paused_gc(), self._locks.view():
            return self._save(view)

    def record(self, journal_entry: JournalEntry) -> int:
        """Records for other processes what this one has posted, and returns the entry's number.

        The entry's `seq` and author are ignored: the journal assigns the number, and the author is this process. If the
        journal has grown too large, it is merged into the view at once. Raises ViewError.
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
        """Moves our memory to where it belongs if view.pickle is for `wanted`; returns the services that it is for.

        With None, it stays for the services whose classes it names. Only passes may call this: all other code follows
        the files on disk. Raises ViewError.
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
        """Merges the journal into the saved view, for the services that read the file. Raises ViewError."""
        with paused_gc(), self._locks.view(), contextlib.suppress(BadView):
            view = self.peek()
            if view is not None:
                self._save(view)

    def stamp(self) -> tuple[int, int, int] | None:
        """A value that differs between saved views; None if there is none. Costs one stat."""
        return self._stamp()

    def entries_since(self, seq: int) -> list[JournalEntry]:
        """The entries of all processes, including this one, after number `seq`, oldest first. Raises ViewError.

        Entries are kept for an hour after a saved view includes them. Do not apply plans that are based on an older
        reading.
        """
        return self._journal.since(seq)

    def seq(self) -> int:
        """The number of the last journal entry. Get it before reading Concertim. Raises ViewError."""
        return self._journal.last()

    def rack_lock(self, stack_id: str, timeout: float) -> contextlib.AbstractContextManager[None]:
        """The posting lock of one rack, with a wait of at most `timeout` seconds; see `Locks.rack`."""
        return self._locks.rack(stack_id, timeout)

    def sole(self, name: str, timeout: float = 0.0) -> contextlib.AbstractContextManager[None]:
        """Makes this process the only `name` of the data dir within the context; see `Locks.sole`."""
        return self._locks.sole(name, timeout)

    def resync(self) -> Resync | None:
        """The pending resync request. Costs one stat while nothing changes."""
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
        """Requests an immediate pass, replacing any older request. Raises ViewError."""
        request = Resync(id=uuid.uuid4().hex, at=self._clock(), why=why)
        with self._locks.view():
            self._change_resync(request)
        return request

    def clear_resync(self, resync: Resync) -> None:
        """Removes that request, unless another has replaced it. Raises ViewError."""
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
        plain.pop(LENGTH, None)
        self._write(lambda file: write_plain(plain, file), request)

    def _save(self, view: View) -> View:
        merged = with_journal_entries(view, self._journal.since(view.journal_seq))
        pending = self.resync()
        saved = replace(merged, resync=pending, saved_at=self._clock(), saved_by=self._signature())
        self._write(lambda file: self._writer.write(saved, self.path, file), pending)
        self._writer.is_in_place(self.path)
        if self._keeps:
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
        """The services that view.pickle was written for from state.pickle."""
        with contextlib.suppress(ViewError, SchemaError):
            return view_for_from(self._read_plain(self.layout.state))[0]
        return ViewFor.NONE

    def _share(self, form: ViewFor, there: ViewFor | None) -> None:
        view, state = self.layout.view, self.layout.state
        if there is ViewFor.NONE and self.layout.is_view_newer():
            view.replace(state)
            files.flush_folder(self._data_dir)
            _log.info("view.pickle will be written for %s; our own memory is now %s", form, state.name)
        elif not self.layout.is_shared():
            self._write(lambda file: write_plain(_nothing(), file), None, state)
        if there is None and stamp_of(view) is not None:
            self._set_aside(view, f"{view} names unknown classes.")

    def _unshare(self, there: ViewFor | None) -> None:
        view, state, is_shared = self.layout.view, self.layout.state, self.layout.is_shared()
        if there in OTHERS and not (is_shared and self._shared_form() in OTHERS):
            self._set_aside(view, f"{view} names classes of {there}, but view_for says that no service loads it.")
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
            raise BadView(f"{path} is not a valid view: {error or type(error).__name__}") from error

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
        """Replaces the file; the caller holds the view's lock."""
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
        """Removes incomplete files: we hold the lock, so their writers are dead. Process ids would not tell, since each
        container numbers its own.
        """
        for pattern in (".view.*.tmp", ".state.*.tmp"):
            for stale in self._data_dir.glob(pattern):
                stale.unlink(missing_ok=True)


def _nothing() -> dict[str, Any]:
    """The content of a file with a request before any view was saved: its `saved_by` is ""."""
    return to_plain(View(Actual(began=0.0)))


def _checked(path: Path, plain: dict[str, Any]) -> View:
    try:
        return from_plain(plain)
    except SchemaError as error:
        raise BadView(f"{path} is not a valid view: {error}") from error


def temporary_of(path: Path) -> Path:
    """The temporary file that replaces `path` when complete; use it under the view's lock."""
    return path.with_name(f".{path.name}.{os.getpid()}.tmp")
