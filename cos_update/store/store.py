"""The view on disk: loaded without trusting it, saved so that a reader never sees half of it.

The file is a pickle of plain containers. Our loader refuses every class, so that a hostile file can run nothing.
"""

from __future__ import annotations

import contextlib
import errno
import gc
import logging
import os
import pickle
import shutil
import socket
import stat
import threading
import time
import uuid
from collections.abc import Callable, Iterator
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, BinaryIO

from cos_update import files
from cos_update.file_hints import hint, words
from cos_update.model.concertim import Actual
from cos_update.model.errors import LockedError, ViewError
from cos_update.store.journal import LIMIT, Journal, JournalEntry, with_journal_entries
from cos_update.store.locks import Locks, unwritable
from cos_update.store.records import SchemaError, dict_of, simplified
from cos_update.store.schema import Resync, View, check_schema, from_plain, resync_from, resync_plain, to_plain

FILE_NAME = "view.pickle"
LARGEST = 4 * 1024**3
"""Bytes above which a file is not taken for a view."""
_BAD_KEPT = 5
_PROBE_SIZE = 4096
_MODE = 0o644
"""Other services read the view: those of its group whatever the umask says, others unless it forbids it."""
_TRIES = 5
_PROTOCOL = 4
_PASSING = (errno.EMFILE, errno.ENFILE, errno.ENOMEM)
"""Troubles of ours, which say nothing about the file."""

_log = logging.getLogger("cos_update.view")


class BadView(ViewError):
    """The file of the view is there, but it cannot be read or is not a view of ours."""


_Stamp = tuple[int, int, int]
"""Inode, time of change and size of the file: what tells one saved view from the next."""


