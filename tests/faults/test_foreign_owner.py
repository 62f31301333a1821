"""Folders and a configuration that belong to somebody else, as after a change to an unprivileged user."""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from cos_update import config

pytestmark = pytest.mark.skipif(os.geteuid() != 0, reason="only root can become somebody else")

NOBODY = 65534
AS_NOBODY = """
import logging, os, sys
from pathlib import Path
from cos_update import config
from cos_update.observability import logs
from cos_update.model.errors import CosUpdateError
from cos_update.model.settings import Settings
from cos_update.store import ViewStore
os.setegid({nobody})
os.seteuid({nobody})
folder = Path({folder!r})
try:
    {work}
except CosUpdateError as error:
    print(error, error.hint, sep="\\n")
"""


@pytest.fixture
def folder() -> Iterator[Path]:
    """A folder into which anybody may look, but only root may write."""
    with tempfile.TemporaryDirectory() as name:
        Path(name).chmod(0o755)
        yield Path(name)


def as_nobody(folder: Path, work: str) -> str:
    program = AS_NOBODY.format(nobody=NOBODY, folder=str(folder), work=work)
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    return done.stdout + done.stderr


def test_the_data_dir_of_another_user_is_said_with_the_command_that_mends_it(folder: Path) -> None:
    said = as_nobody(folder, "ViewStore(folder, 'bulk').prepare()")
    assert f"{folder}/view.lock cannot be written: Permission denied." in said
    assert f"This runs as uid {NOBODY}: chown -R {NOBODY} {folder}" in said


def test_the_log_dir_of_another_user_is_said_with_the_command_that_mends_it(folder: Path) -> None:
    said = as_nobody(folder, "logs.configure(Settings(log_dir=folder), process='bulk'); logging.error('x')")
    assert f"updates_bulk.log cannot be written (Permission denied: chown -R {NOBODY} {folder})" in said


def test_a_configuration_of_another_user_is_said_with_the_command_that_mends_it(folder: Path) -> None:
    path = folder / "config.yaml"
    path.write_text(config.sample())
    path.chmod(0o640)
    said = as_nobody(folder, "config.load(folder / 'config.yaml', {})")
    assert f"{path}: cannot be read: Permission denied." in said
    assert f"This runs as uid {NOBODY} and gid {NOBODY}: chgrp {NOBODY} {path}; chmod 640 {path}" in said
