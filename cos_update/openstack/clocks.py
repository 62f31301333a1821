"""The services' clock times at the start of a reading, from the Date headers of their responses."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Mapping
from email.utils import parsedate_to_datetime


class ServiceClocks:
    """Records the time of every response in a reading. Thread-safe.

    Subtracts from each time how long the reading had taken by then, by our own clock. Of a service's responses the
    earliest counts, since its hosts' clocks may differ.
    """

    def __init__(self, monotonic: Callable[[], float] = time.monotonic) -> None:
        self._monotonic = monotonic
        self._lock = threading.Lock()
        self._began = monotonic()
        self._at: dict[str, float] = {}

    def begin(self) -> None:
        """Starts a new reading."""
        with self._lock:
            self._began = self._monotonic()
            self._at = {}

    def note(self, service: str, date: str | None) -> None:
        """Records the Date header of a service's response."""
        try:
            moment = parsedate_to_datetime(date or "").timestamp()
        except ValueError:
            return
        with self._lock:
            time_ = moment - (self._monotonic() - self._began)
            self._at[service] = min(time_, self._at.get(service, time_))

    def at_the_beginning(self) -> Mapping[str, float]:
        """Service -> Unix time at the start of the reading, without services that send no valid Date header."""
        with self._lock:
            return dict(self._at)
