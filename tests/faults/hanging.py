"""The real program with all threads of one name hanging: `python hanging.py NAME CALLS MARK ARGUMENT...`.

A thread whose name begins with NAME hangs at its call number CALLS of a function of ours (of one called FUNCTION, when
NAME is NAME:FUNCTION), with every lock that it holds then, and in a way that no signal and no exception gets it out of.
The file MARK is made at that moment.
"""

from __future__ import annotations

import ctypes
import sys
import threading
from pathlib import Path
from types import FrameType
from typing import Any

NAME, _, FUNCTION = sys.argv[1].partition(":")
CALLS, MARK = int(sys.argv[2]), Path(sys.argv[3])
OURS = str(Path(__file__).parents[2] / "cos_update")
local = threading.local()


def hang() -> None:
    MARK.touch()
    libc = ctypes.CDLL(None)
    mutex = ctypes.create_string_buffer(256)
    while True:
        libc.pthread_mutex_lock(mutex)


def profile(frame: FrameType, event: str, _: Any) -> None:
    if event != "call" or not frame.f_code.co_filename.startswith(OURS):
        return
    if FUNCTION and frame.f_code.co_name != FUNCTION:
        return
    if not threading.current_thread().name.startswith(NAME):
        return
    local.calls = getattr(local, "calls", 0) + 1
    if local.calls == CALLS:
        sys.setprofile(None)
        hang()


threading.setprofile(profile)
if NAME == "MainThread":
    sys.setprofile(profile)

from cos_update.cli.main import main  # noqa: E402

main(sys.argv[4:])
