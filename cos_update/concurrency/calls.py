"""Calls with a deadline: each is made in a thread that may be left behind when the call does not end.

Timeouts of sockets end no answer that comes byte by byte, no resolver that sleeps, and no library that waits for
itself.
"""

from __future__ import annotations

import threading
from collections.abc import Callable
from queue import Empty, SimpleQueue
from typing import Any, Generic, TypeVar

IDLE = 30.0
"""Seconds for which a thread without a call is kept for the next one."""
TURNS = 10
"""A call waits for its turn as long as so many calls before it may take."""

T = TypeVar("T")


class CallTimeoutError(Exception):
    """The call has not ended in time, or was not begun; the message says which. Nobody hears of a later end."""


class Calls:
    """Makes calls for any thread, at most `at_once` at a time. Its own threads never keep a process from its end.

    Twice as many may be left behind: as long as they hang, no further call is begun.
    """

    def __init__(self, name: str, at_once: int) -> None:
        self._name = name
        self._turns = threading.BoundedSemaphore(max(at_once, 1))
        self._most_left = 2 * max(at_once, 1)
        self._lock = threading.Lock()
        self._waiting: SimpleQueue[_Call[Any] | None] = SimpleQueue()
        self._idle = self._begun = self._left = 0
        self._is_closed = False

    @property
    def left(self) -> int:
        """Calls that were left behind and have not ended yet."""
        return self._left

    def __call__(self, function: Callable[[], T], timeout: float) -> T:
        """What `function` gives or raises. Raises CallTimeoutError when it does not end within `timeout` seconds."""
        if self._left >= self._most_left:
            raise CallTimeoutError(f"{self._left} calls before it hang")
        if not self._turns.acquire(timeout=TURNS * timeout):
            raise CallTimeoutError(f"its turn did not come within {TURNS * timeout:g} s")
        try:
            call = _Call(function)
            self._begin(call)
            if not call.ended.acquire(timeout=timeout) and self._leave(call):
                raise CallTimeoutError(f"no end within {timeout:g} s")
        finally:
            self._turns.release()
        return call.result()

    def close(self) -> None:
        """Ends the threads that have no call at once, and the others with theirs. A later call is made all the same."""
        with self._lock:
            self._is_closed = True
            for _ in range(self._idle):
                self._waiting.put(None)
            self._idle = 0

    def _begin(self, call: _Call[T]) -> None:
        with self._lock:
            self._waiting.put(call)
            if self._idle:
                self._idle -= 1
                return
            self._begun += 1
            name = f"{self._name}_{self._begun}"
        threading.Thread(target=self._work, name=name, daemon=True).start()

    def _leave(self, call: _Call[T]) -> bool:
        """Leaves a call behind, unless it has ended in this very moment."""
        with self._lock:
            call.is_left = not call.has_ended
            self._left += call.is_left
            return call.is_left

    def _work(self) -> None:
        while True:
            try:
                call = self._waiting.get(timeout=IDLE)
            except Empty:
                with self._lock:
                    if self._idle:
                        self._idle -= 1
                        return
                continue
            if call is None:
                return
            call.run()
            with self._lock:
                call.has_ended = True
                self._left -= call.is_left
                is_over = self._is_closed
                self._idle += not is_over
            call.ended.release()
            if is_over:
                return
            del call


class _Call(Generic[T]):
    """One call and what came of it."""

    __slots__ = ("_error", "_function", "_value", "ended", "has_ended", "is_left")

    def __init__(self, function: Callable[[], T]) -> None:
        self._function: Callable[[], T] | None = function
        self._error: BaseException | None = None
        self._value: T
        self.has_ended = self.is_left = False
        self.ended = threading.Lock()
        self.ended.acquire()

    def run(self) -> None:
        """Makes the call."""
        assert self._function is not None
        try:
            self._value = self._function()
        except BaseException as error:
            # Raised again elsewhere it would get another context in the place of its own.
            error.__cause__ = error.__cause__ or error.__context__
            self._error = error
        self._function = None

    def result(self) -> T:
        """What the call gave; raises what it raised."""
        if self._error is not None:
            context = self._error.__context__
            try:
                raise self._error
            finally:
                # Raised while another error is handled it would forget what it was made from.
                self._error.__context__ = context
        return self._value
