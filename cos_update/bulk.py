"""The bulk update: one pass, or one pass after another for ever."""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable

from cos_update.core.outcome import Report
from cos_update.model.errors import CosUpdateError, ViewError
from cos_update.pipeline import Order, Tools, run_pass

log = logging.getLogger("cos_update.bulk")

RESYNC_LOOK = 15.0
"""Seconds between two looks for a resync request."""


def run_forever(
    tools: Tools,
    order: Order,
    stop: threading.Event,
    interval: float,
    begin: Callable[[], str],
) -> None:
    """Passes that begin every `interval` seconds, at once when the last took longer, or when a resync is asked for.

    A failed pass is reported, and the next one comes. Ends when `stop` is set; `begin` gives each pass its request id.
    """
    while not stop.is_set():
        began = time.monotonic()
        tools.cloud.request_id = begin()
        _one(tools, order, stop)
        due = began + interval
        if (late := time.monotonic() - due) > 0 and not stop.is_set():
            log.warning("the pass took %.1f s longer than the interval of %g s", late, interval)
        _wait(tools, stop, due)


def _one(tools: Tools, order: Order, stop: threading.Event) -> None:
    log.info("pass begins")
    try:
        request = tools.store.resync()
        report, _ = run_pass(tools, order, stop)
        if request is not None and not stop.is_set():
            tools.store.clear_resync(request)
        tell(report)
    except CosUpdateError as error:
        log.error("pass failed: %s %s", error, error.hint)


def tell(report: Report) -> None:
    """One line for the pass in the log, and one for each thing that was left alone."""
    for notice in report.notices:
        level = logging.WARNING if notice.leaves_work else logging.INFO
        log.log(level, "%s %s: %s", notice.target, notice.name, notice.text)
    log.info("pass ends: %s", report)


def _wait(tools: Tools, stop: threading.Event, due: float) -> None:
    while not stop.is_set() and (left := due - time.monotonic()) > 0:
        stop.wait(min(left, RESYNC_LOOK))
        try:
            if tools.store.resync() is not None:
                return
        except ViewError as error:
            log.warning("%s", error)
