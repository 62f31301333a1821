"""The program's options, before and after a command's name, and the response to a mistyped name."""

from __future__ import annotations

from pathlib import Path

import pytest
from programs import run


@pytest.mark.parametrize("line", ["{} view dump", "view {} dump", "view dump {}"])
def test_the_data_dir_may_stand_anywhere(line: str, tmp_path: Path) -> None:
    done = run(*line.format(f"--data-dir {tmp_path}").split())
    assert done.stderr.startswith(f"Error: There is no view in {tmp_path} yet.")


def test_what_stands_behind_the_command_wins(tmp_path: Path) -> None:
    done = run("--data-dir", "/nowhere", "view", "dump", "--data-dir", str(tmp_path))
    assert str(tmp_path) in done.stderr


@pytest.mark.parametrize("line", ["-vv {}", "-v {} -v", "{} -v -v", "{} -vv"])
def test_every_v_counts(line: str, tmp_path: Path) -> None:
    done = run(*line.format(f"config check --config {tmp_path}/none.yaml").split())
    assert "Traceback" in done.stderr


@pytest.mark.parametrize("line", ["-v -q {}", "-q {} -v", "-v {} -q", "{} -q -v"])
def test_more_and_less_cannot_both_be_asked_for(line: str) -> None:
    done = run(*line.format("config sample").split())
    assert (done.returncode, "cannot go together" in done.stderr) == (2, True)


@pytest.mark.parametrize(
    ("line", "meant"), [("bluk", "bulk"), ("view dmp", "dump"), ("lisen", "listen"), ("bulk --onec", "--once")]
)
def test_a_mistyped_name_gets_the_nearest(line: str, meant: str) -> None:
    done = run(*line.split())
    assert done.returncode == 2
    assert meant in done.stderr.splitlines()[-1]
