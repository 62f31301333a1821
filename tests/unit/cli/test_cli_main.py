"""The program: help, options, errors and exit codes."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import click
import pytest
from click.shell_completion import ShellComplete
from click.testing import CliRunner
from programs import PROGRAM, environment, run

from cos_update import __version__
from cos_update.cli.context import Context
from cos_update.cli.lazy import LazyCommand, LazyGroup
from cos_update.cli.main import COMMANDS, cli
from cos_update.model.errors import ViewError
from cos_update.model.exit_codes import ExitCode
from cos_update.observability.redaction import hidden


def commands(group: click.Group, path: str = "") -> Iterator[tuple[str, click.Command]]:
    yield path.strip(), group
    for name in group.list_commands(click.Context(group)):
        command = group.get_command(click.Context(group), name)
        assert command is not None
        if isinstance(command, click.Group):
            yield from commands(command, f"{path} {name}")
        else:
            yield f"{path} {name}".strip(), command


HEAVY = ("openstack", "keystoneauth1", "pika", "rich", "requests", "yaml", "aiohttp", "prometheus_client")
COMPLETING = {"_COS_UPDATE_COMPLETE": "bash_complete", "COMP_WORDS": "cos-update view d", "COMP_CWORD": "2"}


@pytest.mark.parametrize(
    ("arguments", "environ", "says"),
    [
        (["--help"], {}, "Usage: cos-update [OPTIONS] COMMAND"),
        (["--version"], {}, "cos-update "),
        (["--data-dir", "/nowhere", "health", "bulk"], {}, "bulk has never run"),
        ([], COMPLETING, "plain,dump"),
    ],
    ids=["help", "version", "health", "completion"],
)
def test_what_is_asked_often_imports_nothing_heavy(
    arguments: list[str], environ: dict[str, str], says: str, tmp_path: Path
) -> None:
    program = (
        "import sys\n"
        "from cos_update.cli.main import main\n"
        "try:\n    main(sys.argv[1:])\n"
        "finally:\n    print(sorted(sys.modules), file=sys.stderr)\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", program, *arguments],
        env=environment({"COS_UPDATE_CONFIG": str(tmp_path / "none.yaml"), **environ}),
        capture_output=True,
        encoding="utf-8",
        check=False,
    )
    assert says in done.stdout
    assert "'click'" in done.stderr
    assert [module for module in HEAVY if f"'{module}'" in done.stderr] == []


@pytest.mark.parametrize("name", COMMANDS)
def test_the_table_of_commands_says_what_the_commands_say(name: str) -> None:
    command = COMMANDS[name].load()
    assert command.name == name
    assert command.get_short_help_str(limit=200) == COMMANDS[name].short_help


@pytest.mark.parametrize(("path", "command"), list(commands(cli)))
def test_every_help_has_a_purpose_and_ends_with_examples(path: str, command: click.Command) -> None:
    result = CliRunner().invoke(cli, [*path.split(), "--help"], prog_name="cos-update")
    assert result.exit_code == 0
    assert command.help
    assert "\n  Examples:\n    " in result.output
    for line in result.output.partition("Examples:\n")[2].splitlines():
        assert "cos-update" in line


@pytest.mark.parametrize(("path", "command"), list(commands(cli)))
def test_every_help_fits_the_terminal(path: str, command: click.Command) -> None:
    result = CliRunner().invoke(cli, [*path.split(), "--help"], prog_name="cos-update")
    assert max(map(len, result.output.splitlines())) <= 80


def test_all_commands_are_listed_in_the_help() -> None:
    output = CliRunner().invoke(cli, ["--help"]).output
    assert all(f"  {name} " in output for name in COMMANDS)


def test_all_exit_codes_are_in_the_help() -> None:
    codes = CliRunner().invoke(cli, ["--help"]).output.partition("\nExit codes:\n")[2]
    for code in ExitCode:
        assert f"\n  {code.value:<5}{code.meaning[:40]}" in f"\n{codes}"


def test_the_version() -> None:
    assert run("--version").stdout == f"cos-update {__version__}\n"


def test_an_error_is_reported_in_words_with_what_to_do(tmp_path: Path) -> None:
    done = run("--config", str(tmp_path / "none.yaml"), "config", "check")
    assert (done.returncode, done.stdout) == (1, "")
    assert done.stderr.startswith(f"Error: {tmp_path}/none.yaml: no such file.\nBegin with `cos-update config sample")
    assert "Traceback" not in done.stderr


def test_the_traceback_is_for_those_who_ask_for_everything(tmp_path: Path) -> None:
    done = run("-vv", "--config", str(tmp_path / "none.yaml"), "config", "check")
    assert "Traceback" in done.stderr
    complaints = [line for line in done.stderr.splitlines() if line.startswith("Error: ")]
    assert complaints == [f"Error: {tmp_path}/none.yaml: no such file."]


def test_a_command_line_that_makes_no_sense() -> None:
    assert run("nonsense").returncode == ExitCode.USAGE
    assert run("-v", "-q", "config", "sample").returncode == ExitCode.USAGE
    assert run("view", "dump", "--format", "racks", "--kind", "racks").returncode == ExitCode.USAGE


def group_of(command: click.Command) -> LazyGroup:
    """A program with one command."""

    class Ready(LazyCommand):
        def load(self) -> click.Command:
            return command

    return LazyGroup(name="x", lazy={"run": Ready("", "")})


def test_a_bug_is_no_traceback_either() -> None:
    @click.command()
    def fail() -> None:
        raise KeyError("x")

    result = CliRunner().invoke(group_of(fail), ["run"])
    assert result.exit_code == 1
    assert result.stderr.startswith("Error: KeyError: 'x'\nThis is a bug; please report it")


def test_no_error_and_no_traceback_shows_a_secret() -> None:
    @click.command()
    def fail() -> None:
        raise KeyError("amqp://user:hunter2@host")

    result = CliRunner().invoke(group_of(fail), ["run"], obj=Context(verbosity=2))
    assert "Traceback" in result.stderr
    assert "amqp://user:***@host" in result.stderr
    assert "hunter2" not in result.stderr


def test_an_error_of_ours_shows_no_secret_that_is_known() -> None:
    @click.command()
    def fail() -> None:
        hidden.add("hunter2")
        raise ViewError("rmq.rmq_password: refused with hunter2.")

    result = CliRunner().invoke(group_of(fail), ["run"])
    hidden.clear()
    assert result.stderr == "Error: rmq.rmq_password: refused with ***.\n"


def test_an_error_of_ours_ends_with_one() -> None:
    @click.command()
    def fail() -> None:
        raise ViewError("The disk is full.", "Make room.")

    result = CliRunner().invoke(group_of(fail), ["run"])
    assert (result.exit_code, result.stderr) == (1, "Error: The disk is full.\nMake room.\n")


def test_an_error_of_the_system_names_the_file() -> None:
    @click.command()
    def fail() -> None:
        raise PermissionError(13, "Permission denied", "/some/file")

    result = CliRunner().invoke(group_of(fail), ["run"])
    assert (result.exit_code, result.stderr) == (1, "Error: /some/file: Permission denied.\n")


@pytest.mark.parametrize(
    ("error", "complaints"),
    [
        (
            OSError(24, "Too many open files"),
            "The operating system reported: Too many open files.\nThis process may open",
        ),
        (
            OSError(28, "No space left on device", "/data/x"),
            "/data/x: No space left on device.\nMake room on its disk",
        ),
        (OSError("timed out"), "The operating system reported: timed out.\n"),
    ],
)
def test_an_error_of_the_system_says_what_to_do(error: OSError, complaints: str) -> None:
    @click.command()
    def fail() -> None:
        raise error

    result = CliRunner().invoke(group_of(fail), ["run"])
    assert result.exit_code == 1
    assert result.stderr.startswith(f"Error: {complaints}")


def test_a_password_that_is_a_word_of_ours_hides_no_key_in_an_error() -> None:
    @click.command()
    def fail() -> None:
        hidden.add("concertim", "openstack", "cos-update-7")
        raise ViewError("Check concertim.verify and openstack.auth_url: concertim and cos-update-7 were refused.")

    result = CliRunner().invoke(group_of(fail), ["run"])
    hidden.clear()
    assert result.stderr == "Error: Check concertim.verify and openstack.auth_url: *** and *** were refused.\n"


MAIN = """
import sys, click
from cos_update.cli import main
from cos_update.cli.lazy import LazyCommand
@click.command()
def run():
    {body}
