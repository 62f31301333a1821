"""`cos-update demo`: a newcomer's first minute."""

from __future__ import annotations

import os
import re
import shlex
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import IO

import pytest

PROGRAM = [sys.executable, "-m", "cos_update"]


def test_no_page_of_it_is_longer_than_a_terminal() -> None:
    done = subprocess.run([*PROGRAM, "demo"], capture_output=True, text=True, check=True, timeout=60)
    pages = re.split(r"^\u2500+ .* \u2500+$", done.stdout, flags=re.MULTILINE)
    assert len(pages) == 6
    assert max(len(page.strip("\n").splitlines()) for page in pages) <= 23
    assert "Concertim refused 0 requests" in pages[-1]
    assert "cos-update demo --keep" in pages[-1]


@pytest.fixture
def kept() -> Iterator[subprocess.Popen[str]]:
    process = subprocess.Popen([*PROGRAM, "demo", "--keep"], stdout=subprocess.PIPE, text=True)
    yield process
    process.kill()
    process.wait()


def _lines_until(text: IO[str], last: str) -> list[str]:
    lines = []
    for line in text:
        lines.append(line)
        if last in line:
            return lines
    raise AssertionError("".join(lines))


def test_kept_it_serves_the_commands_that_it_names(kept: subprocess.Popen[str]) -> None:
    assert kept.stdout is not None
    lines = _lines_until(kept.stdout, "until Ctrl-C")
    (config,) = (line.strip().partition("=")[2] for line in lines if "export COS_UPDATE_CONFIG=" in line)
    commands = [line.partition("#")[0].strip() for line in lines if line.startswith("    cos-update ")]
    assert len(commands) == 5
    assert all(len(line.rstrip("\n")) <= 80 for line in lines)
    for command in commands:
        done = subprocess.run(
            [*PROGRAM, *shlex.split(command)[1:]],
            env={**os.environ, "COS_UPDATE_CONFIG": config},
            capture_output=True,
            text=True,
            check=False,
            timeout=60,
        )
        assert (done.returncode, "Traceback" in done.stderr) == (0, False), (command, done.stdout, done.stderr)
    kept.send_signal(signal.SIGINT)
    assert kept.wait(30) == 0
    assert not Path(config).parent.exists()
