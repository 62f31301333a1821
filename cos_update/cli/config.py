"""`cos-update config`: prints a sample configuration, shows the one in effect, and validates it."""

from __future__ import annotations

import os
import stat
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Literal

import click

from cos_update.cli.context import Context, pass_context
from cos_update.cli.output.encoding import echo
from cos_update.model.exit_codes import ExitCode

if TYPE_CHECKING:
    from cos_update.config import Loaded
    from cos_update.model.settings import Settings


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
  cos-update config sample --compose > compose.yaml
  cos-update config sample --kubernetes > cos-update.yaml
"""
)
@click.option(
    "--systemd",
    "daemon",
    type=click.Choice(["bulk", "listen"]),
    help="Print a systemd unit that runs this daemon with the configuration and folders in effect.",
)
@click.option(
    "--compose",
    is_flag=True,
    help="Print a Compose file with both daemons, with the configuration and folders in effect mounted.",
)
@click.option("--kubernetes", is_flag=True, help="Print a Kubernetes manifest with both daemons, to be completed.")
@pass_context
def sample(context: Context, daemon: Literal["bulk", "listen"] | None, compose: bool, kubernetes: bool) -> ExitCode:
    """Print a commented configuration with every key, or a file to run the daemons: systemd, Compose or Kubernetes."""
    if (daemon is not None) + compose + kubernetes > 1:
        raise click.UsageError("--systemd, --compose and --kubernetes do not go together.")
    echo(_sample(context, daemon, compose=compose, kubernetes=kubernetes), nl=False)
    return ExitCode.DONE


def _sample(context: Context, daemon: Literal["bulk", "listen"] | None, *, compose: bool, kubernetes: bool) -> str:
    from cos_update import config as settings_file
    from cos_update.cli.compose import compose_file
    from cos_update.cli.installation import Installation
    from cos_update.cli.kubernetes import manifest
    from cos_update.cli.systemd import unit

    if daemon is not None:
        return unit(daemon, context, Installation.of(context))
    if compose:
        return compose_file(Installation.of(context))
    return manifest(Installation.of(context)) if kubernetes else settings_file.sample()


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
    """Check the configuration without using the network.

    Prints how values were interpreted (note), decisions left to you (decide), oddities (warn), and every error.
    `cos-update check` goes further: it tries every service that the configuration names.
    """
    loaded = context.loaded()
    if context.verbosity >= 0:
        for warning in loaded.warnings:
            echo(f"Warning: {warning}", err=True)
    for note in loaded.notes:
        echo(f"note  {note}")
    for decision in loaded.decisions:
        echo(f"decide {decision}")
    for remark in _remarks(loaded):
        echo(f"warn  {remark}")
    loaded.need_all()
    echo(f"ok    {loaded.settings.source}")
    return ExitCode.DONE


def _remarks(loaded: Loaded) -> Iterator[str]:
    if loaded.settings.rmq is None and not loaded.is_broken("rmq"):
        yield "the section rmq is missing, which listen needs"
    yield from _authorities(loaded.settings)
    source = loaded.settings.source
    if source is not None and _is_open(source):
        yield f"contains passwords and is world-readable: chmod 640 {source}"


def _authorities(settings: Settings) -> Iterator[str]:
    """Warnings for CA files that cannot be used as they are."""
    from cos_update import tls
    from cos_update.config.keys import SECTIONS

    for name in SECTIONS:
        section = getattr(settings, name)
        if section is None or not isinstance(section.verify, str):
            continue
        if complaint := tls.unfit(section.verify, strict=section.verify_strict):
            yield f"{name}.verify: {complaint}"


def _is_open(path: Path) -> bool:
    return bool(os.stat(path).st_mode & stat.S_IROTH)
