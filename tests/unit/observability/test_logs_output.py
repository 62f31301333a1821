"""Destinations and formats of log lines, and what happens if they cannot be written."""

from __future__ import annotations

import errno
import json
import logging
import os
import re
import subprocess
import sys
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from cos_update.model.settings import Settings
from cos_update.observability import log_handlers
from cos_update.observability.log_handlers import LogFile
from cos_update.observability.log_lines import TextFormatter, begin_run
from cos_update.observability.logs import configure


@pytest.fixture(autouse=True)
def leave_logging_alone() -> Iterator[None]:
    root = logging.getLogger()
    level, hook = root.level, threading.excepthook
    yield
    for handler in root.handlers[:]:
        if type(handler).__module__ == log_handlers.__name__:
            root.removeHandler(handler)
            handler.close()
    root.setLevel(level)
    logging.captureWarnings(False)
    threading.excepthook = hook


@pytest.fixture
def settings(tmp_path: Path) -> Settings:
    return Settings(log_dir=tmp_path)


log = logging.getLogger("cos_update.core.device")


def lines(path: Path) -> list[str]:
    return path.read_text().splitlines() if path.exists() else []


def test_a_line_of_text(settings: Settings, tmp_path: Path) -> None:
    configure(settings, process="bulk")
    log.info("updated %s in %s", "node-0", "cluster-1")
    log.warning("x")
    first, second = lines(tmp_path / "updates_bulk.log")
    assert re.fullmatch(
        r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z INFO  device  run=[0-9a-f]{4} updated node-0 in cluster-1", first
    )
    assert " WARN  device  run=" in second


def test_a_record_of_a_known_moment() -> None:
    record = logging.LogRecord("cos_update.bulk", logging.INFO, __file__, 1, "pass begins", None, None)
    record.created = 1_795_399_544.12
    assert TextFormatter().format(record).startswith("2026-11-23T02:05:44.120Z INFO  bulk    run=")


def test_json_has_the_same_fields(settings: Settings, tmp_path: Path) -> None:
    configure(Settings(log_dir=tmp_path, log_format="json"), process="listen")
    try:
        raise KeyError("x")
    except KeyError:
        log.exception("n\u00f6de %s", "\udce4")
    (line,) = lines(tmp_path / "updates_mq.log")
    found = json.loads(line)
    assert list(found) == ["time", "level", "logger", "run", "message", "exception"]
    assert (found["level"], found["logger"], found["message"]) == ("ERROR", "device", "n\u00f6de \udce4")
    assert "KeyError: 'x'" in found["exception"]


def test_a_run_has_an_id_that_openstack_takes_too(settings: Settings, tmp_path: Path) -> None:
    configure(settings, process="bulk")
    request = begin_run()
    assert re.fullmatch(r"req-[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}", request)
    log.info("x")
    assert f"run={request[4:8]} " in lines(tmp_path / "updates_bulk.log")[0]


def test_a_name_makes_no_second_line(settings: Settings, tmp_path: Path) -> None:
    configure(settings, process="bulk")
    log.info("created %s", "a\nb\x1b[2J\udce4")
    (line,) = lines(tmp_path / "updates_bulk.log")
    assert line.endswith(r"created a\nb\x1b[2J\udce4")


@pytest.mark.parametrize(
    ("daemon", "verbosity", "levels"),
    [
        (False, 0, {"WARN", "ERROR"}),
        (False, 1, {"INFO", "WARN", "ERROR"}),
        (False, 2, {"DEBUG", "INFO", "WARN", "ERROR"}),
        (False, -1, {"ERROR"}),
        (True, 0, {"INFO", "WARN", "ERROR"}),
        (True, 2, {"DEBUG", "INFO", "WARN", "ERROR"}),
        (True, -1, {"ERROR"}),
    ],
)
def test_how_much_is_reported_where(
    settings: Settings,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    daemon: bool,
    verbosity: int,
    levels: set[str],
) -> None:
    configure(settings, process="bulk", daemon=daemon, verbosity=verbosity)
    for level in (logging.DEBUG, logging.INFO, logging.WARNING, logging.ERROR):
        log.log(level, "x")
    assert {line.split()[1] for line in capsys.readouterr().err.splitlines()} == levels
    assert {line.split()[1] for line in lines(tmp_path / "updates_bulk.log")} == {"INFO", "WARN", "ERROR"}


def test_commands_without_a_file_write_none(settings: Settings, tmp_path: Path) -> None:
    configure(settings)
    log.error("x")
    assert list(tmp_path.iterdir()) == []


