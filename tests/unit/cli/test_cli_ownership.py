"""What root gives away of a folder that others can write to, and what it does not."""

from __future__ import annotations

import os
import stat
from fnmatch import fnmatchcase
from pathlib import Path

import pytest

from cos_update.cli.ownership import DATA_FILES, take_over

pytestmark = pytest.mark.skipif(os.geteuid() != 0, reason="only root can give files away")

UID = 10001
PATTERNS = ("view.pickle", "health-*.json", "locks/rack-*.lock")


def owner(path: Path) -> tuple[int, int, str]:
    found = path.lstat()
    return found.st_uid, found.st_gid, f"{stat.S_IMODE(found.st_mode):o}"


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    folder = tmp_path / "data"
    folder.mkdir(mode=0o755)
    return folder


@pytest.fixture
def secret(tmp_path: Path) -> Path:
    secret = tmp_path / "secret"
    secret.touch(0o600)
    return secret


def test_the_folder_and_what_has_a_name_of_ours_gets_another_owner_and_nothing_else(folder: Path) -> None:
    (folder / "locks").mkdir(mode=0o750)
    ours = ("view.pickle", "health-listen-1.json", "locks/rack-01.lock")
    theirs = ("view~1.pickle", "billing.log", "rack-01.lock", "locks/view.pickle")
    for name in ours + theirs:
        (folder / name).touch(0o640)
    os.chown(folder / "view.pickle", 0, 990)
    take_over(folder, PATTERNS, UID)
    assert owner(folder) == (UID, 0, "755")
    assert owner(folder / "locks") == (UID, 0, "750")
    assert [owner(folder / name) for name in ours] == [(UID, 990, "640"), (UID, 0, "640"), (UID, 0, "640")]
    assert {owner(folder / name) for name in theirs} == {(0, 0, "640")}


def test_what_the_new_owner_could_not_use_is_made_usable(folder: Path) -> None:
    (folder / "view.pickle").touch(0o444)
    folder.chmod(0o555)
    take_over(folder, PATTERNS, UID)
    assert owner(folder) == (UID, 0, "755")
    assert owner(folder / "view.pickle") == (UID, 0, "644")


def test_a_link_is_not_followed(folder: Path, secret: Path) -> None:
    (folder / "view.pickle").symlink_to(secret)
    take_over(folder, PATTERNS, UID)
    assert owner(secret) == (0, 0, "600")
    assert (folder / "view.pickle").lstat().st_uid == 0


def test_a_linked_folder_is_not_entered(folder: Path, tmp_path: Path) -> None:
    outside = tmp_path / "outside"
    outside.mkdir(mode=0o700)
    (outside / "rack-01.lock").touch(0o600)
    (folder / "locks").symlink_to(outside)
    take_over(folder, PATTERNS, UID)
    assert owner(outside) == (0, 0, "700")
    assert owner(outside / "rack-01.lock") == (0, 0, "600")


def test_a_file_that_has_a_second_name_elsewhere_stays_as_it_is(folder: Path, secret: Path) -> None:
    os.link(secret, folder / "view.pickle")
    take_over(folder, PATTERNS, UID)
    assert owner(secret) == (0, 0, "600")


@pytest.mark.parametrize("make", [os.mkfifo, os.mkdir])
def test_what_is_no_file_stays_as_it_is(folder: Path, make: object) -> None:
    assert callable(make)
    make(folder / "view.pickle", 0o600)
    take_over(folder, PATTERNS, UID)
    assert owner(folder / "view.pickle") == (0, 0, "600")


def test_the_folder_of_another_user_is_left_to_them(folder: Path) -> None:
    (folder / "view.pickle").touch(0o600)
    os.chown(folder, 4321, 4321)
    take_over(folder, PATTERNS, UID)
    assert owner(folder) == (4321, 4321, "755")
    assert owner(folder / "view.pickle") == (0, 0, "600")


def test_a_folder_that_is_not_there_is_none_of_our_business(tmp_path: Path) -> None:
    take_over(tmp_path / "missing", PATTERNS, UID)


def test_a_second_time_changes_nothing(folder: Path) -> None:
    (folder / "view.pickle").touch(0o600)
    take_over(folder, PATTERNS, UID)
    before = (folder / "view.pickle").stat().st_ctime_ns, folder.stat().st_ctime_ns
    take_over(folder, PATTERNS, UID)
    assert ((folder / "view.pickle").stat().st_ctime_ns, folder.stat().st_ctime_ns) == before


def test_no_pattern_takes_in_what_earlier_handlers_and_siblings_write() -> None:
    for name in ("view~2024-01-01.pickle", "resync.flag", "billing.log", "metrics.log", "view.pickle.swp"):
        assert not any(fnmatchcase(name, pattern) for pattern in DATA_FILES)
