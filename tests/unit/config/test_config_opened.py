"""A configuration that its reader may not open, and that the parent process has opened."""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from cos_update.config import OPENED

pytestmark = pytest.mark.skipif(os.geteuid() != 0, reason="only root can become somebody else")

AS_NOBODY = """
import codecs, os, sys
from pathlib import Path
from cos_update import config
codecs.lookup("utf-8-sig")  # not everybody may look into the folders of this Python
os.setresgid(65534, 65534, 65534)
os.setresuid(65534, 65534, 65534)
path = Path(sys.argv[1])
print(config.is_readable(path))
print(config.load(path, {}).settings.interval)
"""


@pytest.fixture
def path() -> Iterator[Path]:
    """root's alone, in a folder that anybody may look into."""
    with tempfile.TemporaryDirectory() as name:
        Path(name).chmod(0o755)
        path = Path(name, "config.yaml")
        path.write_text("interval: 77\n")
        path.chmod(0o600)
        yield path


def read(path: Path, opened: Path) -> str:
    handle = os.open(opened, os.O_RDONLY)
    try:
        done = subprocess.run(
            [sys.executable, "-c", AS_NOBODY, str(path)],
            capture_output=True,
            text=True,
            pass_fds=[handle],
            env={**os.environ, OPENED: str(handle)},
        )
    finally:
        os.close(handle)
    return done.stdout + done.stderr


def test_it_is_read_as_it_was_opened(path: Path) -> None:
    assert read(path, path) == "True\n77.0\n"


def test_it_is_read_in_a_folder_that_is_closed_too(path: Path) -> None:
    path.parent.chmod(0o700)
    assert read(path, path) == "True\n77.0\n"


def test_what_has_taken_its_place_is_not_mistaken_for_it(path: Path, tmp_path: Path) -> None:
    former = tmp_path / "former.yaml"
    former.write_text("interval: 1\n")
    complaint = read(path, former)
    assert complaint.startswith("False\n")
    assert f"{path}: cannot be read: Permission denied" in complaint
