"""A failure that goes on is logged once, then now and then how often it occurred, and at last that it is over.

Apart from the loggers, since what repeats is known only to whoever tries again.
"""

from __future__ import annotations

import logging
import re
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime

from cos_update.observability.facts import Facts, extra


@dataclass(slots=True)
class _Streak:
    """One failure that goes on: since when, how often, when it is to be logged again, and in which words it was."""

    since: float
    pause: float
    due: float
    count: int = 0
    wordings: set[str] = field(default_factory=set)


class RepeatSuppressor:
    """Logs a failure that goes on once, now and then how often it occurred, at once what is new about it, and its end.

    All other occurrences are logged at DEBUG. Any thread may call.
    """

    FIRST_PAUSE = 600.0
    LONGEST_PAUSE = 3600.0
    MOST = 10_000
    """How many failures are tracked; beyond, those that began first are forgotten, and logged as new."""
    MOST_SAID = 20
    """Wordings of one failure that are known again, for those that change to and fro."""

    def __init__(self, logger: logging.Logger, clock: Callable[[], float] = time.time) -> None:
        self._logger = logger
        self._clock = clock
        self._streaks: dict[str, _Streak] = {}
        self._lock = threading.Lock()

    def failed(
        self,
        key: str,
        message: str,
        *about: object,
        level: int = logging.WARNING,
        logger: logging.Logger | None = None,
        facts: Facts | None = None,
    ) -> None:
        """Counts the failure `key`, and logs it if it is time to or if it says something new.

        `message` is a format and `about` its arguments, as loggers take them; `facts` get the count as `attempt`.
        """
        suffix, count = self._failed(key, _PASSING.sub("#", message % about))
        into, more = logger or self._logger, extra({**(facts or {}), "attempt": count})
        if suffix is None:
            into.debug(f"{message} (still so)", *about, extra=more)
        else:
            into.log(level, f"{message}%s", *about, suffix, extra=more)

    def over(
        self, key: str, message: str, *, level: int = logging.WARNING, logger: logging.Logger | None = None
    ) -> None:
        """Ends the failure `key`, if it was one: logs `message` ("Cinder could not be read") with how often it was."""
        with self._lock:
            streak = self._streaks.pop(key, None)
        if streak is not None:
            times = "once" if streak.count == 1 else f"{streak.count} times"
            (logger or self._logger).log(level, "%s: over after %s", message, times)

    def _failed(self, key: str, wording: str) -> tuple[str | None, int]:
        """What is to be said behind the message (None: nothing is to be said), and how often it has failed in a row."""
        now = self._clock()
        with self._lock:
            streak = self._streaks.get(key)
            if streak is None:
                if len(self._streaks) >= self.MOST:
                    del self._streaks[next(iter(self._streaks))]
                streak = self._streaks[key] = _Streak(now, self.FIRST_PAUSE, now + self.FIRST_PAUSE)
            streak.count += 1
            if wording not in streak.wordings:
                if len(streak.wordings) >= self.MOST_SAID:
                    streak.wordings.clear()
                streak.wordings.add(wording)
                return "", streak.count
            if now < streak.due:
                return None, streak.count
            streak.pause = min(streak.pause * 2, self.LONGEST_PAUSE)
            streak.due = now + streak.pause
            return f" (still so, {streak.count} times since {_clock_time(streak.since, now)})", streak.count


_PASSING = re.compile(r"\b[0-9a-f]{8,}(?:-[0-9a-f]+)*\b|\d+\.\d+", re.I)
"""Ids of requests and seconds: what differs between two times of the same failure, and is nothing new."""


def _clock_time(moment: float, now: float) -> str:
    """The UTC time of day, with the date when it was another day."""
    then = datetime.fromtimestamp(moment, UTC)
    today = datetime.fromtimestamp(now, UTC).date() == then.date()
    return then.strftime("%H:%M" if today else "%Y-%m-%d %H:%M")
