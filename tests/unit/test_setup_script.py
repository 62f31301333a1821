"""The script that prepares a machine for the tests."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path

SCRIPT = Path(__file__).parents[1] / "setup.sh"


def test_without_root_it_names_what_is_missing_and_changes_nothing(tmp_path: Path) -> None:
    for name, body in (("dpkg-query", "exit 1"), ("id", "echo 1000"), ("apt-get", "echo installed")):
        (tmp_path / name).write_text(f"#!/bin/sh\n{body}\n")
        (tmp_path / name).chmod(0o755)
    path = f"{tmp_path}{os.pathsep}{os.environ['PATH']}"
    done = subprocess.run([SCRIPT], env={"PATH": path}, capture_output=True, text=True, timeout=60)
    assert done.returncode == 1
    assert done.stdout == ""
    assert "needs root" in done.stderr
    assert all(package in done.stderr for package in ("rabbitmq-server", "openssl", "zsh", "fish"))
