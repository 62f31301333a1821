"""`cos-update config`: sample, show, check."""

from __future__ import annotations

import json
import shutil
import subprocess
from pathlib import Path

import pytest
from programs import run

from cos_update.config import sample


@pytest.fixture
def path(tmp_path: Path) -> Path:
    path = tmp_path / "config.yaml"
    path.write_text(sample())
    path.chmod(0o640)
    return path


def test_the_sample_can_be_used_at_once(tmp_path: Path) -> None:
    done = run("config", "sample")
    (tmp_path / "c.yaml").write_text(done.stdout)
    (tmp_path / "c.yaml").chmod(0o600)
    checked = run("--config", str(tmp_path / "c.yaml"), "config", "check")
    assert (checked.returncode, checked.stdout, checked.stderr) == (0, f"ok    {tmp_path}/c.yaml\n", "")


def test_what_is_shown_is_in_effect_and_hides_secrets(path: Path) -> None:
    done = run(
        "--data-dir", "/x", "--log-format", "json", "config", "show",
        environ={"COS_UPDATE_CONFIG": str(path), "COS_UPDATE_RMQ_PASSWORD": "hunter2", "COS_UPDATE_LOG_DIR": "/y"},
    )  # fmt: skip
    assert done.returncode == 0
    assert "data_dir: /x\n" in done.stdout
    assert "log_dir: /y\n" in done.stdout
    assert "log_format: json\n" in done.stdout
    assert "rmq_password: (hidden)\n" in done.stdout
    assert "hunter2" not in done.stdout
    assert "change-me" not in done.stdout


def test_what_is_odd_is_said_and_quiet_says_nothing(path: Path) -> None:
    path.write_text("intervall: 5\n")
    path.chmod(0o644)
    done = run("--config", str(path), "config", "check")
    assert done.returncode == 0
    assert done.stderr == f"Warning: {path}, line 1: unknown key intervall is ignored; is interval meant?\n"
    assert done.stdout.splitlines() == [
        "warn  the section openstack is missing, and every command needs it",
        "warn  the section concertim is missing, and every command needs it",
        "warn  the section rmq is missing, and listen needs it",
        f"warn  readable by everybody: chmod 640 {path}, it holds passwords",
        f"ok    {path}",
    ]
    assert run("-q", "--config", str(path), "config", "check").stderr == ""


def test_what_is_odd_is_in_the_log_of_commands_that_have_one(tmp_path: Path) -> None:
    path = tmp_path / "config.yaml"
    path.write_text(
        "intervall: 5\nopenstack: {auth_url: 'http://127.0.0.1:9/v3', username: u, password: p, retries: 0}\n"
        "concertim: {concertim_url: 'http://127.0.0.1:9', concertim_username: u, concertim_password: p}\n"
    )
    done = run(
        "--config", str(path), "--data-dir", str(tmp_path), "--log-dir", str(tmp_path), "--log-format", "json",
        "bulk", "--once",
    )  # fmt: skip
    said, logged = done.stderr.splitlines()[0], (tmp_path / "updates_bulk.log").read_text().splitlines()[0]
    assert json.loads(said) == json.loads(logged)
    assert json.loads(said)["message"] == f"{path}, line 1: unknown key intervall is ignored; is interval meant?"


def test_what_is_wrong_names_file_line_and_key(path: Path) -> None:
    path.write_text("rmq:\n  rmq_port: amqp\n")
    done = run("--config", str(path), "config", "check")
    assert done.returncode == 1
    assert done.stderr == f"Error: {path}, line 2: rmq.rmq_port: expected a whole number, found 'amqp'.\n"


def test_a_unit_runs_this_program_with_what_is_in_effect(path: Path, tmp_path: Path) -> None:
    path.write_text(f"data_dir: {tmp_path}/of-config\nshutdown_timeout: 60\n")
    done = run("--config", str(path), "--log-dir", "/a b/50%", "config", "sample", "--systemd", "listen")
    unit = dict(line.split("=", 1) for line in done.stdout.splitlines() if "=" in line)
    assert unit["ExecStart"].endswith(f' --config {path} --log-dir "/a b/50%%" listen')
    assert unit["ReadWritePaths"] == f'-{tmp_path}/of-config "-/a b/50%%"'
    assert unit["TimeoutStopSec"] == "75"


@pytest.mark.skipif(shutil.which("systemd-analyze") is None, reason="systemd is not installed")
@pytest.mark.parametrize("daemon", ["bulk", "listen"])
def test_systemd_takes_the_unit_and_finds_it_well_locked_in(tmp_path: Path, daemon: str) -> None:
    unit = tmp_path / f"cos-update-{daemon}.service"
    unit.write_text(run("--config", "/none.yaml", "config", "sample", "--systemd", daemon).stdout)
    verified = subprocess.run(["systemd-analyze", "verify", unit], capture_output=True, text=True)
    assert (verified.returncode, verified.stderr) == (0, "")
    rated = subprocess.run(
        ["systemd-analyze", "security", "--offline=true", "--threshold=20", unit], capture_output=True, text=True
    )
    assert rated.returncode == 0, rated.stdout
