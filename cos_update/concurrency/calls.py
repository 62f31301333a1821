"""Calls with a deadline: each runs in a thread that is abandoned if the call does not end.

Socket timeouts do not end a response that trickles in byte by byte, a hanging resolver, or a deadlock in a library.
"""

from __future__ import annotations

import threading
from collections.abc import Callable
from queue import Empty, SimpleQueue
from typing import Any, Generic, TypeVar

IDLE = 30.0
"""Seconds to keep an idle thread for the next call."""
TURNS = 10
"""How many call timeouts a call waits for a free thread."""

T = TypeVar("T")


class CallTimeoutError(Exception):
    """The call has not ended in time, or has not started; the message says which. A later result is discarded."""


class Calls:
    """Makes calls for any thread, at most `at_once` at a time. Its threads are daemons, so they never delay exit.

    Up to twice as many may be abandoned: while that many hang, no further call starts.
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
        """The number of abandoned calls that still run."""
        return self._left

    def __call__(self, function: Callable[[], T], timeout: float) -> T:
        """The result of `function`. Raises what it raises, or CallTimeoutError after `timeout` seconds."""
        if self._left >= self._most_left:
            raise CallTimeoutError(f"{self._left} earlier calls hang")
        if not self._turns.acquire(timeout=TURNS * timeout):
            raise CallTimeoutError(f"no free thread within {TURNS * timeout:g} s")
        try:
            call = _Call(function)
            self._begin(call)
            if not call.ended.acquire(timeout=timeout) and self._leave(call):
                raise CallTimeoutError(f"no result within {timeout:g} s")
        finally:
            self._turns.release()
        return call.result()

    def close(self) -> None:
        """Ends idle threads now and the others after their calls. Later calls still work."""
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
        """Abandons a call, unless it has just ended."""
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
    """One call and its result."""

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
            # Re-raising it in another thread would replace its context.
            error.__cause__ = error.__cause__ or error.__context__
            self._error = error
        self._function = None

    def result(self) -> T:
        """The result of the call; raises what it raised."""
        if self._error is not None:
            context = self._error.__context__
            try:
                raise self._error
            finally:
                # Raising it while another error is handled would replace its original context.
                self._error.__context__ = context
        return self._value
