"""When to try again: after waits that double, scattered by chance, and not before the other side wants to be asked.

Below every room that speaks with somebody, so that one rule of backoff and one reading of Retry-After serve OpenStack,
Concertim, the broker and the work queue. What is tried again, and how often, is decided there.
"""

from __future__ import annotations

import math
import random
from dataclasses import dataclass
from datetime import UTC
from email.utils import parsedate_to_datetime

_LARGEST_EXPONENT = 60
"""Keeps the doubling within what a float holds, however often something has failed."""


@dataclass(frozen=True, slots=True)
class Backoff:
    """Waits in seconds: `first` after one failure, doubled with each further one in a row, `longest` at most."""

    first: float
    longest: float

    def after(self, failures: int) -> float:
        """The wait after so many failures in a row, from 1."""
        return min(self.longest, self.first * 2.0 ** min(failures - 1, _LARGEST_EXPONENT))

    def scattered(self, failures: int) -> float:
        """As `after`, less up to half by chance: of many who wait not all come back at once."""
        return self.after(failures) * random.uniform(0.5, 1.0)  # noqa: S311 - spreads the load, guards nothing


def retry_after(header: str, now: float) -> float:
    """The seconds that a Retry-After asks for at `now` (Unix time); 0 when it asks for nothing that can be understood.

    Both forms that HTTP has for it are read, seconds and dates (RFC 9110, 10.2.3); a date without a zone is GMT.
    """
    try:
        seconds = float(header)
    except ValueError:
        try:
            moment = parsedate_to_datetime(header)
            seconds = moment.replace(tzinfo=moment.tzinfo or UTC).timestamp() - now
        except (ValueError, OverflowError):
            return 0.0
    return seconds if math.isfinite(seconds) and seconds > 0 else 0.0
