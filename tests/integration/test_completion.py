"""Tab in real shells: commands, options, choices, and the projects of the view."""

from __future__ import annotations

import os
import pty
import re
import select
import shutil
import struct
import subprocess
import sys
import termios
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from fcntl import ioctl
from pathlib import Path

import pytest

from cos_update.model.concertim import Actual
from cos_update.model.openstack import Project
from cos_update.store import View, ViewStore

ROOT = Path(__file__).parents[2]
COMPLETIONS = ROOT / "completions"
CONTROL = re.compile(r"\x1b[\[(][0-9;?]*[A-Za-z]|\x1b[=>]|\r")
"""How shells colour, clear and move; where text stands on the screen is not looked at."""
SHELLS = ("bash", "zsh", "fish")
TEAM_B = "b2c5fc0e4a8e4d1fb3b5c4a2f0d1e6a7"


@pytest.fixture
def environ(tmp_path: Path) -> dict[str, str]:
    """A PATH with the program, and a data dir whose view knows two projects; there is no config.yaml."""
    program = tmp_path / "bin" / "cos-update"
    program.parent.mkdir()
    program.write_text(f'#!/bin/sh\nexec "{sys.executable}" -m cos_update "$@"\n')
    program.chmod(0o755)
    (tmp_path / "data").mkdir()
    projects = [Project("a1", "CM_team_a"), Project(TEAM_B, "team of b; 2")]
    view = View(Actual(began=0.0), projects={project.id: project for project in projects})
    ViewStore(tmp_path / "data", "bulk").save(view)
    return {
        "PATH": f"{program.parent}:{os.environ['PATH']}",
        "PYTHONPATH": str(ROOT),
        "HOME": str(tmp_path),
        "TERM": "xterm",
        "COS_UPDATE_CONFIG": str(tmp_path / "none.yaml"),
        "COS_UPDATE_DATA_DIR": str(tmp_path / "data"),
    }


class Shell:
    """An interactive shell on a terminal: what is typed comes in as keys, in the order in which it was sent."""

    def __init__(self, terminal: int) -> None:
        self._terminal = terminal
        self._seen = ""

    def type(self, keys: str) -> None:
        os.write(self._terminal, keys.encode())

    def wait_for(self, pattern: str) -> re.Match[str]:
        """Waits for what the terminal shows, and forgets what is before its end."""
        deadline = time.monotonic() + 30
        while not (found := re.search(pattern, self._seen, re.M)):
            assert select.select([self._terminal], [], [], deadline - time.monotonic())[0], self._seen
            self._seen = CONTROL.sub("", self._seen + os.read(self._terminal, 65536).decode(errors="replace"))
        self._seen = self._seen[found.end() :]
        return found

    def line_after(self, keys: str) -> str:
        """What is in the command line when these keys were typed; it is not run."""
        self.type(f"{keys}\x01echo '<\x05>'\n")  # Ctrl-A and Ctrl-E go to its begin and end
        return self.wait_for(r"^<(.*)>$").group(1).strip()


@contextmanager
def shell(command: list[str], environ: Mapping[str, str], setup: str) -> Iterator[Shell]:
    if shutil.which(command[0]) is None:
        pytest.skip(f"{command[0]} is not installed")
    ours, theirs = pty.openpty()
    ioctl(theirs, termios.TIOCSWINSZ, struct.pack("HHHH", 50, 250, 0, 0))
    process = subprocess.Popen(
        command, env=environ, cwd=ROOT, stdin=theirs, stdout=theirs, stderr=theirs, start_new_session=True
    )
    os.close(theirs)
    try:
        opened = Shell(ours)
        opened.type(f"PS1='$ '; {setup}; echo re''ady\n")
        opened.wait_for("^ready$")
        yield opened
    finally:
        process.kill()
        process.wait()
        os.close(ours)


@pytest.fixture(params=["bash", "zsh"])
def terminal(request: pytest.FixtureRequest, environ: dict[str, str], tmp_path: Path) -> Iterator[Shell]:
    """The shell with the completion set up as the README says."""
    if request.param == "bash":
        with shell(["bash", "--norc", "--noprofile", "-i"], environ, f"source {COMPLETIONS}/cos-update.bash") as opened:
            yield opened
    else:
        shutil.copy(COMPLETIONS / "cos-update.zsh", tmp_path / "_cos-update")
        setup = f"bindkey -e; fpath=({tmp_path} $fpath); autoload -Uz compinit; compinit -u -D"
        with shell(["zsh", "-f", "-i"], environ, setup) as opened:
            yield opened


@pytest.mark.parametrize(
    ("typed", "completed"),
    [
        ("cos-update di", "cos-update diff"),
        ("cos-update view du", "cos-update view dump"),
        ("cos-update --data-d", "cos-update --data-dir"),
        ("cos-update bulk --all", "cos-update bulk --allow-deletes"),
        ("cos-update view dump --format ra", "cos-update view dump --format racks"),
        ("cos-update health li", "cos-update health listen"),
        ("cos-update --config READ", "cos-update --config README.md"),
        ("cos-update bulk --project CM", "cos-update bulk --project CM_team_a"),
        ("cos-update diff --project b2", f"cos-update diff --project {TEAM_B}"),
        ("cos-update --data-dir /none diff --project CM", "cos-update --data-dir /none diff --project CM"),
    ],
)
def test_tab_completes_what_is_begun(terminal: Shell, typed: str, completed: str) -> None:
    assert terminal.line_after(f"{typed}\t") == completed


def test_tab_twice_lists_what_there_is(terminal: Shell) -> None:
    terminal.type("cos-update view dump --format \t\t")
    terminal.wait_for(r"^table +racks +json +yaml")


@pytest.mark.skipif(shutil.which("fish") is None, reason="fish is not installed")
def test_fish_completes_too(environ: dict[str, str]) -> None:
    asked = ["cos-update di", "cos-update view dump --format ra", "cos-update bulk --project CM"]
    program = f"source {COMPLETIONS}/cos-update.fish\n" + "\n".join(f"complete -C '{line}'" for line in asked)
    done = subprocess.run(["fish", "-c", program], env=environ, capture_output=True, text=True, check=True)
    assert [line.partition("\t")[0] for line in done.stdout.splitlines()] == ["diff", "racks", "CM_team_a"]
    assert done.stderr == ""


@pytest.mark.parametrize("name", SHELLS)
def test_the_completion_files_are_current(name: str, environ: dict[str, str]) -> None:
    asked = environ | {"_COS_UPDATE_COMPLETE": f"{name}_source"}
    done = subprocess.run(["cos-update"], env=asked, capture_output=True, text=True, check=True)
    ours = (COMPLETIONS / f"cos-update.{name}").read_text()
    assert ours == done.stdout, f"_COS_UPDATE_COMPLETE={name}_source cos-update > completions/cos-update.{name}"
