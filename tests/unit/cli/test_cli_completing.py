"""The projects that the shell offers, without ever seeing an error."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path

import pytest
from programs import PROGRAM, ROOT, environment, run

from cos_update.model.concertim import Actual
from cos_update.model.openstack import Project
from cos_update.store import View, ViewStore

PROJECTS = {"a1": "CM_team_a", "a2": "CM_team_b", "c0ffee": "with spaces"}
NO_CONFIG = {"COS_UPDATE_CONFIG": "/none.yaml"}


def complete(line: str, **environ: str) -> str:
    """What Click's script for bash would be given for this line."""
    asked = {"_COS_UPDATE_COMPLETE": "bash_complete", "COMP_WORDS": line, "COMP_CWORD": str(len(line.split(" ")) - 1)}
    done = subprocess.run(PROGRAM, env=environment(environ | asked), capture_output=True, text=True, check=True)
    assert done.stderr == ""
    return " ".join(word.removeprefix("plain,") for word in done.stdout.split())


@pytest.fixture
def data_dir(tmp_path: Path) -> Path:
    projects = {key: Project(key, name) for key, name in PROJECTS.items()}
    ViewStore(tmp_path, "bulk").save(View(Actual(began=0.0), projects=projects))
    return tmp_path


@pytest.mark.parametrize(
    ("begun", "offered"),
    [
        ("", "CM_team_a CM_team_b c0ffee"),
        ("CM_team_b", "CM_team_b"),
        ("a", "a1 a2"),
        ("with", ""),
        ("x", ""),
    ],
)
def test_projects_are_offered_by_name_or_by_id(data_dir: Path, begun: str, offered: str) -> None:
    assert complete(f"cos-update --data-dir {data_dir} bulk --project {begun}", **NO_CONFIG) == offered


def test_the_data_dir_may_come_from_the_environment_or_the_configuration(data_dir: Path) -> None:
    assert complete("cos-update diff --project a1", COS_UPDATE_DATA_DIR=str(data_dir), **NO_CONFIG) == "a1"
    config = data_dir / "config.yaml"
    config.write_text(f"data_dir: {data_dir}\nodd: 1\n")
    assert complete(f"cos-update --config {config} diff --project a1") == "a1"


def test_nothing_is_offered_and_nothing_said_without_a_view(tmp_path: Path) -> None:
    assert complete("cos-update bulk --project ", **NO_CONFIG) == ""
    assert complete(f"cos-update --data-dir {tmp_path} bulk --project ", **NO_CONFIG) == ""


def test_a_damaged_view_is_nobodys_business_here(data_dir: Path) -> None:
    (data_dir / "view.pickle").write_bytes(b"garbage")
    assert complete(f"cos-update --data-dir {data_dir} bulk --project ", **NO_CONFIG) == ""
    assert (data_dir / "view.pickle").read_bytes() == b"garbage"


def test_a_line_of_the_journal_that_makes_no_sense_is_passed_over_in_silence(data_dir: Path) -> None:
    (data_dir / "view.journal").write_text('{"seq": 1}\nnonsense\n{"seq": 2}\n')
    assert complete(f"cos-update --data-dir {data_dir} bulk --project a1", **NO_CONFIG) == "a1"


def test_options_of_the_program_count_wherever_they_stand(data_dir: Path) -> None:
    assert complete(f"cos-update bulk --data-dir {data_dir} --project CM_team_b", **NO_CONFIG) == "CM_team_b"


@pytest.mark.parametrize("shell", ["bash", "zsh", "fish"])
def test_the_scripts_in_the_repository_are_those_that_the_program_prints(shell: str) -> None:
    assert run("completion", shell).stdout == (ROOT / "completions" / f"cos-update.{shell}").read_text()


def test_a_script_is_installed_where_the_shell_of_this_user_looks(tmp_path: Path) -> None:
    if os.geteuid() == 0:
        # It may read everything, or it could not load the program from below root's home.
        reads = ["--inh-caps", "+dac_read_search", "--ambient-caps", "+dac_read_search"]
        program = ["setpriv", "--reuid", "65534", "--clear-groups", *reads, *PROGRAM]
        tmp_path.chmod(0o777)
        for folder in tmp_path.parents[:3]:
            folder.chmod(0o755)
    else:
        program = PROGRAM
    homes = {"HOME": str(tmp_path), "XDG_CONFIG_HOME": "", "XDG_DATA_HOME": ""}
    subprocess.run([*program, "completion", "fish", "--install"], env=environment(homes), check=True)
    assert (tmp_path / ".config/fish/completions/cos-update.fish").read_text() == run("completion", "fish").stdout


@pytest.mark.parametrize("shell", ["bash_complete", "zsh_complete", "fish_complete"])
def test_names_act_on_no_shell_and_on_no_terminal(tmp_path: Path, shell: str) -> None:
    evil = "evil\x1b]0;owned\x07\x9b31m\u202e\nplain,injected\nplain\n$(reboot)\n_"
    projects = {"e1": Project("e1", evil), "$(reboot)": Project("$(reboot)", evil), "a\x1bb": Project("a\x1bb", "good")}
    ViewStore(tmp_path, "bulk").save(View(Actual(began=0.0), projects=projects))
    line = f"cos-update --data-dir {tmp_path} bulk --project "
    asked = {
        "_COS_UPDATE_COMPLETE": shell,
        "COMP_WORDS": line,
        "COMP_CWORD": "" if shell.startswith("fish") else "5",
        **NO_CONFIG,
    }
    done = subprocess.run(PROGRAM, env=environment(asked), capture_output=True, encoding="utf-8", check=True)
    lines = done.stdout.splitlines()
    assert all(shown.isprintable() for shown in done.stdout.replace("\t", "").split("\n"))
    assert not any(line == "$(reboot)" or line.startswith("plain,injected") for line in lines)
    assert any("e1" in line for line in lines)
    assert any("good" in line for line in lines)
