"""Runs the program as people do: in a process, with pipes or on a terminal."""

from __future__ import annotations

import os
import pty
import select
import struct
import subprocess
import sys
import termios
import time
from collections.abc import Mapping, Sequence
from fcntl import ioctl
from pathlib import Path

ROOT = Path(__file__).parents[3]
PROGRAM = [sys.executable, "-c", "from cos_update.cli.main import main; main()"]
TIMEOUT = 30.0


def environment(changes: Mapping[str, str] | None = None) -> dict[str, str]:
    """Ours without what would steer the program, and with `changes`."""
    steering = ("COS_UPDATE_", "COLUMNS", "LINES")
    kept = {name: value for name, value in os.environ.items() if not name.startswith(steering)}
    return kept | {"PYTHONPATH": str(ROOT), "TERM": "xterm-256color", "PYTHONUTF8": "1"} | dict(changes or {})


def run(*arguments: str, environ: Mapping[str, str] | None = None) -> subprocess.CompletedProcess[str]:
    """Runs it with pipes."""
    return subprocess.run(
        [*PROGRAM, *arguments],
        env=environment(environ),
        capture_output=True,
        encoding="utf-8",
        timeout=TIMEOUT,
        check=False,
    )


def run_on_terminal(
    arguments: Sequence[str], columns: int = 80, environ: Mapping[str, str] | None = None, rows: int = 200
) -> str:
    """Runs it on a terminal of that size and returns what is seen there, colours as they were sent."""
    ours, theirs = pty.openpty()
    ioctl(theirs, termios.TIOCSWINSZ, struct.pack("HHHH", rows, columns, 0, 0))
    process = subprocess.Popen(
        [*PROGRAM, *arguments], env=environment(environ), stdin=theirs, stdout=theirs, stderr=theirs
    )
    os.close(theirs)
    seen = b""
    deadline = time.monotonic() + TIMEOUT
    try:
        while time.monotonic() < deadline and select.select([ours], [], [], TIMEOUT)[0]:
            try:
                piece = os.read(ours, 65536)
            except OSError:  # the other end is closed
                break
            if not piece:
                break
            seen += piece
        process.wait(TIMEOUT)
    finally:
        process.kill()
        process.wait()
        os.close(ours)
    return seen.decode().replace("\r\n", "\n")
