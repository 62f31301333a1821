"""Runs work in its own thread, so that the main thread can stop waiting: on a signal, or when nothing moves."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from concurrent.futures import Future
from concurrent.futures import wait as wait_for
from typing import TypeVar

from cos_update.cli.stop import Stop
from cos_update.model.errors import CosUpdateError
from cos_update.observability.threads import log_threads
from cos_update.sync.daemon import stuck_after
from cos_update.sync.services import Services

LOOK = 0.25
"""Seconds between two checks whether to keep waiting."""
GRACE = 0.5
"""Seconds for work that is not posting to end by itself."""

T = TypeVar("T")


class StoppedError(Exception):
    """The work was told to stop and did not end in time; `is_amid` if it was still posting."""

    def __init__(self, *, is_amid: bool) -> None:
        super().__init__()
        self.is_amid = is_amid


class StalledError(CosUpdateError):
    """Nothing has moved for longer than any request may take."""


def supervised(work: Callable[[], T], stop: Stop, services: Services) -> T:
    """The result of `work`. Raises what it raises, StoppedError, or StalledError.

    Once `stop` is set, work that is posting has the shutdown timeout to finish, other work just a moment.
    """
    done: Future[T] = Future()

    def run() -> None:
        try:
            done.set_result(work())
        except BaseException as error:
            done.set_exception(error)

    threading.Thread(target=run, name="pass", daemon=True).start()
    watch = _Watch(stop, services)
    while not wait_for([done], LOOK).done:
        watch.look()
    return done.result()


class _Watch:
    """Decides whether to keep waiting."""

    def __init__(self, stop: Stop, services: Services) -> None:
        self._stop = stop
        self._services = services
        self._stuck_after = stuck_after(services)
        self._signs: object = None
        self._moved = time.monotonic()
        self._stopped: float | None = None

    def look(self) -> None:
        """Raises StoppedError or StalledError to end the wait."""
        now = time.monotonic()
        if self._stop.is_set():
            self._stopped = self._stopped or now
            is_amid = bool(self._services.in_hand)
            if now - self._stopped >= (self._services.settings.shutdown_timeout if is_amid else GRACE):
                raise StoppedError(is_amid=is_amid)
            return
        signs = (self._services.cloud.sessions.requests, self._services.concertim.counts, self._stop.events)
        if signs != self._signs:
            self._signs, self._moved = signs, now
        if self._stop.is_resting:
            self._moved = now
        if now - self._moved >= self._stuck_after:
            # The hung thread may hold a lock that logging here needs.
            self._stop.arm()
            log_threads(f"nothing has moved for {now - self._moved:.0f} s")
            raise StalledError(
                f"Nothing has moved for {now - self._moved:.0f} s: something hangs.",
                "The log has the stacks of all threads; please report this.",
            )
