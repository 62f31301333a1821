"""Logs the stacks of all threads, to diagnose a process that makes no progress."""

from __future__ import annotations

import logging
import sys
import threading
from collections.abc import Iterator
from types import FrameType

from cos_update.observability.log_handlers import LogFile

_log = logging.getLogger("cos_update.threads")
_DEEPEST = 60
"""Maximum number of frames per thread."""


def log_threads(why: str) -> None:
    """Logs one line for each thread, whatever the log level: its name and stack, without values of variables."""
    logged = [handler.level for handler in logging.getLogger().handlers if isinstance(handler, LogFile)]
    level = max([logging.WARNING, *logged])
    lines = list(_states())
    _log.log(level, "state of %d threads (%s):", len(lines), why)
    for line in lines:
        _log.log(level, "%s", line)


def _states() -> Iterator[str]:
    frames = sys._current_frames()
    for thread in sorted(threading.enumerate(), key=lambda thread: thread.name):
        frame = frames.get(thread.ident or 0)
        if frame is not None and thread is not threading.current_thread():
            yield f"thread {thread.name}: {' < '.join(_stack(frame))}"


def _stack(frame: FrameType | None) -> Iterator[str]:
    """The active functions with their lines, innermost first."""
    for _ in range(_DEEPEST):
        if frame is None:
            return
        yield f"{frame.f_globals.get('__name__', '?')}.{frame.f_code.co_qualname}:{frame.f_lineno}"
        frame = frame.f_back
