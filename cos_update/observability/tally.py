"""Logs many events of few kinds: the first of each kind in full, the others as counts."""

from __future__ import annotations

import logging
import threading
import time
from collections import Counter
from collections.abc import Callable


class Tally:
    """Logs the first event of each kind at once, and the others as counts; `what` names them ("messages").

    Thread-safe. Events that are only counted are logged at DEBUG.
    """

    FIRST_PAUSE = 60.0
    LONGEST_PAUSE = 3600.0
    """Seconds between two counts; the interval doubles each time, until one passes without events."""
    MOST = 20
    """Maximum number of kinds; further ones are counted as a single kind."""
    _OTHERS = "others"

    def __init__(self, logger: logging.Logger, what: str, clock: Callable[[], float] = time.monotonic) -> None:
        self._logger = logger
        self._what = what
        self._clock = clock
        self._lock = threading.Lock()
        self._known: set[str] = set()
        self._unsaid: Counter[str] = Counter()
        self._pause = self.FIRST_PAUSE
        self._due = 0.0

    def note(
        self, kind: str, message: str, *about: object, level: int = logging.WARNING, exc_info: bool = False
    ) -> None:
        """Records one event; `message`, `about` and `exc_info` are a logger's arguments."""
        with self._lock:
            kind = kind if kind in self._known or len(self._known) < self.MOST else self._OTHERS
            is_first = kind not in self._known
            self._known.add(kind)
            if not is_first:
                if not self._unsaid:
                    self._due = max(self._due, self._clock() + self._pause)
                self._unsaid[kind] += 1
        self._logger.log(level if is_first else logging.DEBUG, message, *about, exc_info=exc_info and is_first)

    def report(self, *, at_once: bool = False) -> None:
        """Logs the counts, if due or `at_once`. Call it every few seconds."""
        now = self._clock()
        with self._lock:
            if not at_once and now < self._due:
                return
            if not self._unsaid:
                self._pause = self.FIRST_PAUSE
                return
            counts, self._unsaid = self._unsaid, Counter()
            self._pause = min(self._pause * 2, self.LONGEST_PAUSE)
            self._due = now + self._pause
        kinds = "; ".join(f"{count} of them: {kind}" for kind, count in counts.most_common())
        self._logger.warning("%d more %s: %s", counts.total(), self._what, kinds)
