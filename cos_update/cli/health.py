"""`cos-update health`: a liveness probe. Supervisors run it twice a minute, so it imports next to nothing."""

from __future__ import annotations

import re
import time

import click

from cos_update.cli.context import Context, pass_context
from cos_update.cli.numbers import seconds
from cos_update.cli.output.encoding import clean, echo
from cos_update.model.exit_codes import ExitCode


def _known(_: click.Context, __: click.Parameter, daemon: str) -> str:
    if not re.fullmatch(r"bulk|listen(-\d+)?", daemon):
        raise click.BadParameter(f"{daemon!r} is not bulk, listen, or listen-N for shard N.")
    return daemon


def _names(_: click.Context, __: click.Parameter, incomplete: str) -> list[str]:
    return [name for name in ("bulk", "listen") if name.startswith(incomplete)]


@click.command(
    epilog="""\b
Examples:
  cos-update health bulk
  cos-update --data-dir /app/var/data health listen --max-age 300
"""
)
@click.argument("daemon", metavar="bulk|listen|listen-N", callback=_known, shell_complete=_names)
@click.option(
    "--max-age",
    metavar="S",
    callback=seconds(1),
    help="Maximum seconds without progress while work is due.  [default: the daemon's own limit]",
)
@pass_context
def health(context: Context, daemon: str, max_age: float | None) -> ExitCode:
    """Report whether a daemon is alive and making progress.

    Prints one line, and exits with 0 if it is, else with 1. Name one of several listeners by its shard (listen-N). A
    daemon that cannot reach OpenStack, Concertim or RabbitMQ counts as alive, since a restart would not help; its line
    says so.
    """
    from cos_update.observability.heartbeat import evaluate, file_of, read

    path = file_of(context.data_dir or context.folders().data_dir, daemon)
    heartbeat = read(path)
    if heartbeat is None:
        echo(f"{daemon} has never run with this data dir: there is no {path}")
        return ExitCode.FAILED
    alive, line = evaluate(heartbeat, time.time(), max_age)
    echo(clean(line))
    return ExitCode.DONE if alive else ExitCode.FAILED