class ViewStore:
    """The view of one data dir, as `process` ("bulk", "listen", ...) reads and writes it. Threads may share it."""

    def __init__(self, data_dir: Path, process: str, clock: Callable[[], float] = time.time) -> None:
        self.path = data_dir / FILE_NAME
        self.process = process
        self._journal = Journal(data_dir, clock)
        self._locks = Locks(data_dir, process)
        self._data_dir = data_dir
        self._clock = clock
        self._mutex = threading.Lock()
        self._request: tuple[_Stamp | None, Resync | None] = (None, None)

    def prepare(self) -> list[str]:
        """Makes sure that the view can be saved, by writing; removes what a killed process left half written.

        Returns what its file system cannot do and is done without, in words. Raises ViewError that says what to do when
        the data dir is missing, not writable or full, or gives no locks; LockedError when the view is held for too
        long.
        """
        probe = self._data_dir / f".{FILE_NAME}.probe.tmp"
        with self._locks.view():
            self._locks.prove()
            try:
                self._remove_stale()
                if files.is_mounted_apart(self.path):
                    raise OSError(errno.EBUSY, os.strerror(errno.EBUSY), str(self.path))
                with files.replacing(probe, self._temporary(), _MODE) as new:
                    new.widen(stat.S_IRGRP)
                    new.file.write(bytes(_PROBE_SIZE))
                    new.put_in_place()
                return new.done_without
            except OSError as error:
                raise unwritable(self.path if error.errno == errno.EBUSY else probe, error) from error
            finally:
                with contextlib.suppress(OSError):
                    probe.unlink(missing_ok=True)

    def rehearse(self) -> None:
        """Saves the view that is there once more, as it is. Raises ViewError, LockedError as `save` does.

        What is no file stays as it is, and so does somebody else's, whom the copy would shut out.
        """
        with self._locks.view():
            try:
                found = self.path.lstat()
                if not stat.S_ISREG(found.st_mode):
                    return
                with self.path.open("rb") as old, files.replacing(self.path, self._temporary(), _MODE) as new:
                    shutil.copyfileobj(old, new.file)
                    if new.keep(found):
                        new.put_in_place()
            except FileNotFoundError:
                return
            except OSError as error:
                raise unwritable(self.path, error) from error

    def peek(self) -> View | None:
        """The view with the postings since it was saved, None when none was saved yet. Writes nothing anywhere.

        Raises BadView when the file is no view of ours, ViewError when it could not be read.
        """
        for _ in range(_TRIES):
            before = self._stamp()
            if before is None:
                return None
            with paused_gc():
                view = _checked(self.path, self._read_plain())
            with self._mutex:
                self._request = (before, view.resync)
            journal_entries = self._journal.since(view.journal_seq)
            torn = self._journal.dropped > view.journal_seq
            if self._stamp() == before:
                break
        self._journal.remember(view.journal_seq)
        return replace(with_journal_entries(view, journal_entries), torn=torn) if view.saved_by else None

    def load(self) -> View | None:
        """As `peek`, but whatever is wrong is logged, and the answer is None: the view is to be built anew.

        A file that is no view of ours is set aside as `view.pickle.bad-<time>`.
        """
        try:
            try:
                return self.peek()
            except BadView:
                with self._locks.view():
                    try:
                        return self.peek()  # somebody may have put a good one in its place meanwhile
                    except BadView as error:
                        self._set_aside(error)
        except (ViewError, LockedError) as error:
            _log.warning("the view could not be loaded and is rebuilt: %s", error)
        return None

    def save(self, view: View) -> None:
        """Writes the view with what was posted since its `journal_seq`; a resync request on disk stays as it is.

        Sets `saved_at` and `saved_by`. Raises ViewError when it cannot be written; the old file is then still there.
        """
        with paused_gc(), self._locks.view():
            self._save(view)

    def record(self, journal_entry: JournalEntry) -> int:
        """Tells the other processes what this one posted, and returns its number.

        Number and author of `posting` are not used: the journal counts, and what is posted here is by this process.
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
        """The number of the last posting. Take it before a reading of Concertim begins. Raises ViewError."""
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
                    self._request = (stamp, resync_from(self._read_plain().get("resync")))
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
            plain = self._read_plain() if self._stamp() else _nothing()
        except BadView as error:
            self._set_aside(error)
            plain = _nothing()
        plain["resync"] = resync_plain(request)
        self._write(plain, request)

    def _save(self, view: View) -> None:
        merged = with_journal_entries(view, self._journal.since(view.journal_seq))
        pending = self.resync()
        plain = to_plain(replace(merged, resync=pending, saved_at=self._clock(), saved_by=self._signature()))
        self._write(plain, pending)
        self._journal.remember(merged.journal_seq)
        self._journal.drop(merged.journal_seq)

    def _saved_seq(self) -> int:
        with contextlib.suppress(ViewError):
            seq = self._read_plain().get("journal_seq") if self._stamp() else 0
            if type(seq) is int:
                return seq
        return 0

    def _signature(self) -> str:
        return f"{self.process} (pid {os.getpid()} on {socket.gethostname()})"

    def _stamp(self) -> _Stamp | None:
        try:
            found = self.path.stat()
        except FileNotFoundError:
            return None
        except OSError as error:
            raise ViewError(f"{self.path} cannot be looked at: {words(error)}.", hint(error, self.path)) from error
        return found.st_ino, found.st_mtime_ns, found.st_size

    def _read_plain(self) -> dict[str, Any]:
        try:
            # A pipe of that name must not make us wait.
            with paused_gc(), open(os.open(self.path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC), "rb") as file:
                found = os.fstat(file.fileno())
                if not stat.S_ISREG(found.st_mode):
                    raise BadView(f"{self.path} is not a file.")
                if found.st_size > LARGEST:
                    raise BadView(f"{self.path} is too large for a view ({found.st_size} bytes).")
                plain = dict_of(_PlainUnpickler(file).load(), "view")
                check_schema(plain)
                return plain
        except OSError as error:
            kind = ViewError if error.errno in _PASSING else BadView
            raise kind(f"{self.path} cannot be read: {words(error)}.", hint(error, self.path)) from error
        except ViewError:
            raise
        except Exception as error:
            # Damaged pickles raise nearly anything: ValueError, EOFError, MemoryError, RecursionError, IndexError, ...
            raise BadView(f"{self.path} is not a view of ours: {error or type(error).__name__}") from error

    def _set_aside(self, error: BadView) -> None:
        moment = datetime.fromtimestamp(self._clock(), UTC).strftime("%Y%m%dT%H%M%S.%fZ")
        aside = self.path.with_name(f"{FILE_NAME}.bad-{moment}")
        try:
            self.path.rename(aside)
        except OSError as problem:
            _log.warning("%s It cannot be set aside either (%s); it is rebuilt", error, problem.strerror)
            return
        _log.warning("%s It was set aside as %s and is rebuilt", error, aside.name)
        for old in sorted(self._data_dir.glob(f"{FILE_NAME}.bad-*"))[:-_BAD_KEPT]:
            with contextlib.suppress(OSError):
                old.unlink()

    def _write(self, plain: dict[str, Any], request: Resync | None) -> None:
        """Puts a new file in the place of the old one; the lock of the view is held."""
        try:
            self._remove_stale()
            with files.replacing(self.path, self._temporary(), _MODE) as new:
                new.widen(stat.S_IRGRP)
                _dump(plain, new.file)
                new.put_in_place()
        except OSError as error:
            raise unwritable(self.path, error) from error
        except (TypeError, RecursionError) as error:
            raise ViewError(f"{self.path} cannot be written: {error}.", "Please report this as a bug.") from error
        with self._mutex:
            self._request = (self._stamp(), request)

    def _temporary(self) -> Path:
        return self.path.with_name(f".{FILE_NAME}.{os.getpid()}.tmp")

    def _remove_stale(self) -> None:
        """What was begun and not finished: we hold the lock, so its writer is dead. Process ids say nothing here,
        because each container counts its own.
        """
        for stale in self._data_dir.glob(".view.*.tmp"):
            stale.unlink(missing_ok=True)


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


def _dump(plain: dict[str, Any], file: BinaryIO) -> None:
    try:
        _PlainPickler(file, _PROTOCOL).dump(plain)
    except SchemaError:
        # Some text is of a subclass (a member of a StrEnum, say). That is rare, so it is looked for only then.
        file.seek(0)
        file.truncate()
        _PlainPickler(file, _PROTOCOL).dump(simplified(plain))


def _nothing() -> dict[str, Any]:
    """The file that carries a request before any view was saved: `saved_by` is "" in it."""
    return to_plain(View(Actual(began=0.0)))


def _checked(path: Path, plain: dict[str, Any]) -> View:
    try:
        return from_plain(plain)
    except SchemaError as error:
        raise BadView(f"{path} is not a view of ours: {error}") from error
