"""`cos-update config`: a configuration to begin with, the one in effect, and whether it is sound."""

from __future__ import annotations

import os
import stat
from collections.abc import Iterator
from pathlib import Path
from typing import Literal

import click

from cos_update.cli.context import Context, pass_context
from cos_update.cli.output.encoding import echo
from cos_update.model.exit_codes import ExitCode
from cos_update.model.settings import Settings

_NEEDED_BY = {"openstack": "every command", "concertim": "every command", "rmq": "listen"}


@click.group(
    epilog="""\b
Examples:
  cos-update config sample > config.yaml
  cos-update --config config.yaml config check
"""
)
def config() -> None:
    """Write, show and check the configuration."""


@config.command(
    epilog="""\b
Examples:
  cos-update config sample > config.yaml
  cos-update config sample --systemd bulk > cos-update-bulk.service
"""
)
@click.option(
    "--systemd",
    "daemon",
    type=click.Choice(["bulk", "listen"]),
    help="Print a systemd unit that runs this daemon, with the configuration and folders that are in effect.",
)
@pass_context
def sample(context: Context, daemon: Literal["bulk", "listen"] | None) -> ExitCode:
    """Print a commented configuration with every key, or a systemd unit."""
    from cos_update import config as settings_file
    from cos_update.cli.systemd import unit

    echo(settings_file.sample() if daemon is None else unit(daemon, context), nl=False)
    return ExitCode.DONE


@config.command(
    epilog="""\b
Examples:
  cos-update config show
  COS_UPDATE_DATA_DIR=/tmp/data cos-update config show
"""
)
@pass_context
def show(context: Context) -> ExitCode:
    """Print the settings in effect, defaults included, secrets hidden."""
    from cos_update import config as settings_file

    echo(settings_file.shown(context.settings()), nl=False)
    return ExitCode.DONE


@config.command(
    epilog="""\b
Examples:
  cos-update config check
  cos-update --config config.yaml config check
"""
)
@pass_context
def check(context: Context) -> ExitCode:
    """Check the configuration as far as that goes without a network.

    `cos-update check` goes further: it tries every service that the configuration names.
    """
    settings = context.settings()
    for remark in _remarks(settings):
        echo(f"warn  {remark}")
    echo(f"ok    {settings.source}")
    return ExitCode.DONE


def _remarks(settings: Settings) -> Iterator[str]:
    for section, users in _NEEDED_BY.items():
        if getattr(settings, section) is None:
            yield f"the section {section} is missing, and {users} needs it"
    yield from _authorities(settings)
    if settings.source is not None and _is_open(settings.source):
        yield f"readable by everybody: chmod 640 {settings.source}, it holds passwords"


def _authorities(settings: Settings) -> Iterator[str]:
    """The CA files that can't be used as they are."""
    from cos_update import tls

    for name in _NEEDED_BY:
        section = getattr(settings, name)
        if section is None or not isinstance(section.verify, str):
            continue
        if complaint := tls.unfit(section.verify, strict=section.verify_strict):
            yield f"{name}.verify: {complaint}"


def _is_open(path: Path) -> bool:
    return bool(os.stat(path).st_mode & stat.S_IROTH)
