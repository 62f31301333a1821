"""What counts as alive and moving, and a heartbeat file that nothing can stop."""

from __future__ import annotations

import json
import logging
import os
import subprocess
import time
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from cos_update.model.errors import ViewError
from cos_update.observability.heartbeat import (
    SILENCE,
    DaemonStatus,
    Heartbeat,
    HeartbeatWriter,
    evaluate,
    file_of,
    read,
)
from cos_update.observability.process_identity import ProcessIdentity, own_identity

NOW = 1_795_399_544.0  # 2026-11-23T02:05:44Z


def heartbeat(*, age: float = 3.0, idle: float = 0.0, unwritten: float = 0.0, ended: float | None = None) -> Heartbeat:
    """One that is `age` seconds old."""
    beat = NOW - age
    status = DaemonStatus("next pass at noon", idle=idle, stuck_after=900.0)
    return Heartbeat("bulk", 12, "host", None, beat - unwritten, beat, ended, status)


def test_one_that_beats_is_alive_and_says_what_it_does() -> None:
    assert evaluate(heartbeat(), NOW) == (True, "bulk is alive: next pass at noon")


@pytest.mark.parametrize(("age", "alive"), [(SILENCE - 1, True), (SILENCE + 1, False), (-SILENCE - 1, False)])
def test_one_that_is_silent_is_not(age: float, alive: bool) -> None:
    assert evaluate(heartbeat(age=age), NOW)[0] is alive


def test_its_silence_is_reported_with_its_beginning_and_the_process() -> None:
    line = evaluate(heartbeat(age=64.0), NOW)[1]
    assert "2026-11-23T02:04:40Z" in line
    assert "pid 12 on host" in line


@pytest.mark.parametrize(("idle", "alive"), [(899.0, True), (901.0, False)])
def test_one_that_beats_but_does_not_move_is_stuck_after_its_own_patience(idle: float, alive: bool) -> None:
    found, line = evaluate(heartbeat(idle=idle), NOW)
    assert found is alive
    assert ("stuck" in line) is not alive


def test_a_max_age_takes_the_place_of_its_patience() -> None:
    assert evaluate(heartbeat(idle=200.0), NOW, 199.0)[0] is False
    assert evaluate(heartbeat(idle=1000.0), NOW, 1001.0)[0] is True


def test_a_short_max_age_holds_for_the_beat_too() -> None:
    assert evaluate(heartbeat(age=10.0), NOW, 9.0)[0] is False
    assert evaluate(heartbeat(age=SILENCE + 1), NOW, 3600.0)[0] is False


def test_one_that_ended_in_good_order_is_not_alive() -> None:
    assert evaluate(heartbeat(ended=NOW - 3.0), NOW) == (False, "bulk ended at 2026-11-23T02:05:41Z")


def test_one_whose_process_is_gone_is_not_alive_however_fresh_its_beat() -> None:
    identity = ProcessIdentity("boot", "pid:[1]", 7)
    fresh = replace(heartbeat(age=0.0), identity=identity)
    asked = []
    alive, line = evaluate(fresh, NOW, is_gone=lambda *process: asked.append(process) is None)
    assert not alive
    assert "is gone" in line
    assert asked == [(12, identity)]
    assert evaluate(fresh, NOW, is_gone=lambda *_: False)[0] is True


def test_one_that_cannot_write_is_alive_and_says_so() -> None:
    alive, line = evaluate(heartbeat(unwritten=120.0), NOW)
    assert alive
    assert "not been able to write" in line


def test_it_is_written_and_read(tmp_path: Path) -> None:
    path = file_of(tmp_path, "bulk")
    status = DaemonStatus("at work", idle=2.5, stuck_after=60.0, details={"exit_code": 3})
    with HeartbeatWriter(path, "bulk", lambda: status):
        found = read(path)
        assert found is not None
        assert (found.process, found.pid, found.ended, found.status) == ("bulk", os.getpid(), None, status)
        assert found.identity == own_identity()
    ended = read(path)
    assert ended is not None
    assert ended.ended == pytest.approx(time.time(), abs=5)
    assert sorted(tmp_path.iterdir()) == [path]


def test_it_beats_although_nothing_happens(tmp_path: Path) -> None:
    path = file_of(tmp_path, "bulk")
    with HeartbeatWriter(path, "bulk", lambda: DaemonStatus("idle"), interval=0.01):
        first = path.stat().st_mtime_ns
        deadline = time.monotonic() + 30
        while path.stat().st_mtime_ns == first and time.monotonic() < deadline:
            time.sleep(0.01)
        assert path.stat().st_mtime_ns > first


def test_what_cannot_be_told_does_not_stop_it(tmp_path: Path) -> None:
    def collect() -> DaemonStatus:
        raise RuntimeError("a bug")

    path = file_of(tmp_path, "bulk")
    with HeartbeatWriter(path, "bulk", collect):
        found = read(path)
    assert found is not None
    assert "RuntimeError" in found.status.text


@pytest.fixture
def full_disk(tmp_path: Path) -> Iterator[Path]:
    folder = tmp_path / "full"
    folder.mkdir()
    if subprocess.run(["mount", "-t", "tmpfs", "-o", "size=16k", "tmpfs", str(folder)], check=False).returncode:
        pytest.skip("this machine does not let us mount")
    yield folder
    subprocess.run(["umount", "-l", str(folder)], check=True)


def test_on_a_full_disk_it_beats_on_and_says_so_once(full_disk: Path, caplog: pytest.LogCaptureFixture) -> None:
    path = file_of(full_disk, "bulk")
    heartbeat_writer = HeartbeatWriter(path, "bulk", lambda: DaemonStatus("at work"))
    heartbeat_writer.write()
    with pytest.raises(OSError, match="space"):
        (full_disk / "filler").write_bytes(bytes(64 * 1024))
    os.utime(path, (0, 0))
    heartbeat_writer.write()
    heartbeat_writer.write()
    found = read(path)
    assert found is not None
    assert evaluate(found, time.time())[0] is True
    assert [record.levelno for record in caplog.records] == [logging.WARNING]
    assert str(path) in caplog.text


def test_none_was_written(tmp_path: Path) -> None:
    assert read(file_of(tmp_path, "bulk")) is None


@pytest.mark.parametrize("content", ["", "{", "[]", "{}", '{"schema": 99}', "null", "\x00"])
def test_what_is_no_heartbeat_is_reported(tmp_path: Path, content: str) -> None:
    path = file_of(tmp_path, "bulk")
    path.write_text(content)
    with pytest.raises(ViewError, match="not a valid heartbeat"):
        read(path)


def test_the_file_is_plain_json(tmp_path: Path) -> None:
    path = file_of(tmp_path, "bulk")
    HeartbeatWriter(path, "bulk", lambda: DaemonStatus("at work", details={"next_pass": NOW})).write()
    plain = json.loads(path.read_text())
    assert plain["schema"] == 1
    assert plain["details"] == {"next_pass": NOW}
