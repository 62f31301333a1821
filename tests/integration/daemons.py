"""A daemon in a separate process, and waiting for its effects."""

from __future__ import annotations

import subprocess
import sys
import time
from collections.abc import Callable

from world import World


def start(world: World, *arguments: str) -> subprocess.Popen[str]:
    """The real program; `arguments` begin with the command, or with options before it."""
    program = [sys.executable, "-m", "cos_update", "--config", str(world.folder / "config.yaml")]
    return subprocess.Popen([*program, *arguments], stderr=subprocess.PIPE, text=True)


def until(condition: Callable[[], bool], seconds: float = 60.0) -> None:
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, "timed out"
        time.sleep(0.05)


def log_of(world: World) -> str:
    path = world.folder / "log" / "updates_bulk.log"
    return path.read_text() if path.exists() else ""
