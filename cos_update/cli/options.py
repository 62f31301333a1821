"""The program's own options, and options that several commands share."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import click

from cos_update.cli.completion import project_names
from cos_update.cli.context import Context
from cos_update.cli.numbers import port

path = click.Path(path_type=Path, readable=False)
"""Not checked by Click but where the file is read, so that the error is the same wherever the name comes from."""

config = click.option(
    "--config",
    "config",
    metavar="FILE",
    type=path,
    envvar="COS_UPDATE_CONFIG",
    help="The configuration.  [default: /etc/concertim-openstack-service/config.yaml]",
)
data_dir = click.option(
    "--data-dir",
    metavar="DIR",
    type=path,
    envvar="COS_UPDATE_DATA_DIR",
    help="The folder of the view; overrides the configuration.",
)
log_dir = click.option(
    "--log-dir",
    metavar="DIR",
    type=path,
    envvar="COS_UPDATE_LOG_DIR",
    help="The folder of the log files; overrides the configuration.",
)
log_format = click.option(
    "--log-format",
    type=click.Choice(["text", "json"]),
    help="The format of log lines; overrides the configuration.",
)
verbose = click.option("-v", "--verbose", count=True, help="Print more on stderr; twice: everything, with tracebacks.")
quiet = click.option("-q", "--quiet", is_flag=True, help="Print only errors on stderr.")
project = click.option(
    "--project",
    "projects",
    metavar="P",
    multiple=True,
    shell_complete=project_names,
    help="Only this watched project (name or id); repeatable.",
)
rack = click.option(
    "--rack",
    "racks",
    metavar="R",
    multiple=True,
    help="Only this rack (name, id, or id of its stack); repeatable.",
)
statuses = click.option(
    "--status",
    "statuses",
    metavar="S",
    multiple=True,
    help="Only objects with this status (FAILED, ACTIVE, ...); repeatable.",
)
types = click.option(
    "--type",
    "types",
    type=click.Choice(["instance", "volume", "network"]),
    multiple=True,
    help="Only devices of this type; repeatable.",
)
wide = click.option("--wide", is_flag=True, help="Never cut names or omit columns, however narrow the terminal.")
no_pager = click.option("--no-pager", is_flag=True, help="Never use a pager.")
allow_deletes = click.option(
    "--allow-deletes", is_flag=True, help="Remove objects that are gone even if they exceed max_deletes percent."
)
prune_unwatched = click.option(
    "--prune-unwatched", is_flag=True, help="Remove the racks of projects that are no longer watched."
)
metrics_port = click.option(
    "--metrics-port",
    metavar="PORT",
    callback=port,
    help="Serve Prometheus metrics on this port (needs the extra `metrics`).",
)
metrics_address = click.option(
    "--metrics-address",
    metavar="ADDRESS",
    help="The address to serve metrics on.  [default: 127.0.0.1]",
)


def accepted_anywhere(command: click.Command) -> click.Command:
    """Lets a command and its subcommands accept the program's options after the command name as well as before it.

    Options after the name take precedence; each `-v` counts. They are hidden from the command's help, which would
    repeat them on every page.
    """
    if isinstance(command, click.Group):
        for below in command.commands.values():
            accepted_anywhere(below)
    taken = {name for parameter in command.params for name in parameter.opts}
    command.params.extend(option for option in _program_options() if not taken.intersection(option.opts))
    return command


def _program_options() -> list[click.Option]:
    choice = click.Choice(["text", "json"])
    return [
        _late(["--config"], lambda context, given: replace(context, config=given), type=path),
        _late(["--data-dir"], lambda context, given: replace(context, data_dir=given), type=path),
        _late(["--log-dir"], lambda context, given: replace(context, log_dir=given), type=path),
        _late(["--log-format"], lambda context, given: replace(context, log_format=given), type=choice),
        _late(["-v", "--verbose"], _more_verbose, count=True),
        _late(["-q", "--quiet"], lambda context, _: _verbosity(context, -1), is_flag=True),
    ]


def _late(names: list[str], change: Callable[[Context, Any], Context], **more: Any) -> click.Option:
    def apply(ctx: click.Context, _: click.Parameter, given: Any) -> None:
        root = ctx.find_root()
        if not given:
            return
        root.params[own_name] = given
        if isinstance(root.obj, Context):
            context = change(root.obj, given)
            inner: click.Context | None = ctx
            while inner is not None:
                inner.obj = context
                inner = inner.parent

    own_name = names[-1].lstrip("-").replace("-", "_")
    name = f"program_{own_name}"
    return click.Option([*names, name], expose_value=False, hidden=True, callback=apply, **more)


def _more_verbose(context: Context, count: int) -> Context:
    return _verbosity(context, max(context.verbosity, 0) + count)


def _verbosity(context: Context, wanted: int) -> Context:
    if wanted * context.verbosity < 0:
        raise click.UsageError("-v and -q cannot go together.")
    return replace(context, verbosity=wanted)
