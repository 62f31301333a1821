"""Standard output and standard error fail in every possible way, for every command: each has its exit code.

Standard output that cannot be written ends it with 1, and a pipe that nobody reads any more with 141, as far as the
command has something to print. Standard error that cannot be written changes nothing.
"""

from __future__ import annotations

import os
import pty
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass

import click
import pytest
from daemons import until
from passes import one_pass
from world import World

from cos_update.cli.main import cli
from cos_update.fakes import Sandbox
from cos_update.fakes.concertim import ConcertimApp
from cos_update.fakes.demo import demo_cloud
from cos_update.fakes.openstack import OpenStackApp
from cos_update.model.exit_codes import ExitCode
from tests.thinned import thinned

BROKER = {"rmq_address": "127.0.0.1", "rmq_port": 9}
"""Nobody listens there."""


@dataclass(frozen=True)
class Run:
    """One way to run a command, and the exit codes that it may have when no output fails."""

    arguments: str
    codes: tuple[int, ...] = (0,)
    is_silent: bool = False
    """Whether it prints nothing to standard output."""
    until: str = ""
    """What the log of a daemon says by the time that it is ended."""


RUNS = {
    "bulk": [
        Run("bulk --once --json"),
        Run("bulk", is_silent=True, until="pass ends"),
    ],
    "listen": [Run("listen", is_silent=True, until="127.0.0.1:9")],
    "diff": [Run("diff --dry-run")],
    "view dump": [Run(f"view dump --format {form}") for form in ("table", "racks", "json", "yaml")],
    "check": [Run("check", (1,))],
    "config sample": [Run("config sample"), Run("config sample --systemd bulk")],
    "config show": [Run("config show")],
    "config check": [Run("config check")],
    "health": [Run("health bulk", (0, 1))],
    "demo": [Run("demo")],
    "explain": [Run("explain alpha-node1 --offline")],
    "completion": [Run("completion bash")],
    "status": [Run("status", (0, 1))],
    "sites": [Run("sites", (1,), is_silent=True)],
    "takeover": [Run("takeover --watch-for 0.1", (0, 1))],
}


@dataclass(frozen=True)
class Failing:
    """Bash's redirections, the exit code of what prints something, and whether standard error still works."""

    redirections: str
    code: ExitCode | None = None
    has_stderr: bool = True


FAILINGS = {
    "a full disk below stdout": Failing(">/dev/full", ExitCode.FAILED),
    "stdout closed": Failing(">&-", ExitCode.FAILED),
    "nobody reads stdout": Failing(">&{pipe}", ExitCode.PIPE_CLOSED),
    "a full disk below stderr": Failing("2>/dev/full", has_stderr=False),
    "stderr closed": Failing("2>&-", has_stderr=False),
    "nobody reads stderr": Failing("2>&{pipe}", has_stderr=False),
    "both closed": Failing(">&- 2>&-", ExitCode.FAILED, has_stderr=False),
    "all three closed": Failing("<&- >&- 2>&-", ExitCode.FAILED, has_stderr=False),
    "nobody reads either": Failing(">&{pipe} 2>&1", ExitCode.PIPE_CLOSED, has_stderr=False),
    "a terminal that has gone": Failing("<&{gone} >&{gone} 2>&1", ExitCode.FAILED, has_stderr=False),
}


def commands(group: click.Group, path: str = "") -> Iterator[tuple[str, click.Command]]:
    """Every command and group below this one, by its words."""
    context = click.Context(group)
    for name in group.list_commands(context):
        command = group.get_command(context, name)
        assert command is not None
        yield f"{path}{name}", command
        if isinstance(command, click.Group):
            yield from commands(command, f"{path}{name} ")


def test_every_command_is_run_here() -> None:
    assert set(RUNS) == {path for path, command in commands(cli) if not isinstance(command, click.Group)}


HELP = ["--help", "--version", *(f"{path} --help" for path, _ in commands(cli))]
ALL = [Run(arguments) for arguments in HELP] + [run for runs in RUNS.values() for run in runs]


@pytest.fixture(scope="module")
def shared(tmp_path_factory: pytest.TempPathFactory) -> Iterator[World]:
    """A Concertim in step with the cloud, a view of both, and no broker."""
    world = World(OpenStackApp(demo_cloud()), ConcertimApp(), tmp_path_factory.mktemp("outputs"))
    with Sandbox(world.openstack, world.concertim):
        world.add_owners()
        world.configure(rmq={**BROKER, "rmq_username": "guest", "rmq_password": "guest"})
        one_pass(world)
        yield world


@pytest.fixture
def descriptors() -> Iterator[dict[str, int]]:
    """A pipe that nobody reads any more, and a terminal that has gone."""
    reader, pipe = os.pipe()
    terminal, gone = pty.openpty()
    os.close(reader)
    os.close(terminal)
    yield {"pipe": pipe, "gone": gone}
    os.close(pipe)
    os.close(gone)


@pytest.mark.parametrize(
    ("failure", "run"),
    thinned(FAILINGS, ALL, 4),
    ids=lambda value: value.arguments if isinstance(value, Run) else value,
)
def test_it_ends_with_a_code_of_its_own(shared: World, descriptors: dict[str, int], failure: str, run: Run) -> None:
    failing = FAILINGS[failure]
    # Where standard error fails there is to be a lot of it.
    loud = [] if failing.has_stderr else ["-vv"]
    program = [sys.executable, "-m", "cos_update", "--config", str(shared.folder / "config.yaml"), *loud]
    log = Log(shared)
    process = subprocess.Popen(
        [
            "bash",
            "-c",
            f'exec "$@" {failing.redirections.format(**descriptors)}',
            "-",
            *program,
            *run.arguments.split(),
        ],
        pass_fds=list(descriptors.values()),
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
    )
    if run.until:
        until(lambda: run.until in log.news())
        process.terminate()
    out, error = process.communicate(timeout=60)
    for words in ("Traceback", "This is a bug", "Exception ignored"):
        assert words not in out + error
    if failing.code is None or run.is_silent:
        assert process.returncode in run.codes
    else:
        assert process.returncode == failing.code
        assert ("Standard output cannot be written" in error) == (failing.code == 1 and failing.has_stderr)


class Log:
    """What a daemon logs from now on."""

    def __init__(self, world: World) -> None:
        self._folder = world.folder / "log"
        self._before = {path: path.stat().st_size for path in self._folder.iterdir()}

    def news(self) -> str:
        return "".join(path.read_text()[self._before.get(path, 0) :] for path in self._folder.iterdir())
