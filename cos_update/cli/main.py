"""The program `cos-update`: its options, and the table of its commands."""

from __future__ import annotations

import contextlib
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
from cos_update.cli import options
from cos_update.cli.context import Context
from cos_update.cli.exits import Exit
from cos_update.cli.lazy import LazyCommand, LazyGroup
from cos_update.cli.output.encoding import suit_the_locale

COMMANDS = {
    "bulk": LazyCommand("cos_update.cli.bulk:bulk", "Bring Concertim in step with OpenStack, once or for ever."),
    "listen": LazyCommand("cos_update.cli.listen:listen", "Post OpenStack's changes to Concertim as they occur."),
    "diff": LazyCommand(
        "cos_update.cli.diff:diff", "Show what differs between OpenStack and Concertim, and offer to post it."
    ),
    "view": LazyCommand("cos_update.cli.view:view", "Look at what is known of both sides."),
    "check": LazyCommand("cos_update.cli.check:check", "Try every precondition, and say how to mend what is wrong."),
    "config": LazyCommand("cos_update.cli.config:config", "Write, show and check the configuration."),
    "health": LazyCommand("cos_update.cli.health:health", "Tell whether a daemon is alive and moving."),
    "demo": LazyCommand("cos_update.cli.demo:demo", "See it work, without OpenStack and without Concertim."),
}

FLUSHING = 1.0
"""Seconds to wait at the end for a standard output or error that takes nothing more."""

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
    """Keep Concertim's racks and devices true to an OpenStack cloud."""
    if verbose and quiet:
        raise click.UsageError("-v and -q cannot go together.")
    ctx.obj = Context(config, data_dir, log_dir, log_format, -1 if quiet else verbose)


def main(arguments: Sequence[str] | None = None) -> NoReturn:
    """Runs the program and ends the process with its exit code."""
    suit_the_locale()
    if os.getpid() == 1:
        # The kernel gives a container's first process no default action for this signal.
        signal.signal(signal.SIGTERM, lambda *_: os._exit(Exit.OK))
    code = _run(arguments)
    if threading.active_count() > 1:
        # The interpreter would wait for threads, of which one may hang; what had to be finished is.
        _end_without_them(code)
    # The interpreter would look once more through all that a pass has read, which ends with the process anyway.
    gc.freeze()
    sys.exit(code)


def _run(arguments: Sequence[str] | None) -> int:
    try:
        code = cli.main(arguments, prog_name="cos-update", standalone_mode=False)
        sys.stdout.flush()
    except click.Abort:
        from cos_update.cli.signals import say

        say("Interrupted.")
        return Exit.INTERRUPTED
    except click.ClickException as error:
        error.show(sys.stderr)
        return error.exit_code
    except BrokenPipeError:
        return _pipe_closed()
    return int(code or Exit.OK)


def _end_without_them(code: int) -> NoReturn:
    from cos_update.observability.logs import shut_down

    shut_down()
    flushing = threading.Thread(target=_flush, name="flush", daemon=True)
    flushing.start()
    flushing.join(FLUSHING)
    os._exit(code)


def _flush() -> None:
    for stream in (sys.stdout, sys.stderr):
        with contextlib.suppress(OSError, ValueError):
            stream.flush()


def _pipe_closed() -> int:
    """What is still buffered goes nowhere, so that Python does not complain about it at the very end."""
    with contextlib.suppress(OSError):
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
    return Exit.PIPE_CLOSED
