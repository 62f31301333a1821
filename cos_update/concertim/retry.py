"""Trying again: a bounded number of times, ever more slowly, and not once the client is closed."""

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
"""Whoever asks us to come back (Retry-After) later than this many seconds is not waited for."""

log = logging.getLogger(__name__)
T = TypeVar("T")


class RetryPolicy:
    """`retries` is how often a request is tried again."""

    def __init__(self, retries: int) -> None:
        self._retries = max(retries, 0)
        self._ended = threading.Event()

    def end(self) -> None:
        """Wakes whoever waits; from now on nothing is tried again."""
        self._ended.set()

    def call(self, attempt: Callable[[], T], *, repeatable: bool = True) -> T:
        """What `attempt` gives, tried again whenever it raises TransientError.

        Raises Unavailable when the tries are used up. One that is not `repeatable` is tried again only when the app
        certainly did not act on it; else its TransientError is raised as it is.
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
        """Waits after try `number`, as long as the app asked for or else a random while around the doubled wait.

        False, at once, when it asked for too long, or when the client was closed.
        """
        if trouble.retry_after > LONGEST_WAIT:
            return False
        wait = max(BACKOFF.scattered(number), trouble.retry_after)
        log.info("%s; again in %.1f s", trouble, wait)
        return not self._ended.wait(wait)


def given_up(trouble: TransientError, tries: int) -> Unavailable:
    """The error that a person reads when no further try is made."""
    tried = f"; tried {tries} times" if tries > 1 else ""
    return Unavailable(f"{trouble}{tried}", "Check that the app is running and can be reached.", trouble.status)
