"""The heartbeat: every few seconds a daemon writes to a small file in the data dir that it is alive and moving.

It is for supervisors that restart a hung daemon (Docker, Kubernetes, systemd). A restart does not fix an unreachable
cloud: a daemon that keeps retrying is alive, and reports its last failure in the heartbeat.
"""

from __future__ import annotations

import contextlib
import json
import logging
import os
import socket
import threading
import time
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from types import TracebackType
from typing import Self

from cos_update import files
from cos_update.file_hints import hint, words
from cos_update.model.errors import ViewError
from cos_update.observability.process_identity import ProcessIdentity, is_gone, own_identity

SCHEMA = 1
FILES = ("health-*.json", ".health-*.json.tmp")
"""Patterns of the heartbeat files in the data dir."""
STALE_AFTER = "stale_after"
"""The detail that marks a periodically run command, not a daemon: seconds after which its last end is stale."""
WRITE_INTERVAL = 5.0
"""Seconds between two writes of the heartbeat."""
ENDING = 1.0
"""Seconds to wait at the end for a write in progress."""
SILENCE = 60.0
"""Seconds without a heartbeat after which a process counts as dead, paused or hanging."""

_log = logging.getLogger(__name__)


def file_of(data_dir: Path, process: str) -> Path:
    """The heartbeat file of a daemon ("bulk", "listen", "listen-1" for a shard)."""
    return data_dir / f"health-{process}.json"


@dataclass(frozen=True, slots=True)
class DaemonStatus:
    """The status that a daemon reports at one moment."""

    text: str
    """What it is doing, for people; times are absolute, so that the text does not become outdated."""
    idle: float = 0.0
    """Seconds for which work has been due without any progress; a failed attempt counts as progress."""
    stuck_after: float = 600.0
    """Seconds of `idle` from which it counts as stuck."""
    details: Mapping[str, object] = field(default_factory=dict)
    """The same for programs: plain JSON values; times are Unix times."""


@dataclass(frozen=True, slots=True)
class Heartbeat:
    """A heartbeat as read. Times are Unix times.

    `beat` is when the process last touched the file, `written` when it last succeeded in writing it, `ended` when it
    exited cleanly.
    """

    process: str
    pid: int
    host: str
    identity: ProcessIdentity | None
    written: float
    beat: float
    ended: float | None
    status: DaemonStatus


def read(path: Path) -> Heartbeat | None:
    """The heartbeat in that file, None if there is no file. Raises ViewError if it cannot be read or is invalid."""
    try:
        with path.open("rb") as file:
            beat = os.fstat(file.fileno()).st_mtime
            plain = json.loads(file.read())
        if plain["schema"] != SCHEMA:
            raise ValueError(f"its schema is {plain['schema']!r}")
        status = DaemonStatus(
            str(plain["text"]), float(plain["idle"]), float(plain["patience"]), dict(plain["details"])
        )
        return Heartbeat(
            process=str(plain["process"]),
            pid=int(plain["pid"]),
            host=str(plain["host"]),
            identity=_identity(plain.get("identity")),
            written=float(plain["written"]),
            beat=beat,
            ended=None if plain["ended"] is None else float(plain["ended"]),
            status=status,
        )
    except FileNotFoundError:
        return None
    except OSError as error:
        raise ViewError(f"{path} cannot be read: {words(error)}.", hint(error, path)) from error
    except (ValueError, TypeError, KeyError) as error:
        raise ViewError(f"{path} is not a valid heartbeat: {error}.", "Is that daemon of the same version?") from error


