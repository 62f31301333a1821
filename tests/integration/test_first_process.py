"""As the first process of a container."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest
from daemons import until


def children(pid: int) -> list[int]:
    return [int(each) for each in Path(f"/proc/{pid}/task/{pid}/children").read_text().split()]


def test_it_ends_on_sigterm_even_before_its_work_begins(tmp_path: Path) -> None:
    """The kernel gives the first process no default action. Here, reading the configuration never ends."""
    if subprocess.run(["unshare", "-pf", "true"], capture_output=True).returncode:
        pytest.skip("a process namespace of our own is not permitted here")
    config = tmp_path / "config.yaml"
    os.mkfifo(config)
    outer = subprocess.Popen(
        ["unshare", "-pf", sys.executable, "-m", "cos_update", "--config", str(config), "bulk"], stderr=subprocess.PIPE
    )
    try:
        until(lambda: any("yaml" in Path(f"/proc/{pid}/maps").read_text() for pid in children(outer.pid)))
        os.kill(children(outer.pid)[0], signal.SIGTERM)
        assert outer.wait(60) == 0
    finally:
        for pid in children(outer.pid) if outer.poll() is None else []:
            os.kill(pid, signal.SIGKILL)
        outer.kill()
        outer.communicate()
