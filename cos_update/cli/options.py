"""Every option that more than one command may want, and those of the program itself, each worded once."""

from __future__ import annotations

from pathlib import Path

import click

from cos_update.cli.completion import project_names

config = click.option(
    "--config",
    "config",
    metavar="FILE",
    type=click.Path(path_type=Path, readable=False),
    envvar="COS_UPDATE_CONFIG",
    help="The configuration.  [default: /etc/concertim-openstack-service/config.yaml]",
)
data_dir = click.option(
    "--data-dir",
    metavar="DIR",
    type=click.Path(path_type=Path, readable=False),
    envvar="COS_UPDATE_DATA_DIR",
    help="Where the view is kept, in place of what the configuration says.",
)
log_dir = click.option(
    "--log-dir",
    metavar="DIR",
    type=click.Path(path_type=Path, readable=False),
    envvar="COS_UPDATE_LOG_DIR",
    help="Where the log files go, in place of what the configuration says.",
)
log_format = click.option(
    "--log-format",
    type=click.Choice(["text", "json"]),
    help="How log lines look, in place of what the configuration says.",
)
verbose = click.option("-v", "--verbose", count=True, help="Say more on stderr; twice: everything, and tracebacks.")
quiet = click.option("-q", "--quiet", is_flag=True, help="Say errors only on stderr.")
project = click.option(
    "--project",
    "projects",
    metavar="P",
    multiple=True,
    shell_complete=project_names,
    help="Only this watched project (name or id); may be given several times.",
)
allow_deletes = click.option(
    "--allow-deletes", is_flag=True, help="Remove what is gone even when it is more than max_deletes percent."
)
prune_unwatched = click.option(
    "--prune-unwatched", is_flag=True, help="Remove the racks of projects that are not watched any more."
)
metrics_port = click.option(
    "--metrics-port",
    metavar="PORT",
    type=click.IntRange(1, 65535),
    help="Serve metrics for Prometheus there (needs the extra `metrics`).",
)
metrics_address = click.option(
    "--metrics-address",
    metavar="ADDRESS",
    help="The address at which metrics are served.  [default: 127.0.0.1]",
)
