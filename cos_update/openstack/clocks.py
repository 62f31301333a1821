"""What the services' own clocks said when a reading began, by the header Date of their answers."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Mapping
from email.utils import parsedate_to_datetime


class ServiceClocks:
    """Takes note of every answer of a reading. Thread-safe.

    The time of an answer is put back by as long as the reading had taken until then, which our own clock measures; of
    several answers of a service (of several hosts, whose clocks differ) the earliest counts.
    """

    def __init__(self, monotonic: Callable[[], float] = time.monotonic) -> None:
        self._monotonic = monotonic
        self._lock = threading.Lock()
        self._began = monotonic()
        self._at: dict[str, float] = {}

    def begin(self) -> None:
        """A reading begins."""
        with self._lock:
            self._began = self._monotonic()
            self._at = {}

    def note(self, service: str, date: str | None) -> None:
        """An answer of a service, with its header Date."""
        try:
            moment = parsedate_to_datetime(date or "").timestamp()
        except ValueError:
            return
        with self._lock:
            time_ = moment - (self._monotonic() - self._began)
            self._at[service] = min(time_, self._at.get(service, time_))

    def at_the_beginning(self) -> Mapping[str, float]:
        """By service the Unix time at which the reading began; those that do not tell the time are not in it."""
        with self._lock:
            return dict(self._at)
