"""Inspects a running deployment before its update handlers are replaced, without writing anything."""

from __future__ import annotations

import os
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from cos_update.model.errors import ViewError
from cos_update.model.settings import Settings, ViewFor
from cos_update.observability.heartbeat import evaluate, read
from cos_update.observability.log_lines import is_own_line
from cos_update.observability.observer import Observer
from cos_update.planning.takeover import Reason, changed_between
from cos_update.store import ViewStore
from cos_update.sync.cache_policy import NOTHING
from cos_update.sync.reconciler import read_and_plan
from cos_update.sync.services import RunOptions, Services, Snapshot

FRESH = 300.0
"""Seconds since the last write of a file within which its writer counts as running."""
VIEWS = "view~*.pickle"
"""The dated views that earlier handlers keep alongside `view.pickle`."""
LOGS = ("updates*.log", "view_sync*.log", "view_queue*.log", "fe_updates*.log")
"""The logs of earlier handlers, by container name; those of other services do not matter."""
_STOP = "stop the containers of the update handlers, wait 5 minutes, and run this again"
_TAIL = 64 * 1024


@dataclass(frozen=True, slots=True)
class Look:
    """What the first pass would do, and what others have written in the meantime."""

    snapshot: Snapshot
    changes: tuple[str, ...]


def look(services: Services, seconds: float, observer: Observer) -> Look:
    """Reads both sides and plans the first pass; reads Concertim again at least `seconds` later.

    Both readings are full, as nothing is known yet. Raises CosUpdateError if a side cannot be read.
    """
    snapshot = read_and_plan(services, RunOptions(full="for a takeover"), view=NOTHING, observer=observer)
    time.sleep(seconds)
    return Look(snapshot, changed_between(snapshot.actual, services.concertim.read_all()))


def writers(changes: tuple[str, ...], settings: Settings, now: float) -> Iterator[Reason]:
    """Other writers: from records that have changed, and from files in the folders at `now`, a Unix time."""
    for change in changes:
        yield Reason("writers", f"between two readings of Concertim {change}", f"a handler, or a person? {_STOP}")
    for path, age in _fresh(settings.data_dir, (VIEWS,), now):
        yield Reason("writers", f"{path} was written {age:.0f} s ago, by a handler that stores its view there", _STOP)
    for path, age in _fresh(settings.log_dir, LOGS, now):
        if not _is_ours(path):
            yield Reason("writers", f"{path} was written {age:.0f} s ago, but not by cos-update", _STOP)
    for path in sorted(settings.data_dir.glob("health-*.json")):
        try:
            heartbeat = read(path)
        except ViewError:
            continue
        if heartbeat is not None and heartbeat.ended is None and evaluate(heartbeat, now)[0]:
            text = f"cos-update {heartbeat.process} already runs here (pid {heartbeat.pid} on {heartbeat.host})"
            yield Reason("writers", text, "the takeover has already happened: see `cos-update status`")


def readers_left(settings: Settings) -> Iterator[Reason]:
    """Reports services that load `view.pickle` with their own classes and could not load ours."""
    store = ViewStore(settings.data_dir, "takeover")
    try:
        form = store.layout.form()
    except ViewError as error:
        yield Reason("view", str(error), error.hint)
        return
    if settings.view_for is ViewFor.NONE and form not in (None, ViewFor.NONE):
        text = f"view_for is none, but {store.layout.view} is {form}'s: its services could not load ours"
        yield Reason("view", text, f"set view_for to auto or {form}, unless its services are gone")


def _fresh(folder: Path, patterns: tuple[str, ...], now: float) -> Iterator[tuple[Path, float]]:
    """Recently written files that match these patterns, and their age in seconds; clocks may differ slightly."""
    for path in sorted({path for pattern in patterns for path in folder.glob(pattern)}):
        try:
            age = now - path.stat().st_mtime
        except OSError:  # it was just rotated
            continue
        if abs(age) <= FRESH:
            yield path, max(age, 0.0)


def _is_ours(log: Path) -> bool:
    """Whether the last line of a log was written by us. An unreadable log counts as not ours."""
    try:
        with log.open("rb") as file:
            file.seek(max(os.fstat(file.fileno()).st_size - _TAIL, 0))
            lines = file.read().decode(errors="replace").splitlines()
    except OSError:
        return False
    entries = [line for line in lines if line.strip() and not line.startswith(" ")]
    return bool(entries) and is_own_line(entries[-1])
