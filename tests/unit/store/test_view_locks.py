"""Locks between processes and threads; a dead process holds none."""

from __future__ import annotations

import re
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from cos_update.model.errors import LockedError, ViewError
from cos_update.store import FileLock, Locks

HOLD = """
import sys
from pathlib import Path
from cos_update.store import Locks
locks = Locks(Path(sys.argv[1]), "bulk")
with locks.sole("bulk"), locks.rack("stack-1", 1.0):
    print("held", flush=True)
    sys.stdin.read()
"""


@pytest.fixture
def holder(tmp_path: Path) -> Iterator[subprocess.Popen[str]]:
    """Another process, which holds the lock of all bulks and that of one rack until its stdin ends."""
    command = [sys.executable, "-c", HOLD, str(tmp_path)]
    process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
    assert process.stdout is not None
    assert process.stdout.readline() == "held\n"
    yield process
    process.kill()
    process.wait()
    process.stdout.close()


def test_a_second_bulk_learns_who_is_there(holder: subprocess.Popen[str], tmp_path: Path) -> None:
    with pytest.raises(LockedError) as error, Locks(tmp_path, "bulk").sole("bulk"):
        pass
    path = re.escape(str(tmp_path / "bulk.lock"))
    since = r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ"
    assert re.fullmatch(rf"another cos-update bulk \(pid {holder.pid}\) holds {path} since {since}", str(error.value))
    with Locks(tmp_path, "listen").sole("listen"):
        pass


def test_the_lock_of_a_killed_process_is_free(holder: subprocess.Popen[str], tmp_path: Path) -> None:
    holder.kill()
    holder.wait()
    locks = Locks(tmp_path, "bulk")
    with locks.sole("bulk"), locks.rack("stack-1", 1.0):
        pass


def test_a_rack_is_waited_for_in_bounded_time(holder: subprocess.Popen[str], tmp_path: Path) -> None:
    locks = Locks(tmp_path, "listen")
    began = time.monotonic()
    complaint = rf"bulk \(pid {holder.pid}\) .*waited 0\.2 s"
    with pytest.raises(LockedError, match=complaint) as error, locks.rack("stack-1", 0.2):
        pass
    assert time.monotonic() - began > 0.15
    assert "stack-1" in error.value.hint
    with locks.rack("stack-2", 0.2):
        pass


def test_a_waiting_process_gets_the_lock_when_it_is_free(holder: subprocess.Popen[str], tmp_path: Path) -> None:
    assert holder.stdin is not None
    threading.Timer(0.1, holder.stdin.close).start()
    with Locks(tmp_path, "listen").rack("stack-1", 30.0):
        pass


def test_threads_exclude_each_other(tmp_path: Path) -> None:
    locks = Locks(tmp_path, "bulk")
    inside, most = 0, 0

    def work() -> None:
        nonlocal inside, most
        for _ in range(20):
            with locks.rack("stack-1", 30.0):
                inside += 1
                most = max(most, inside)
                time.sleep(0.0005)  # a window in which another thread would be seen
                inside -= 1

    threads = [threading.Thread(target=work) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert (most, inside) == (1, 0)


def test_racks_are_spread_over_a_bounded_number_of_files(tmp_path: Path) -> None:
    locks = Locks(tmp_path, "bulk")
    for number in range(1000):
        with locks.rack(f"stack-{number}", 1.0):
            pass
    assert 40 < len(list((tmp_path / "locks").iterdir())) <= 64


def test_an_error_inside_frees_the_lock(tmp_path: Path) -> None:
    lock = FileLock(tmp_path / "a.lock", "bulk")
    with pytest.raises(ZeroDivisionError), lock.hold(0.0):
        raise ZeroDivisionError
    with lock.hold(0.0):
        pass


def test_a_holder_that_left_no_name_is_waited_for_all_the_same(tmp_path: Path) -> None:
    lock = FileLock(tmp_path / "a.lock", "bulk")
    with lock.hold(0.0):
        lock.path.write_bytes(b"\xff{")
        with pytest.raises(LockedError, match="another process holds"), lock.hold(0.0):
            pass


def test_a_data_dir_that_is_not_there(tmp_path: Path) -> None:
    locks = Locks(tmp_path / "none", "bulk")
    for lock in (locks.sole("bulk"), locks.rack("stack-1", 0.1), locks.view()):
        with pytest.raises(ViewError, match=r"The data dir .*/none does not exist"), lock:
            pass