def test_libraries_are_quiet_unless_everything_is_wanted(
    settings: Settings, capsys: pytest.CaptureFixture[str]
) -> None:
    configure(settings, verbosity=1)
    logging.getLogger("keystoneauth.session").info("x")
    assert capsys.readouterr().err == ""
    configure(settings, verbosity=2)
    logging.getLogger("keystoneauth.session").debug("x")
    assert "DEBUG session" in capsys.readouterr().err


def test_a_rotated_file_is_opened_again(settings: Settings, tmp_path: Path) -> None:
    configure(settings, process="bulk")
    log.info("one")
    (tmp_path / "updates_bulk.log").rename(tmp_path / "updates_bulk.log.1")
    log.info("two")
    (tmp_path / "updates_bulk.log").unlink()
    log.info("three")
    assert lines(tmp_path / "updates_bulk.log.1")[0].endswith("one")
    assert [line.split()[-1] for line in lines(tmp_path / "updates_bulk.log")] == ["three"]


def test_a_log_dir_that_vanishes_is_reported_once_and_survived(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    folder = tmp_path / "log"
    folder.mkdir()
    configure(Settings(log_dir=folder), process="bulk")
    log.info("one")
    folder.rename(tmp_path / "gone")
    for _ in range(5):
        log.info("two")
    assert capsys.readouterr().err.count("cannot be written (No such file or directory)") == 1
    folder.mkdir()
    log.info("three")
    assert "can be written again; 6 lines are missing" in capsys.readouterr().err
    assert any(line.endswith("three") for line in lines(folder / "updates_bulk.log"))


def test_a_full_disk_stops_nothing_and_leaves_whole_lines(
    settings: Settings, tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    configure(settings, process="bulk", daemon=True)
    log.info("one")
    real = os.write

    def full(handle: int, data: bytes) -> int:
        return real(handle, data[:10])

    monkeypatch.setattr(os, "write", full)
    log.info("two")
    monkeypatch.setattr(os, "write", lambda handle, data: (_ for _ in ()).throw(OSError(errno.ENOSPC, "full")))
    log.info("three")
    monkeypatch.undo()
    log.info("four")
    written = lines(tmp_path / "updates_bulk.log")
    assert [line.split()[-1] for line in written][:2] == ["one", "four"]
    assert all(re.match(r"\d{4}-\d\d-\d\dT", line) for line in written)
    levels = capsys.readouterr().err
    assert all(word in levels for word in ("one", "two", "three", "four"))
    assert levels.count("cannot be written") == 1


def test_the_file_is_not_for_everybody(tmp_path: Path) -> None:
    handler = LogFile(tmp_path / "x.log")
    handler.handle(logging.LogRecord("x", logging.INFO, __file__, 1, "x", None, None))
    handler.close()
    assert (tmp_path / "x.log").stat().st_mode & 0o007 == 0


def test_setting_it_up_twice_says_everything_once(settings: Settings, tmp_path: Path) -> None:
    configure(settings, process="bulk")
    configure(settings, process="bulk")
    log.info("x")
    assert len(lines(tmp_path / "updates_bulk.log")) == 1


def test_a_thread_that_dies_is_logged_without_its_secrets(
    settings: Settings, capsys: pytest.CaptureFixture[str]
) -> None:
    configure(settings, secrets=["hunter2"])

    def work() -> None:
        raise ValueError("hunter2")

    thread = threading.Thread(target=work, name="worker-1")
    thread.start()
    thread.join()
    levels = capsys.readouterr().err
    assert "FATAL logs    run=" in levels
    assert "thread worker-1 died" in levels
    assert "ValueError: ***" in levels


PROGRAM = """
import logging, sys
from pathlib import Path
from cos_update.observability.logs import configure
from cos_update.model.settings import Settings
configure(Settings(log_dir=Path(sys.argv[1])), process="bulk", daemon=True)
logging.getLogger("bulk").info("n\\u00f6de")
"""


def test_a_terminal_that_shows_ascii_only(tmp_path: Path) -> None:
    environ = {**os.environ, "PYTHONIOENCODING": "ascii", "LC_ALL": "C"}
    done = subprocess.run([sys.executable, "-c", PROGRAM, str(tmp_path)], env=environ, capture_output=True, check=True)
    assert done.stderr.rstrip().endswith(rb"n\xf6de")
    assert (tmp_path / "updates_bulk.log").read_bytes().rstrip().endswith("n\u00f6de".encode())


def test_a_closed_stderr_stops_nothing(tmp_path: Path) -> None:
    command = f'"{sys.executable}" -c \'{PROGRAM}\' "{tmp_path}" 2>&-'
    assert subprocess.run(command, shell=True, check=False).returncode == 0
    assert lines(tmp_path / "updates_bulk.log")
