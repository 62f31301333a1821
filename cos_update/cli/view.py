"""`cos-update view`: what the view holds, for people and for scripts. Reads one file and nothing else."""

from __future__ import annotations

import json
import sys
from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Any

import click

from cos_update.cli.context import Context, pass_context
from cos_update.cli.output.encoding import clean, echo, speaks_unicode
from cos_update.model.errors import ViewError
from cos_update.model.exit_codes import ExitCode
from cos_update.store import View, ViewStore, to_plain

_OTHER_DIR = "--data-dir, COS_UPDATE_DATA_DIR, or data_dir in config.yaml name another folder."

KINDS = ("owners", "templates", "racks", "devices")


@click.group(
    epilog="""\b
Examples:
  cos-update view dump --format racks
  cos-update view dump --format json --kind devices
"""
)
def view() -> None:
    """Look at what is known of both sides."""


@view.command(
    short_help="Print the view: tables, racks as they stand, JSON or YAML.",
    epilog="""\b
Examples:
  cos-update view dump
  cos-update view dump --format racks | less
  cos-update view dump --kind racks --kind devices
  cos-update view dump --format json --kind devices | jq '.devices[].name'
""",
)
@click.option(
    "--format",
    "form",
    type=click.Choice(["table", "racks", "json", "yaml"]),
    default="table",
    show_default=True,
    help="Tables, the racks as they stand, or everything for machines.",
)
@click.option(
    "--kind", "kinds", type=click.Choice(KINDS), multiple=True, help="Only these; may be given several times."
)
@pass_context
def dump(context: Context, form: str, kinds: Sequence[str]) -> ExitCode:
    """Print the view: what is known of OpenStack and Concertim since the last pass.

    Nothing is asked of either; `cos-update diff` does that.
    """
    if form == "racks" and kinds:
        raise click.UsageError("--kind says nothing with --format racks.")
    found = _load(context)
    match form:
        case "json":
            json.dump(_chosen(found, kinds), sys.stdout, indent=2, ensure_ascii=not speaks_unicode())
            echo()
        case "yaml":
            import yaml

            yaml.safe_dump(_chosen(found, kinds), sys.stdout, sort_keys=False, allow_unicode=speaks_unicode())
        case "racks":
            _draw(found)
        case _:
            from cos_update.cli.output import tables
            from cos_update.cli.output.console import console_for_tables

            tables.show(console_for_tables(), found, kinds or KINDS)
    if form in ("table", "racks"):
        _sign(found)
    return ExitCode.DONE


def _sign(found: View) -> None:
    """Says how old and how whole the picture is."""
    moment = datetime.fromtimestamp(found.saved_at, UTC).strftime("%Y-%m-%d %H:%M:%S UTC")
    echo(f"\nas of {moment}, saved by {found.saved_by}")
    for gap in found.gaps:
        echo(clean(f"not read: {gap}"))


def _load(context: Context) -> View:
    settings = context.folders()
    context.start_logging(settings)
    store = ViewStore(settings.data_dir, "view")
    found = store.peek()
    if found is None and not settings.data_dir.is_dir():
        raise ViewError(f"The data dir {settings.data_dir} does not exist.", _OTHER_DIR)
    if found is None:
        raise ViewError(
            f"There is no view in {settings.data_dir} yet.",
            f"It is written by `cos-update bulk`. {_OTHER_DIR}",
        )
    return found


def _chosen(found: View, kinds: Sequence[str]) -> dict[str, Any]:
    plain = to_plain(found)
    if not kinds:
        return plain
    return {key: value for key, value in plain.items() if key in ("schema", "saved_at", "saved_by", *kinds)}


def _draw(found: View) -> None:
    from rich.text import Text

    from cos_update.cli.output import rack_diagram
    from cos_update.cli.output.console import console

    out = console()
    for line in rack_diagram.draw(found.actual, out.width, unicode=speaks_unicode()):
        out.print(Text.assemble(*line), soft_wrap=True)
