"""Files that root creates in another user's folder belong to that user, and links cannot redirect root."""

from __future__ import annotations

import errno
import os
import stat
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from cos_update import files

pytestmark = pytest.mark.skipif(os.geteuid() != 0, reason="only root can make files for others")

UID, GID = 10001, 10002
APPEND = os.O_WRONLY | os.O_APPEND | os.O_CREAT


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A folder of another user."""
    folder = tmp_path / "data"
    folder.mkdir()
    os.chown(folder, UID, GID)
    return folder


def owner(path: Path) -> tuple[int, int, str]:
    found = path.lstat()
    return found.st_uid, found.st_gid, f"{stat.S_IMODE(found.st_mode):o}"


def test_a_new_file_belongs_to_the_owner_of_its_folder(folder: Path) -> None:
    os.close(files.open_file(folder / "a", APPEND))
    os.close(files.new_file(folder / "b", 0o600))
    assert owner(folder / "a") == (UID, GID, "640")
    assert owner(folder / "b") == (UID, GID, "600")


def test_a_file_that_root_has_left_there_is_given_away_as_it_is_used(folder: Path) -> None:
    (folder / "a").write_text("kept")
    os.close(files.open_file(folder / "a", APPEND))
    assert owner(folder / "a")[0] == UID
    assert (folder / "a").read_text() == "kept"


def test_a_file_of_a_third_user_stays_theirs(folder: Path) -> None:
    (folder / "a").touch()
    os.chown(folder / "a", 4321, 4321)
    os.close(files.open_file(folder / "a", APPEND))
    assert owner(folder / "a")[0] == 4321


def test_a_folder_belongs_to_the_owner_of_the_one_it_is_in(folder: Path) -> None:
    for _ in range(2):
        files.make_folder(folder / "locks", 0o750)
    assert owner(folder / "locks") == (UID, GID, "750")


def test_in_roots_own_folder_all_stays_roots(tmp_path: Path) -> None:
    os.close(files.open_file(tmp_path / "a", APPEND))
    files.make_folder(tmp_path / "locks", 0o750)
    assert owner(tmp_path / "a")[0] == owner(tmp_path / "locks")[0] == 0


def test_root_follows_no_link_in_the_folder_of_another_user(folder: Path, tmp_path: Path) -> None:
    secret = tmp_path / "secret"
    secret.touch(0o600)
    (folder / "a").symlink_to(secret)
    with pytest.raises(OSError, match="symbolic links"):
        files.open_file(folder / "a", APPEND)
    assert owner(secret)[0] == 0


def test_nor_does_it_write_what_has_a_second_name_elsewhere(folder: Path, tmp_path: Path) -> None:
    secret = tmp_path / "secret"
    secret.touch(0o600)
    os.link(secret, folder / "a")
    with pytest.raises(OSError, match="another hard link") as caught:
        files.open_file(folder / "a", APPEND)
    assert caught.value.errno == errno.EMLINK
    assert owner(secret)[0] == 0


def test_what_was_there_is_replaced_and_not_written_through(folder: Path, tmp_path: Path) -> None:
    secret = tmp_path / "secret"
    secret.write_text("secret")
    (folder / "a").symlink_to(secret)
    os.close(files.new_file(folder / "a"))
    assert secret.read_text() == "secret"
    assert owner(folder / "a")[0] == UID


AS_OWNER = """
import os, sys
from pathlib import Path
from cos_update import files
os.setgroups([])
os.setresgid(10002, 10002, 10002)
os.setresuid(10001, 10001, 10001)
os.write(files.append_to(Path(sys.argv[1])), b"new")
"""


@pytest.fixture
def open_folder() -> Iterator[Path]:
    """A folder of that user, who can get at it."""
    with tempfile.TemporaryDirectory() as name:
        os.chown(name, UID, GID)
        yield Path(name)


def append(path: Path) -> subprocess.CompletedProcess[str]:
    """The owner of the folder appends."""
    return subprocess.run([sys.executable, "-c", AS_OWNER, str(path)], capture_output=True, text=True)


def test_an_empty_log_that_root_has_put_there_is_replaced(open_folder: Path) -> None:
    log = open_folder / "a.log"
    log.touch(0o640)
    assert append(log).returncode == 0
    assert [path.name for path in open_folder.iterdir()] == ["a.log"]
    assert (owner(log)[0], log.read_text()) == (UID, "new")


def test_a_log_that_root_has_written_is_kept_aside(open_folder: Path) -> None:
    log = open_folder / "a.log"
    log.write_text("old")
    assert append(log).returncode == 0
    [aside] = open_folder.glob("a.log.until-*")
    assert (aside.read_text(), owner(aside)[0]) == ("old", 0)
    assert (log.read_text(), owner(log)[0]) == ("new", UID)


def test_a_log_of_a_third_user_stays_where_it_is(open_folder: Path) -> None:
    log = open_folder / "a.log"
    log.touch(0o600)
    os.chown(log, 4321, 4321)
    done = append(log)
    assert "PermissionError" in done.stderr
    assert owner(log)[0] == 4321