main.COMMANDS["run"] = LazyCommand("__main__:run", "x")
main.main(["run"])
"""


def main_with(body: str, *, stdout: int = subprocess.PIPE) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-c", MAIN.format(body=body)], env=environment(), stdout=stdout, stderr=subprocess.PIPE,
        encoding="utf-8", timeout=30, check=False,
    )  # fmt: skip


def test_what_a_command_returns_is_the_exit_code() -> None:
    assert main_with("return main.ExitCode.HELD_BACK").returncode == ExitCode.HELD_BACK
    assert main_with("return None").returncode == ExitCode.DONE


def test_a_locale_that_cannot_show_a_name_stops_nothing() -> None:
    program = [sys.executable, "-c", MAIN.format(body="print(chr(0xf6), chr(0xdce4))")]
    environ = environment({"LC_ALL": "C", "PYTHONUTF8": "0", "PYTHONCOERCECLOCALE": "0", "PYTHONIOENCODING": "ascii"})
    done = subprocess.run(program, env=environ, capture_output=True, check=True)
    assert done.stdout == b"? ?\n"


def test_ctrl_c_ends_it_quietly() -> None:
    done = main_with("raise KeyboardInterrupt")
    assert (done.returncode, done.stderr.strip()) == (130, "Interrupted.")


@pytest.mark.parametrize("body", ["click.echo('x' * 10_000_000)", "print('x' * 100)", "print('x', flush=True)"])
def test_a_reader_that_goes_away_is_no_error(body: str) -> None:
    process = subprocess.Popen(
        [sys.executable, "-c", MAIN.format(body=body)],
        env=environment(),
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
    )
    assert process.stdout is not None
    process.stdout.close()
    assert process.stderr is not None
    assert process.stderr.read() == b""
    assert process.wait(30) == ExitCode.PIPE_CLOSED
    process.stderr.close()


def test_a_reader_that_is_slow_is_waited_for_even_where_output_does_not_block() -> None:
    reader, writer = os.pipe()
    os.set_blocking(writer, False)
    process = subprocess.Popen(
        [sys.executable, "-c", MAIN.format(body="print('x' * 1_000_000)")], env=environment(), stdout=writer
    )
    os.close(writer)
    with open(reader, "rb") as stream:
        assert len(stream.read()) == 1_000_001
    assert process.wait(30) == ExitCode.DONE


def test_a_full_disk_below_stdout_is_reported() -> None:
    with open("/dev/full", "w") as full:
        done = main_with("print('x')", stdout=full.fileno())
    assert done.returncode == 1
    assert "No space left on device" in done.stderr
    assert "Traceback" not in done.stderr


def test_completion_offers_commands_without_importing_them() -> None:
    completion = ShellComplete(cli, {}, "cos-update", "_COS_UPDATE_COMPLETE")
    assert [item.value for item in completion.get_completions([], "")] == list(COMMANDS)
    assert [item.value for item in completion.get_completions([], "vi")] == ["view"]
    assert "--data-dir" in [item.value for item in completion.get_completions([], "--da")]
    assert [item.value for item in completion.get_completions(["view", "dump", "--kind"], "r")] == ["racks"]
    asked = {"_COS_UPDATE_COMPLETE": "bash_complete", "COMP_WORDS": "cos-update d", "COMP_CWORD": "1"}
    done = subprocess.run(PROGRAM, env=environment(asked), capture_output=True, encoding="utf-8", check=False)
    assert done.stdout.split() == [f"plain,{name}" for name in COMMANDS if name.startswith("d")]
