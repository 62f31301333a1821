"""Retries with backoff, up to a maximum number, and not after the client is closed."""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable
from typing import TypeVar

from cos_update.concertim.transport import TransientError
from cos_update.model.errors import Unavailable
from cos_update.retry import Backoff

BACKOFF = Backoff(0.5, 10.0)
LONGEST_WAIT = 60.0
"""The maximum Retry-After in seconds that we wait for."""

log = logging.getLogger(__name__)
T = TypeVar("T")


class RetryPolicy:
    """`retries` is the maximum number of retries of a request."""

    def __init__(self, retries: int) -> None:
        self._retries = max(retries, 0)
        self._ended = threading.Event()

    def end(self) -> None:
        """Wakes waiting calls and disables retries from now on."""
        self._ended.set()

    def call(self, attempt: Callable[[], T], *, repeatable: bool = True) -> T:
        """The result of `attempt`, which is retried when it raises TransientError.

        Raises Unavailable after the last attempt. One that is not `repeatable` is retried only if the app certainly did
        not process it; else its TransientError is passed on.
        """
        number = 0
        while True:
            try:
                return attempt()
            except TransientError as trouble:
                if trouble.sent and not repeatable:
                    raise
                number += 1
                if number > self._retries or not self.pause(number, trouble):
                    raise given_up(trouble, number) from None

    def pause(self, number: int, trouble: TransientError) -> bool:
        """Waits after attempt `number`, as long as the app asked for or else with exponential backoff and jitter.

        Returns False at once if the app asked for too long a wait, or the client was closed.
        """
        if trouble.retry_after > LONGEST_WAIT:
            return False
        wait = max(BACKOFF.scattered(number), trouble.retry_after)
        log.info("%s; again in %.1f s", trouble, wait)
        return not self._ended.wait(wait)


def given_up(trouble: TransientError, tries: int) -> Unavailable:
    """The error for people when there are no more retries."""
    tried = f"; tried {tries} times" if tries > 1 else ""
    return Unavailable(f"{trouble}{tried}", "Check that the app is running and can be reached.", trouble.status)
