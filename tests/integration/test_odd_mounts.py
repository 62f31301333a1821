"""Folders and files mounted in odd ways: `check` finds the daemons' problems, and suggests a fix."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
from namespaces import with_own_mounts
from world import World

pytestmark = pytest.mark.skipif(os.geteuid() != 0, reason="only root may mount")

Run = Callable[..., subprocess.CompletedProcess[str]]

SUCCEEDS = "from cos_update.cli.main import main; main()"
WITHOUT_FLUSH_AND_MODES = """
import errno, os, stat
real = os.fsync
def fsync(handle):
    if stat.S_ISDIR(os.fstat(handle).st_mode):
        raise OSError(errno.EINVAL, "Invalid argument")
    real(handle)
def fchmod(*_):
    raise PermissionError(errno.EPERM, "Operation not permitted")
os.fsync, os.fchmod = fsync, fchmod
os.umask(0o077)
"""
WITHOUT_LOCKS = """
import errno, fcntl
def flock(*_):
    raise OSError(errno.{code}, "No locks available")
fcntl.flock = flock
"""
LOCKS_FOR_EVERYBODY = """
import fcntl
fcntl.flock = lambda *_: None
"""


@pytest.fixture
def inside(world: World) -> Run:
    """Runs the program in a mount namespace of its own, after shell commands, and after some Python of ours."""

    def run(mounts: str, *arguments: str, before: str = "") -> subprocess.CompletedProcess[str]:
        program = [sys.executable, "-c", before + SUCCEEDS, "--config", str(world.folder / "config.yaml"), *arguments]
        script = f'set -e; cd "{world.folder}"; {mounts or ":"}; exec "$@"'
        done = subprocess.run(
            [*with_own_mounts(), "sh", "-c", script, "sh", *program], capture_output=True, text=True, timeout=120
        )
        if "unshare:" in done.stderr or "mount:" in done.stderr:
            pytest.skip("this machine does not let us mount")
        return done

    return run


def folder_findings(done: subprocess.CompletedProcess[str]) -> dict[str, dict[str, str]]:
    found = json.loads(done.stdout)["findings"]
    return {finding["name"]: finding for finding in found if finding["name"] in ("data dir", "log dir", "view")}


MOUNTS = {
    "the view is mounted by itself": (
        "touch outside data/view.pickle; mount --bind outside data/view.pickle",
        "data dir",
        "view.pickle cannot be written: Device or resource busy",
        "mount its folder",
    ),
    "the data dir is read-only": (
        "mount --bind data data; mount -o remount,ro,bind data",
        "data dir",
        "Read-only file system",
        "mount it writable",
    ),
    "the data dir is full": (
        "mount -t tmpfs -o size=16k tmpfs data; head -c 64k /dev/zero > data/filler 2> errors || true",
        "data dir",
        "No space left on device",
        "Make room",
    ),
    "the data dir has no inode left": (
        "mount -t tmpfs -o nr_inodes=3 tmpfs data; touch data/1 data/2 2> errors || true",
        "data dir",
        "No space left on device",
        "df -i",
    ),
    "the log dir is read-only": (
        "mount --bind log log; mount -o remount,ro,bind log",
        "log dir",
        "Read-only file system",
        "mount it writable",
    ),
    "the log dir is full": (
        "mount -t tmpfs -o size=16k tmpfs log; head -c 64k /dev/zero > log/filler 2> errors || true",
        "log dir",
        "No space left on device",
        "Make room",
    ),
    "the lock is a link": ("ln -s /nowhere data/view.lock", "data dir", "symbolic links", "symbolic link"),
    "the data dir is a file": ("rmdir data; touch data", "data dir", "Not a directory", "is a file"),
    "a log is a folder": ("mkdir log/updates_mq.log", "log dir", "Is a directory", "move it away"),
}


@pytest.mark.parametrize("case", MOUNTS)
def test_check_says_what_is_odd_and_what_to_do(inside: Run, case: str) -> None:
    mounts, name, text, fix = MOUNTS[case]
    done = inside(mounts, "check", "--json")
    finding = folder_findings(done)[name]
    assert (done.returncode, finding["status"]) == (1, "fail")
    assert text in finding["text"]
    assert fix in finding["mend"]
    assert "Traceback" not in done.stderr


def test_a_view_that_cannot_be_replaced_is_reported_before_anything_is_posted(world: World, inside: Run) -> None:
    done = inside(MOUNTS["the view is mounted by itself"][0], "bulk", "--once")
    assert done.returncode == 1
    assert "mount its folder" in done.stderr
    assert world.writes() == []


def test_a_folder_that_is_mounted_is_as_good_as_any(world: World, inside: Run) -> None:
    mounts = "mkdir -p outside; mount --bind outside data"
    done = inside(f"{mounts}; chmod 750 data", "bulk", "--once")
    assert (done.returncode, done.stderr) == (0, "")
    assert folder_findings(inside(mounts, "check", "--json"))["data dir"]["status"] == "ok"


def test_what_the_file_system_cannot_do_is_done_without_and_reported_by_check(world: World, inside: Run) -> None:
    done = inside("", "bulk", "--once", before=WITHOUT_FLUSH_AND_MODES)
    assert (done.returncode, done.stderr) == (0, "")
    world.concertim.wire.reset()
    assert inside("", "bulk", "--once", before=WITHOUT_FLUSH_AND_MODES).returncode == 0
    assert world.writes() == []
    done = inside("", "check", "--json", before=WITHOUT_FLUSH_AND_MODES)
    finding = folder_findings(done)["data dir"]
    assert finding["status"] == "ok"
    assert finding["text"].endswith("setting permissions (chmod), flushing folders to the disk (fsync)")


@pytest.mark.parametrize("code", ["ENOLCK", "ENOTSUP", "ENOSYS"])
@pytest.mark.parametrize("command", [["bulk", "--once"], ["check"]])
def test_without_locks_nothing_is_done(world: World, inside: Run, command: list[str], code: str) -> None:
    done = inside("", *command, before=WITHOUT_LOCKS.format(code=code))
    assert done.returncode == 1
    assert "flock" in done.stdout + done.stderr
    assert not world.concertim.state.racks


def test_locks_that_everybody_gets_are_none(world: World, inside: Run) -> None:
    done = inside("", "bulk", "--once", before=LOCKS_FOR_EVERYBODY)
    assert done.returncode == 1
    assert "Locks have no effect" in done.stderr
    assert world.writes() == []


def test_check_leaves_everything_as_it_was(world: World, inside: Run) -> None:
    world.bulk()
    for path in (world.data_dir, *world.data_dir.iterdir()):
        os.chown(path, 10001, 10002)
    view = world.data_dir / "view.pickle"
    before = listed(world.data_dir), listed(world.folder / "log"), view.read_bytes()
    assert inside("", "check").returncode in (0, 1)
    assert (listed(world.data_dir), listed(world.folder / "log"), view.read_bytes()) == before


def listed(folder: Path) -> dict[str, tuple[int, int, int]]:
    """Owner, permissions and size of what is in a folder."""
    found = {path.name: path.stat() for path in folder.iterdir()}
    return {name: (stat.st_uid, stat.st_mode, stat.st_size) for name, stat in found.items()}
