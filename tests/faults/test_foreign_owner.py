"""Folders and a configuration that belong to another user, as after switching to an unprivileged user."""

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


MAIN_AS_NOBODY = """
import os, sys
import encodings.utf_8_sig
import cos_update.cli.config, cos_update.cli.view, cos_update.config, cos_update.observability.logs
from cos_update.cli.main import COMMANDS, main
os.setegid({nobody})
os.seteuid({nobody})
main(sys.argv[1:])
"""


def main_as_nobody(*arguments: str, **environ: str) -> subprocess.CompletedProcess[str]:
    """The program, all of its files read before it is nobody who runs it."""
    command = [sys.executable, "-c", MAIN_AS_NOBODY.format(nobody=NOBODY), *arguments]
    return subprocess.run(command, env=os.environ | environ, capture_output=True, text=True)


def as_nobody(folder: Path, work: str) -> str:
    program = AS_NOBODY.format(nobody=NOBODY, folder=str(folder), work=work)
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    return done.stdout + done.stderr


def test_the_data_dir_of_another_user_is_reported_with_the_command_that_fixes_it(folder: Path) -> None:
    output = as_nobody(folder, "ViewStore(folder, 'bulk').prepare()")
    assert f"{folder}/view.lock cannot be written: Permission denied." in output
    assert f"This runs as uid {NOBODY}: chown -R {NOBODY} {folder}" in output


def test_the_log_dir_of_another_user_is_reported_with_the_command_that_fixes_it(folder: Path) -> None:
    output = as_nobody(folder, "logs.configure(Settings(log_dir=folder), process='bulk'); logging.error('x')")
    assert "updates_bulk.log cannot be written (Permission denied)" in output
    assert f"This runs as uid {NOBODY}: chown -R {NOBODY} {folder}" in output


def test_a_configuration_of_another_user_is_reported_with_the_command_that_fixes_it(folder: Path) -> None:
    path = folder / "config.yaml"
    path.write_text(config.sample())
    path.chmod(0o640)
    output = as_nobody(folder, "config.load(folder / 'config.yaml', {})")
    assert f"{path}: cannot be read: Permission denied." in output
    assert f"This runs as uid {NOBODY} and gid {NOBODY}: chgrp {NOBODY} {path}; chmod 640 {path}" in output


@pytest.mark.parametrize("way", ["option", "variable"])
def test_a_file_that_may_not_be_read_is_one_fault_however_it_is_named(folder: Path, way: str) -> None:
    path = folder / "config.yaml"
    path.write_text("")
    path.chmod(0)
    given = ["--config", str(path)] if way == "option" else []
    done = main_as_nobody(*given, "config", "check", **({} if given else {"COS_UPDATE_CONFIG": str(path)}))
    assert done.returncode == 1
    assert done.stderr.startswith(f"Error: {path}: cannot be read: Permission denied.\nThis runs as uid {NOBODY}")


@pytest.mark.parametrize("way", ["--data-dir", "COS_UPDATE_DATA_DIR", "data_dir"])
def test_a_data_dir_that_may_not_be_read_is_one_fault_however_it_is_named(folder: Path, way: str) -> None:
    data = folder / "data"
    data.mkdir(mode=0o700)
    (folder / "config.yaml").write_text(f"data_dir: {data if way == 'data_dir' else folder}\n")
    given = ["--config", str(folder / "config.yaml"), *(["--data-dir", str(data)] if way == "--data-dir" else [])]
    environ = {"COS_UPDATE_DATA_DIR": str(data)} if way.startswith("COS") else {}
    done = main_as_nobody(*given, "view", "dump", **environ)
    assert done.returncode == 1
    assert f"{data}" in done.stderr
    assert "Permission denied" in done.stderr
    assert "Usage:" not in done.stderr
