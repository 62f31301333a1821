"""The bulk daemon: runs passes continuously, and reports them in its heartbeat."""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable, Mapping
from dataclasses import replace

from cos_update.model.errors import CosUpdateError, ViewError
from cos_update.model.exit_codes import ExitCode
from cos_update.observability.heartbeat import STALE_AFTER, DaemonStatus, moment
from cos_update.observability.observer import Observer, ObserverGroup, StatusObserver
from cos_update.observability.redaction import hidden
from cos_update.observability.repeats import RepeatSuppressor
from cos_update.planning.report import Report
from cos_update.sync.reconciler import run_pass
from cos_update.sync.services import RunOptions, Services
from cos_update.sync.sharing import Fitness, details, epochs, figures, granted, standing_by

log = logging.getLogger("cos_update.bulk")

RESYNC_LOOK = 15.0
"""Seconds between two checks for a resync request."""
STALE = 3600.0
"""Seconds after which the last pass of a cron job counts as stale: few run it less than hourly."""
RELOAD_LOOK = 0.5
"""Seconds between two checks for a configuration reload."""
_FAILED = 1
"""The exit code of `bulk --once` in this case."""
STILL = 600.0
"""Seconds that a pass may spend without requests, besides waiting for responses: comparing, or waiting for a rack."""


def run_forever(
    services: Services,
    run_options: RunOptions,
    stop: threading.Event,
    interval: float,
    begin: Callable[[], str],
    observer: Observer,
    reload: threading.Event,
) -> None:
    """Starts a pass every `interval` seconds, at once if the last took longer, or if a resync is requested.

    A failed pass is reported, and the next one follows. Ends when `stop` is set, even during a pass, or between passes
    when `reload` is set; `begin` returns the request id for each pass.
    """
    repeats = RepeatSuppressor(log)
    is_posting = True
    fitness = Fitness(services)
    observer = ObserverGroup(observer, fitness)
    if services.site is not None:
        services.site.wait_ready()
    while not stop.is_set():
        began = time.monotonic()
        services.cloud.request_id = begin()
        under = epochs(services)
        with granted(services) as own:
            if own is not None:
                _one(own, run_options, stop, observer)
        if own is None:
            fitness.look()
        if own is None and is_posting:
            log.info("standing by: %s", standing_by(services))
        is_posting = own is not None
        due = began + interval
        late = time.monotonic() - due
        observer.next_pass(time.time() + max(0.0, -late))
        if stop.is_set() or reload.is_set():
            return
        if late > 0:
            repeats.failed("late", "the pass took %.1f s longer than the interval of %g s", late, interval)
        else:
            repeats.over("late", "passes longer than the interval")
        _wait(services, stop, reload, due, repeats, under)
        if reload.is_set():
            return


def _one(services: Services, run_options: RunOptions, stop: threading.Event, observer: Observer) -> None:
    observer.pass_begins()
    try:
        request = services.store.resync()
        if request is not None:
            run_options = replace(run_options, full="a resync was requested")
        report, _ = run_pass(services, run_options, stop, observer)
        if request is not None and not stop.is_set():
            services.store.clear_resync(request)
        observer.pass_ends(report)
    except CosUpdateError as error:
        observer.pass_failed(error)


def _wait(
    services: Services,
    stop: threading.Event,
    reload: threading.Event,
    due: float,
    repeats: RepeatSuppressor,
    under: Mapping[int, str],
) -> None:
    """Waits until the next pass is due; less if a resync is requested or a lease was taken that is not in `under`."""
    look = time.monotonic() + RESYNC_LOOK
    while not stop.is_set() and not reload.is_set() and (left := due - time.monotonic()) > 0:
        stop.wait(min(left, RELOAD_LOOK))
        if epochs(services).items() - under.items():
            return
        if time.monotonic() < look:
            continue
        look = time.monotonic() + RESYNC_LOOK
        try:
            if services.store.resync() is not None:
                return
        except ViewError as error:
            repeats.failed("resync", "%s", error)
        else:
            repeats.over("resync", "looking for requests that failed")


def stuck_after(services: Services) -> float:
    """Seconds without a request or an outcome after which a pass counts as hung."""
    sides = (services.settings.openstack, services.concertim_settings)
    return max(side.timeout for side in sides if side) + STILL


_WORDS = {ExitCode.DONE: "done", ExitCode.IN_PART: "done in part", ExitCode.HELD_BACK: "removals held back"}


class BulkStatus(StatusObserver):
    """The daemon's status in its heartbeat: whether a pass is running, and the result of the last one.

    Every request to either side is a sign of life; between passes nothing is due. Without an `interval` there is a
    single pass, which cron or a person repeats.
    """

    def __init__(self, services: Services, interval: float | None, clock: Callable[[], float] = time.monotonic) -> None:
        self._services = services
        self._interval = interval
        self._clock = clock
        self._stuck_after = stuck_after(services)
        self._requests: object = None
        self._moved = clock()
        self._began: float | None = None
        self._due: float | None = None
        self._ended: float | None = None
        self._exit_code: int | None = None
        self._last = ""

    def pass_begins(self) -> None:
        self._moved = self._clock()
        self._began, self._due = time.time(), None

    def pass_ends(self, report: Report) -> None:
        self._end(f"{_WORDS[report.exit_code]}: {report}", int(report.exit_code))

    def pass_failed(self, error: CosUpdateError) -> None:
        self._end(f"failed: {hidden(str(error))}", _FAILED)

    def next_pass(self, due: float) -> None:
        self._moved = self._clock() + max(0.0, due - time.time())
        self._due = due

    def collect(self) -> DaemonStatus:
        requests = (self._services.cloud.sessions.requests, self._services.concertim.counts)
        if requests != self._requests:
            self._requests = requests
            self._moved = max(self._moved, self._clock())
        return DaemonStatus(
            text=self._text(),
            idle=max(0.0, self._clock() - self._moved),
            stuck_after=self._stuck_after,
            details={
                "interval": self._interval,
                "pass_began": self._began,
                "pass_ended": self._ended,
                "exit_code": self._exit_code,
                "result": self._last,
                "next_pass": self._due,
                **({STALE_AFTER: STALE} if self._interval is None else {}),
                **details(self._services),
            },
        )

    def figures(self) -> Mapping[str, float]:
        return figures(self._services)

    def _end(self, result: str, exit_code: int) -> None:
        self._ended = time.time()
        self._last, self._exit_code = result, exit_code

    def _text(self) -> str:
        if self._interval is None and self._ended:
            return f"the last pass ended at {moment(self._ended)}, {self._last}"
        now = "a pass is running"
        if self._services.site is not None and not self._services.site.usable():
            now = f"standing by, {standing_by(self._services)}"
        elif self._due is not None:
            now = f"next pass at {moment(self._due)}"
        elif self._began is not None:
            now += f" since {moment(self._began)}"
        return f"{now}; the last one ended at {moment(self._ended)}, {self._last}" if self._ended else now
