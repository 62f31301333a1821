"""The program `cos-update`: its options and its commands."""

from __future__ import annotations

import gc
import os
import signal
import sys
import threading
from collections.abc import Sequence
from pathlib import Path
from typing import NoReturn

import click

from cos_update import __version__
from cos_update.cli import options, signals
from cos_update.cli.context import Context
from cos_update.cli.lazy import LazyCommand, LazyGroup
from cos_update.cli.output.encoding import echo, suit_the_locale
from cos_update.cli.output.streams import OutputError, discard, guard_streams
from cos_update.model.exit_codes import ExitCode

COMMANDS = {
    "bulk": LazyCommand("cos_update.cli.bulk:bulk", "Bring Concertim in line with OpenStack, once or continuously."),
    "listen": LazyCommand("cos_update.cli.listen:listen", "Post OpenStack's changes to Concertim as they occur."),
    "diff": LazyCommand(
        "cos_update.cli.diff:diff", "Show what differs between OpenStack and Concertim, and offer to post it."
    ),
    "explain": LazyCommand(
        "cos_update.cli.explain:explain", "Explain why Concertim shows an object as it does, or not at all."
    ),
    "view": LazyCommand("cos_update.cli.view:view", "Inspect the view of both sides."),
    "check": LazyCommand("cos_update.cli.check:check", "Check every precondition, and suggest a fix for each problem."),
    "takeover": LazyCommand(
        "cos_update.cli.takeover:takeover",
        "Inspect a running deployment, and report whether its update handlers can be replaced now.",
    ),
    "config": LazyCommand("cos_update.cli.config:config", "Write, show and check the configuration."),
    "status": LazyCommand(
        "cos_update.cli.status:status",
        "Report on the daemons or the last `bulk --once`, the last pass, and the view.",
    ),
    "sites": LazyCommand("cos_update.cli.sites:sites", "Show which machine holds which shards, and since when."),
    "health": LazyCommand("cos_update.cli.health:health", "Report whether a daemon is alive and making progress."),
    "completion": LazyCommand(
        "cos_update.cli.completion_script:completion", "Print or install the completion for a shell."
    ),
    "demo": LazyCommand("cos_update.cli.demo:demo", "See it work, without OpenStack and without Concertim."),
}

EPILOG = """\b
Examples:
  cos-update config sample > config.yaml
  cos-update --config config.yaml config check
  cos-update --config config.yaml bulk --once
  cos-update view dump --format racks
"""


@click.group(cls=LazyGroup, lazy=COMMANDS, epilog=EPILOG, context_settings={"help_option_names": ["-h", "--help"]})
@options.config
@options.data_dir
@options.log_dir
@options.log_format
@options.verbose
@options.quiet
@click.version_option(__version__, message="%(prog)s %(version)s")
@click.pass_context
def cli(
    ctx: click.Context,
    config: Path | None,
    data_dir: Path | None,
    log_dir: Path | None,
    log_format: str | None,
    verbose: int,
    quiet: bool,
) -> None:
    """Keep Concertim's racks and devices in sync with an OpenStack cloud."""
    if verbose and quiet:
        raise click.UsageError("-v and -q cannot go together.")
    ctx.obj = Context(config, data_dir, log_dir, log_format, -1 if quiet else verbose)


def main(arguments: Sequence[str] | None = None) -> NoReturn:
    """Runs the program and ends the process with its exit code."""
    guard_streams()
    suit_the_locale()
    signals.begin()
    code = _run(arguments)
    try:
        sys.stdout.close()
    except OutputError as error:
        code = _output_lost(error) if code in _OUTPUT_MATTERS else code
    if threading.active_count() > 1:
        # The interpreter would wait for threads, one of which may hang; all work is done.
        _end_without_them(code)
    # There is nothing left to clean up: after Ctrl-C, don't wait for the interpreter's threads.
    signal.signal(signal.SIGINT, signal.SIG_DFL)
    # The interpreter's final collection would traverse everything that a pass has read, just before the process ends.
    gc.freeze()
    sys.exit(code)


def _end_without_them(code: int) -> NoReturn:
    from cos_update.observability.logs import shut_down

    shut_down()
    os._exit(code)


_OUTPUT_MATTERS = (ExitCode.DONE, ExitCode.IN_PART, ExitCode.HELD_BACK, ExitCode.DIFFERENT)
"""The exit codes that lost output replaces; others report something worse."""


def _run(arguments: Sequence[str] | None) -> int:
    try:
        code = cli.main(arguments, prog_name="cos-update", standalone_mode=False)
    except OutputError as error:
        return _output_lost(error)
    except click.Abort:
        signal.signal(signal.SIGINT, signal.SIG_DFL)
        discard()
        signals.say("Interrupted.")
        return ExitCode.INTERRUPTED
    except click.ClickException as error:
        error.show(sys.stderr)
        return error.exit_code
    except SystemExit as end:
        if end.code == ExitCode.HUNG_UP:
            discard()
        return int(end.code or ExitCode.DONE)
    return int(code or ExitCode.DONE)


def _output_lost(error: OutputError) -> ExitCode:
    """Reports lost output, except for a closed pipe, whose reader has read enough."""
    if error.exit_code is not ExitCode.PIPE_CLOSED:
        echo(f"Error: {error}", err=True)
    return error.exit_code
