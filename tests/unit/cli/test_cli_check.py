"""The output of `cos-update check` when no service responds."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
import yaml
from programs import run, run_on_terminal

NOBODY = "127.0.0.1:9"
"""The port of `discard`, which nobody serves any more."""
COLOUR = re.compile(r"\x1b\[[0-9;]*m")


@pytest.fixture
def config(tmp_path: Path) -> str:
    document = {
        "openstack": {"auth_url": f"http://{NOBODY}/v3", "username": "c", "password": "hunter-two", "retries": 0},
        "concertim": {
            "concertim_url": f"http://{NOBODY}",
            "concertim_username": "admin",
            "concertim_password": "hunter-three",
            "retries": 0,
        },
        "rmq": {"rmq_username": "guest", "rmq_password": "hunter-four", "rmq_address": NOBODY},
        "data_dir": str(tmp_path / "a-folder-that-is-not-there-and-has-a-long-name" / "data"),
        "log_dir": str(tmp_path),
    }
    path = tmp_path / "config.yaml"
    path.write_text(yaml.safe_dump(document))
    return str(path)


def test_it_fits_a_terminal_and_can_be_read_without_colours(config: str) -> None:
    seen = run_on_terminal(["--config", config, "check"])
    assert "\x1b[1;31mFAIL  \x1b[0mkeystone" in seen
    lines = COLOUR.sub("", seen).splitlines()
    assert max(len(line) for line in lines) <= 80
    assert {line[:6].strip() for line in lines[:-1]} == {"ok", "warn", "FAIL", "skip", ""}
    assert re.fullmatch(r"4 failed, \d+ warnings?, \d+ ok, \d+ skipped", lines[-1])


def test_what_is_piped_is_plain_with_one_line_for_each_text(config: str) -> None:
    done = run("--config", config, "check")
    assert done.returncode == 1
    assert "\x1b" not in done.stdout
    assert "hunter" not in done.stdout + done.stderr
    fix = [line for line in done.stdout.splitlines() if line.lstrip().startswith("fix: ")]
    assert any("mkdir -p" in line and line.endswith("--data-dir).") for line in fix)
    assert done.stderr == ""


def test_a_configuration_that_is_not_there(tmp_path: Path) -> None:
    done = run("--config", str(tmp_path / "none.yaml"), "check")
    assert done.returncode == 1
    assert done.stdout.startswith("FAIL  config")
    assert "cos-update config sample" in done.stdout
