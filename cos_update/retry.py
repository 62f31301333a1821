"""When to retry: exponential backoff with jitter, and Retry-After.

Below all packages that talk to servers, so that OpenStack, Concertim, the broker and the work queue share one backoff
and one parser of Retry-After. They decide what to retry, and how often.
"""

from __future__ import annotations

import math
import random
from dataclasses import dataclass
from datetime import UTC
from email.utils import parsedate_to_datetime

_LARGEST_EXPONENT = 60
"""Limits the exponent, so that the delay does not overflow."""


@dataclass(frozen=True, slots=True)
class Backoff:
    """Delays in seconds: `first` after one failure, doubled with each consecutive one, at most `longest`."""

    first: float
    longest: float

    def after(self, failures: int) -> float:
        """The delay after this many consecutive failures, from 1."""
        return min(self.longest, self.first * 2.0 ** min(failures - 1, _LARGEST_EXPONENT))

    def scattered(self, failures: int) -> float:
        """As `after`, reduced by up to half at random, so that waiting clients do not all return at once."""
        return self.after(failures) * random.uniform(0.5, 1.0)  # noqa: S311 - not for security


def retry_after(header: str, now: float) -> float:
    """The seconds that a Retry-After header asks for at `now` (Unix time); 0 if it is invalid.

    Accepts both of HTTP's formats, seconds and dates (RFC 9110, 10.2.3); a date without a zone is GMT.
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
