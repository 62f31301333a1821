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


EDITED = {
    "https://openstack.example.com": "http://openstack.test",
    "https://concertim.example.com": "http://concertim.test",
    "rabbitmq.example.com": "rabbitmq.test",
    "change-me": "s3cret",
}


def edited() -> str:
    """The sample after its reader has done what it asks for."""
    text = sample()
    for placeholder, value in EDITED.items():
        text = text.replace(placeholder, value)
    return text


def test_the_sample_can_be_used_once_it_is_edited(path: Path) -> None:
    path.write_text(edited())
    checked = run("--config", str(path), "config", "check")
    assert (checked.returncode, checked.stdout, checked.stderr) == (0, f"ok    {path}\n", "")


@pytest.mark.parametrize("left", EDITED)
def test_the_sample_as_it_stands_is_not_called_ok(path: Path, left: str) -> None:
    path.write_text(edited().replace(EDITED[left], left, 1))
    checked = run("--config", str(path), "config", "check")
    assert checked.returncode == 1
    assert checked.stderr.count("still the sample's placeholder") == 1
    assert "ok" not in checked.stdout


@pytest.mark.parametrize("text", ["", "# nothing\n", "openstack:\nconcertim: ~\n", "interval: 5\n"])
def test_a_file_that_says_too_little_is_not_called_ok(path: Path, text: str) -> None:
    path.write_text(text)
    checked = run("--config", str(path), "config", "check")
    assert checked.returncode == 1
    assert "the section openstack is missing" in checked.stderr
    assert "the section concertim is missing" in checked.stderr
    assert checked.stdout == "warn  the section rmq is missing, which listen needs\n"


def test_all_that_is_wrong_is_reported_at_once(path: Path) -> None:
    path.write_text(edited().replace("rmq_username:", "rmq_usrname:") + "  tls: maybe\ninterval: 0\n")
    checked = run("--config", str(path), "config", "check")
    assert checked.returncode == 1
    before = len(edited().splitlines())
    rmq = edited().splitlines().index("rmq:") + 1
    assert [line for line in checked.stderr.splitlines() if line.startswith("Error: ")] == [
        f"Error: {path}, line {rmq}: rmq.rmq_username: missing.",
        f"Error: {path}, line {before + 1}: rmq.tls: expected true or false, found 'maybe'.",
        f"Error: {path}, line {before + 2}: interval: expected a number of seconds above 0, found 0.",
    ]
    assert "Did you misspell it as rmq_usrname in line" in checked.stderr


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


def test_what_is_odd_is_reported_and_quiet_says_nothing(path: Path) -> None:
    path.write_text("intervall: 5\n" + edited().partition("\nrmq:")[0].replace("http:", "https:"))
    path.chmod(0o644)
    done = run("--config", str(path), "config", "check")
    assert done.returncode == 0
    assert done.stderr == f"Warning: {path}, line 1: unknown key intervall is ignored; did you mean interval?\n"
    output = done.stdout.splitlines()
    assert [line[: line.index(":")] for line in output[:2]] == ["decide concertim.verify", "decide openstack.verify"]
    assert output[2:] == [
        "warn  the section rmq is missing, which listen needs",
        f"warn  contains passwords and is world-readable: chmod 640 {path}",
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
    output, logged = done.stderr.splitlines()[0], (tmp_path / "updates_bulk.log").read_text().splitlines()[0]
    assert json.loads(output) == json.loads(logged)
    assert json.loads(output)["message"] == f"{path}, line 1: unknown key intervall is ignored; did you mean interval?"


def test_what_is_wrong_names_file_line_and_key(path: Path) -> None:
    path.write_text("interval: soon\n" + edited())
    for command in (["config", "check"], ["config", "show"], ["bulk", "--once"], ["view", "dump"]):
        done = run("--config", str(path), *command)
        assert done.returncode == 1
        assert done.stderr == f"Error: {path}, line 1: interval: expected a number of seconds, found 'soon'.\n"


def test_a_password_that_is_a_word_of_ours_hides_no_key(path: Path) -> None:
    """Neither on the terminal nor in the log; a value that it is equal to is hidden."""
    path.write_text(edited().replace("s3cret", "concertim") + "  concertim: 1\n  tls: concertim\n")
    path.write_text(path.read_text().replace("  concertim_url", "  concurency: 2\n  concertim_url"))
    done = run("--config", str(path), "--data-dir", str(path.parent), "--log-dir", str(path.parent), "bulk", "--once")
    assert "unknown key concertim.concurency is ignored; did you mean concurrency?" in done.stderr
    assert "rmq.tls: expected true or false, found ***." in done.stderr
    assert (path.parent / "updates_bulk.log").read_text().splitlines()[0] in done.stderr


@pytest.mark.parametrize(
    ("option", "command"),
    [("--interval", ("bulk",)), ("--max-age", ("health", "bulk")), ("--listen-for", ("check",)),
     ("--metrics-port", ("bulk",))],
)  # fmt: skip
@pytest.mark.parametrize("value", ["x", "nan", "-1", "1e999", ""])
def test_a_number_that_is_none_is_refused_in_plain_words(option: str, command: tuple[str, ...], value: str) -> None:
    done = run(*command, option, value)
    assert done.returncode == 2
    assert f"'{value}' is not a " in done.stderr
    assert "valid" not in done.stderr.partition("Invalid value")[2]


def test_a_unit_runs_this_program_with_what_is_in_effect(path: Path, tmp_path: Path) -> None:
    path.write_text(f"data_dir: {tmp_path}/of-config\nshutdown_timeout: 60\n")
    done = run("--config", str(path), "--log-dir", "/a b/50%", "config", "sample", "--systemd", "listen")
    unit = dict(line.split("=", 1) for line in done.stdout.splitlines() if "=" in line)
    assert unit["ExecStart"].endswith(f' --config {path} --log-dir "/a b/50%%" listen')
    assert unit["ReadWritePaths"] == f'-{tmp_path}/of-config "-/a b/50%%"'
    assert unit["TimeoutStopSec"] == "75"


SEVERAL = "coordination: {backend_url: 'etcd3+https://etcd?ca_cert=/tls/ca.pem'}\n"


def test_a_unit_on_one_of_several_machines_outlives_no_engine_and_has_time_to_return_its_leases(path: Path) -> None:
    path.write_text(f"shutdown_timeout: 60\n{SEVERAL}")
    done = run("--config", str(path), "config", "sample", "--systemd", "bulk")
    unit = dict(line.split("=", 1) for line in done.stdout.splitlines() if "=" in line)
    assert {"etcd.service", "redis-server.service"} <= set(unit["After"].split())
    assert unit["TimeoutStopSec"] == "135"


@pytest.mark.skipif(shutil.which("systemd-analyze") is None, reason="systemd is not installed")
@pytest.mark.parametrize(("daemon", "text"), [("bulk", ""), ("listen", SEVERAL)])
def test_systemd_takes_the_unit_and_finds_it_well_locked_in(path: Path, tmp_path: Path, daemon: str, text: str) -> None:
    path.write_text(text)
    unit = tmp_path / f"cos-update-{daemon}.service"
    unit.write_text(run("--config", str(path), "config", "sample", "--systemd", daemon).stdout)
    verified = subprocess.run(["systemd-analyze", "verify", unit], capture_output=True, text=True)
    assert (verified.returncode, verified.stderr) == (0, "")
    rated = subprocess.run(
        ["systemd-analyze", "security", "--offline=true", "--threshold=20", unit], capture_output=True, text=True
    )
    assert rated.returncode == 0, rated.stdout
