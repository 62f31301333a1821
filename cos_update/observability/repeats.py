"""Logs a persistent failure once, then occasionally how often it has occurred, and finally that it is over.

Separate from the loggers, since only the code that retries knows what a repetition is.
"""

from __future__ import annotations

import logging
import re
import threading
import time
import traceback
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime

from cos_update.model.errors import CosUpdateError
from cos_update.observability.facts import Facts, extra


@dataclass(slots=True)
class _Streak:
    """A persistent failure: since when, how often, when to log it again, and the wordings so far."""

    since: float
    pause: float
    due: float
    count: int = 0
    wordings: set[str] = field(default_factory=set)


class RepeatSuppressor:
    """Logs a persistent failure once, occasionally its count, immediately any new wording, and its end.

    All other occurrences are logged at DEBUG. Thread-safe.
    """

    FIRST_PAUSE = 600.0
    LONGEST_PAUSE = 3600.0
    MOST = 10_000
    """Maximum number of tracked failures; beyond it the oldest are forgotten, and logged as new when they recur."""
    MOST_SAID = 20
    """Maximum number of remembered wordings of one failure, for failures that alternate between several."""

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
        """Counts the failure `key`, and logs it if it is due or has a new wording.

        `message` and `about` are a logger's format and arguments; the count is added to `facts` as `attempt`.
        """
        suffix, count = self._failed(key, _PASSING.sub("#", message % about))
        into, more = logger or self._logger, extra({**(facts or {}), "attempt": count})
        if suffix is None:
            into.debug(f"{message} (still so)", *about, extra=more)
        else:
            into.log(level, f"{message}%s", *about, suffix, extra=more)

    def attempt(self, key: str, task: Callable[[], object], bug: str, over: str) -> None:
        """Runs a task that is tried again later, and logs its failure; never raises.

        An error of ours is logged with its hint, any other with `bug` and its traceback; `over` is as in `over`.
        """
        try:
            task()
        except CosUpdateError as error:
            self.failed(key, "%s %s", error, error.hint)
        except Exception:
            self.failed(key, "%s: %s", bug, traceback.format_exc(), level=logging.ERROR)
        else:
            self.over(key, over)

    def over(
        self, key: str, message: str, *, level: int = logging.WARNING, logger: logging.Logger | None = None
    ) -> None:
        """Ends the failure `key`, if there was one: logs `message` ("Cinder could not be read") with its count."""
        with self._lock:
            streak = self._streaks.pop(key, None)
        if streak is not None:
            times = "once" if streak.count == 1 else f"{streak.count} times"
            (logger or self._logger).log(level, "%s: over after %s", message, times)

    def _failed(self, key: str, wording: str) -> tuple[str | None, int]:
        """The suffix of the message (None: do not log), and the number of consecutive failures."""
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
"""Request ids and seconds, which differ between occurrences of the same failure without being news."""


def _clock_time(moment: float, now: float) -> str:
    """The UTC time of day, with the date if it is not today."""
    then = datetime.fromtimestamp(moment, UTC)
    today = datetime.fromtimestamp(now, UTC).date() == then.date()
    return then.strftime("%H:%M" if today else "%Y-%m-%d %H:%M")
