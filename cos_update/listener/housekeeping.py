"""Background tasks of the listener: resyncs that are due, views that bulk has saved, and saving the view."""

from __future__ import annotations

import logging
import math
import threading
import time
from collections.abc import Callable
from dataclasses import replace

from cos_update.listener.cache import StateCache
from cos_update.model.errors import CosUpdateError, LockedError
from cos_update.observability.observer import Observer
from cos_update.observability.repeats import RepeatSuppressor
from cos_update.retry import Backoff
from cos_update.store import ViewStore
from cos_update.sync.reconciler import run_pass
from cos_update.sync.services import RunOptions, Services

log = logging.getLogger("cos_update.listen")

TURN = 1.0
"""Seconds between two turns."""
SAVE_EVERY = 30.0
"""Seconds within which changes are merged into the saved view."""
RETRY = 15.0
"""Seconds before retrying a resync, or the request for one, that failed."""
AGAIN = Backoff(RETRY, 600.0)
"""Seconds before the next resync if a side gave no usable response for a part of the last one."""


class Housekeeper:
    """A thread for background tasks. With `passes`, it runs resyncs itself; else it requests them in the view for bulk.

    `mine` tells whether a project belongs to this listener.
    """

    def __init__(
        self,
        services: Services,
        cache: StateCache,
        stop: threading.Event,
        observer: Observer,
        *,
        passes: bool,
        mine: Callable[[str], bool],
    ) -> None:
        self._services = services
        self._cache = cache
        self._stop = stop
        self._observer = observer
        self._passes = passes
        self._mine = mine
        self._lock = threading.Lock()
        self._reason = ""
        self._not_before = 0.0
        self._in_part = 0
        self._again_at = math.inf
        self._busy = False
        self._saved_seq = 0
        self._saved_at = time.monotonic()
        self._repeats = RepeatSuppressor(log)
        self._thread = threading.Thread(target=self._run, name="keeper", daemon=True)

    def start(self) -> None:
        self._saved_seq = self._services.store.seq()
        self._thread.start()

    def join(self, timeout: float) -> bool:
        """Waits for the thread to end; returns whether it did in time."""
        self._thread.join(timeout)
        return not self._thread.is_alive()

    def request_soon(self, reason: str) -> None:
        """Requests a resync soon; never waits and never fails."""
        with self._lock:
            self._reason = self._reason or reason

    def request(self, reason: str) -> None:
        """Requests a resync now; once this returns, it is guaranteed to happen. Raises ViewError."""
        log.info("requesting a resync: %s", reason)
        self._services.store.request_resync(reason)
        self._cache.written()
        if self._passes:
            self.request_soon(reason)

    def is_idle(self) -> bool:
        """Whether no resync is requested or running."""
        with self._lock:
            return not self._reason and not self._busy

    def save(self) -> None:
        """Merges posted changes into the saved view. Raises ViewError."""
        seq = self._services.store.seq()
        if seq != self._saved_seq:
            self._services.store.take_in()
            self._cache.written()
            self._saved_seq = seq
        self._saved_at = time.monotonic()

    def _run(self) -> None:
        while not self._stop.wait(TURN):
            self.turn()

    def turn(self) -> None:
        """Does what is due. Never raises: a failing task is logged once and tried again, and the others still run."""
        self._try("reading the saved view that failed", self._cache.reload_if_changed)
        if time.monotonic() - self._saved_at >= SAVE_EVERY:
            self._saved_at = time.monotonic()
            self._try("saving the view that failed", self.save)
        if reason := self._due():
            self._try("resyncs that failed", lambda: self._resync_now(reason))

    def _try(self, name: str, task: Callable[[], None]) -> None:
        self._repeats.attempt(name, task, "housekeeping failed", name)

    def _due(self) -> str:
        """Why a resync is due now; "" if none is."""
        now = time.monotonic()
        with self._lock:
            reason = self._reason if now >= self._not_before else ""
        return reason or ("the last resync was done in part" if now >= self._again_at else "")

    def _resync_now(self, reason: str) -> None:
        with self._lock:
            self._reason, self._busy = "", True
        try:
            self._resync(reason)
        except BaseException:
            self.request_soon(reason)
            self._not_before = time.monotonic() + RETRY
            raise
        finally:
            with self._lock:
                self._busy = False

    def _resync(self, reason: str) -> None:
        if not self._passes:
            self.request(reason)
            return
        store = self._services.store
        # The pass has its own process name, so that it and the workers respect each other's changes.
        own = replace(self._services, store=ViewStore(store.path.parent, f"{store.process}-resync"))
        try:
            with own.store.sole("bulk"):
                self._pass(own, reason)
        except LockedError:
            log.info("bulk runs on this data dir and will do the resync")
            self._in_part, self._again_at = 0, math.inf
            store.request_resync(reason)
        self._cache.reload_if_changed()

    def _pass(self, own: Services, reason: str) -> None:
        log.info("resync: %s", reason)
        self._observer.pass_begins()
        request = own.store.resync()
        try:
            projects = tuple(item for item in self._cache.projects() if self._mine(item))
            chosen = () if len(projects) == len(self._cache.projects()) else projects
            run_options = RunOptions(chosen, full="a resync")
            report, _ = run_pass(own, run_options, self._stop, self._observer)
        except CosUpdateError as error:
            self._observer.pass_failed(error)
            raise
        self._in_part = self._in_part + 1 if report.is_unanswered else 0
        self._again_at = time.monotonic() + AGAIN.after(self._in_part) if self._in_part else math.inf
        if request is not None and not self._in_part and not self._stop.is_set():
            own.store.clear_resync(request)
        self._observer.pass_ends(report)