def evaluate(
    heartbeat: Heartbeat,
    now: float,
    max_age: float | None = None,
    is_gone: Callable[[int, ProcessIdentity], bool] = is_gone,
) -> tuple[bool, str]:
    """Whether the daemon is alive and moving at `now`, with a line that says so.

    `max_age` overrides the daemon's own limit on seconds without progress while work is due; if shorter than
    `SILENCE`, it also limits the age of the heartbeat.
    """
    process, status = heartbeat.process, heartbeat.status
    where = f"pid {heartbeat.pid} on {heartbeat.host}"
    if heartbeat.ended is not None and (stale_after := status.details.get(STALE_AFTER)) is not None:
        age = now - heartbeat.ended
        result = f"{process} is run by cron or by hand: {status.text}"
        limit = float(str(stale_after)) if max_age is None else max_age
        return age <= limit, result if age <= limit else f"{result}; that was {age:.0f} s ago"
    if heartbeat.ended is not None:
        return False, f"{process} ended at {moment(heartbeat.ended)}"
    if heartbeat.identity is not None and is_gone(heartbeat.pid, heartbeat.identity):
        return False, f"{process} is gone: {where} was killed or died, without a sign after {moment(heartbeat.beat)}"
    # A heartbeat from the future was written before the clock was set back.
    silent = abs(now - heartbeat.beat)
    if silent > (SILENCE if max_age is None else min(SILENCE, max_age)):
        since = moment(heartbeat.beat)
        return False, f"{process} has given no sign of life since {since}: {where} was killed or paused, or hangs"
    if status.idle > (status.stuck_after if max_age is None else max_age):
        return False, f"{process} is stuck: nothing has moved for {status.idle:.0f} s ({where}); {status.text}"
    if heartbeat.beat - heartbeat.written > SILENCE:
        since = moment(heartbeat.written)
        return True, f"{process} is alive, but has not been able to write its heartbeat since {since}"
    return True, f"{process} is alive: {status.text}"


def moment(when: float) -> str:
    """A Unix time as text."""
    return datetime.fromtimestamp(when, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def _identity(plain: object) -> ProcessIdentity | None:
    return ProcessIdentity(**plain) if isinstance(plain, dict) else None


class HeartbeatWriter:
    """Writes the heartbeat within its context, in its own thread; `collect` returns the contents.

    It also writes when nothing happens, so that silence means that the whole process hangs. File errors are logged
    once and stop nothing; on a full disk the file is touched, which needs no space.
    """

    def __init__(
        self,
        path: Path,
        process: str,
        collect: Callable[[], DaemonStatus],
        *,
        interval: float = WRITE_INTERVAL,
        clock: Callable[[], float] = time.time,
    ) -> None:
        self._path = path
        self._process = process
        self._collect = collect
        self._interval = interval
        self._clock = clock
        self._started = clock()
        self._identity = own_identity()
        self._failing = False
        self._stopped = threading.Event()
        self._thread = threading.Thread(target=self._run, name="heartbeat", daemon=True)

    def __enter__(self) -> Self:
        self.write()
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._stopped.set()
        self._thread.join(ENDING)
        self.write(ended=self._clock())

    def write(self, ended: float | None = None) -> None:
        """Writes the heartbeat now; `ended` is when the process ended, if it has."""
        now = self._clock()
        status = self._status()
        document = {
            "schema": SCHEMA,
            "process": self._process,
            "pid": os.getpid(),
            "host": socket.gethostname(),
            "identity": asdict(self._identity) if self._identity else None,
            "started": self._started,
            "written": now,
            "ended": ended,
            "idle": status.idle,
            "patience": status.stuck_after,
            "text": status.text,
            "details": dict(status.details),
        }
        try:
            self._write(json.dumps(document, default=str).encode() + b"\n")
        except OSError as error:
            if not self._failing:
                _log.warning(
                    "the heartbeat %s cannot be written: %s. %s", self._path, words(error), hint(error, self._path)
                )
            self._failing = True
            with contextlib.suppress(OSError):
                os.utime(self._path)
        else:
            self._failing = False

    def _run(self) -> None:
        while not self._stopped.wait(self._interval):
            self.write()

    def _status(self) -> DaemonStatus:
        try:
            return self._collect()
        except Exception as error:
            # The process is alive nevertheless, and ending it would not help.
            _log.debug("cannot collect the status for the heartbeat", exc_info=True)
            return DaemonStatus(f"its status is unknown ({type(error).__name__})")

    def _write(self, content: bytes) -> None:
        temporary = self._path.with_name(f".{self._path.name}.tmp")
        with files.replacing(self._path, temporary, 0o644, durable=False) as new:
            new.file.write(content)
            new.put_in_place()
