"""The bulk update for ever: one pass after another, and what the daemon's heartbeat says of them."""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable

from cos_update.model.errors import CosUpdateError, ViewError
from cos_update.observability.heartbeat import Pulse, moment
from cos_update.observability.logs import Repeated, hidden
from cos_update.observability.observer import DaemonPulse, Watcher
from cos_update.planning.report import ExitCode, Report
from cos_update.sync.reconciler import Order, Tools, run_pass

log = logging.getLogger("cos_update.bulk")

RESYNC_LOOK = 15.0
"""Seconds between two looks for a resync request."""
_FAILED = 1
"""The exit code that `bulk --once` would have had."""
STILL = 600.0
"""Seconds that a pass may go without a request, besides waiting for an answer: it compares, or waits for a rack."""


def run_forever(
    tools: Tools,
    order: Order,
    stop: threading.Event,
    interval: float,
    begin: Callable[[], str],
    watcher: Watcher,
) -> None:
    """Passes that begin every `interval` seconds, at once when the last took longer, or when a resync is asked for.

    A failed pass is reported, and the next one comes. Ends when `stop` is set; `begin` gives each pass its request id.
    """
    repeated = Repeated(log)
    while not stop.is_set():
        began = time.monotonic()
        tools.cloud.request_id = begin()
        _one(tools, order, stop, watcher)
        due = began + interval
        late = time.monotonic() - due
        watcher.next_pass(time.time() + max(0.0, -late))
        if stop.is_set():
            return
        if late > 0:
            repeated.failed("late", "the pass took %.1f s longer than the interval of %g s", late, interval)
        else:
            repeated.over("late", "passes longer than the interval")
        _wait(tools, stop, due, repeated)


def _one(tools: Tools, order: Order, stop: threading.Event, watcher: Watcher) -> None:
    watcher.pass_begins()
    try:
        request = tools.store.resync()
        report, _ = run_pass(tools, order, stop, watcher)
        if request is not None and not stop.is_set():
            tools.store.clear_resync(request)
        watcher.pass_ends(report)
    except CosUpdateError as error:
        watcher.pass_failed(error)


def _wait(tools: Tools, stop: threading.Event, due: float, repeated: Repeated) -> None:
    while not stop.is_set() and (left := due - time.monotonic()) > 0:
        stop.wait(min(left, RESYNC_LOOK))
        try:
            if tools.store.resync() is not None:
                return
        except ViewError as error:
            repeated.failed("resync", "%s", error)
        else:
            repeated.over("resync", "looking for requests that failed")


_WORDS = {ExitCode.DONE: "done", ExitCode.IN_PART: "done in part", ExitCode.HELD_BACK: "removals held back"}


class BulkPulse(DaemonPulse):
    """What the heartbeat of the daemon says: whether a pass is under way, and what became of the last one.

    Every request to either side is a sign of life; between passes nothing is due.
    """

    def __init__(self, tools: Tools, interval: float, clock: Callable[[], float] = time.monotonic) -> None:
        self._tools = tools
        self._interval = interval
        self._clock = clock
        sides = (tools.settings.openstack, tools.concertim_settings)
        self._patience = max(side.timeout for side in sides if side) + STILL
        self._requests: object = None
        self._moved = clock()
        self._began: float | None = None
        self._due: float | None = None
        self._ended: float | None = None
        self._exit_code: int | None = None
        self._last = ""

    def pass_begins(self) -> None:
        """Notes when."""
        self._moved = self._clock()
        self._began, self._due = time.time(), None

    def pass_ends(self, report: Report) -> None:
        """Notes the result."""
        self._end(f"{_WORDS[report.exit_code]}: {report}", int(report.exit_code))

    def pass_failed(self, error: CosUpdateError) -> None:
        """Notes why."""
        self._end(f"failed: {hidden(str(error))}", _FAILED)

    def next_pass(self, due: float) -> None:
        """Notes when it is due."""
        self._moved = self._clock() + max(0.0, due - time.time())
        self._due = due

    def collect(self) -> Pulse:
        """The pulse of this moment."""
        requests = (self._tools.cloud.sessions.requests, self._tools.concertim.counts)
        if requests != self._requests:
            self._requests = requests
            self._moved = max(self._moved, self._clock())
        return Pulse(
            text=self._text(),
            idle=max(0.0, self._clock() - self._moved),
            patience=self._patience,
            details={
                "interval": self._interval,
                "pass_began": self._began,
                "pass_ended": self._ended,
                "exit_code": self._exit_code,
                "result": self._last,
                "next_pass": self._due,
            },
        )

    def _end(self, result: str, exit_code: int) -> None:
        self._ended = time.time()
        self._last, self._exit_code = result, exit_code

    def _text(self) -> str:
        now = "a pass is under way"
        if self._due is not None:
            now = f"next pass at {moment(self._due)}"
        elif self._began is not None:
            now += f" since {moment(self._began)}"
        return f"{now}; the last one ended at {moment(self._ended)}, {self._last}" if self._ended else now
