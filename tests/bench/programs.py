"""Measured programs, each in a separate process."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).parents[2]
"""The repository, from which every program is started."""
CLI = str(Path(sys.executable).parent / "cos-update")
PACKAGE = "tests.bench"
LONGEST = 4 * 3600.0
"""Seconds that any one program may take."""


class ProgramError(Exception):
    """A program under measurement has failed: the figures would mean nothing."""


@dataclass(frozen=True, slots=True)
class Cost:
    """What a run took: seconds, CPU seconds (user and system), peak memory in bytes, and what it printed."""

    wall: float
    cpu: float
    peak: int
    output: str = ""


def run(command: Sequence[str], *, given: str | None = None, expect: Sequence[int] = (0,)) -> Cost:
    """Runs a program to its end. Raises ProgramError when its exit code is none of `expect`."""
    with tempfile.NamedTemporaryFile(prefix="measured-") as report:
        measured = [sys.executable, "-S", str(Path(__file__).with_name("measured.py")), report.name]
        done = subprocess.run(
            [*measured, *command],
            input=given or "",
            capture_output=True,
            text=True,
            cwd=ROOT,
            timeout=LONGEST,
            env=_as_installed(),
        )
        figures = json.loads(Path(report.name).read_text() or "{}")
    if figures.get("exit_code") not in expect:
        raise ProgramError(f"{' '.join(command)} ended with {figures}:\n{done.stdout[-2000:]}{done.stderr[-4000:]}")
    return Cost(figures["wall"], figures["cpu"], figures["peak"], done.stdout)


def _as_installed() -> dict[str, str]:
    """The environment of the programs: an installed one has its bytecode and does not compile it at each start."""
    return {name: value for name, value in os.environ.items() if name != "PYTHONDONTWRITEBYTECODE"}


def bare(module: str, task: Mapping[str, object]) -> Cost:
    """Runs one of the bench's own programs, which is given its task as JSON."""
    return run([sys.executable, "-m", f"{PACKAGE}.{module}"], given=json.dumps(task))
