"""`cos-update view`: prints the view for people and scripts. Reads files of the data dir and nothing else."""

from __future__ import annotations

import sys
import time
from collections.abc import Sequence
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

import click

from cos_update.cli import options
from cos_update.cli.context import Context, pass_context
from cos_update.cli.output.encoding import clean, echo, json_text, speaks_unicode
from cos_update.model.errors import ViewError
from cos_update.model.exit_codes import ExitCode
from cos_update.store import Selection, View, ViewStore, select, to_plain

if TYPE_CHECKING:
    from rich.console import Console

_OTHER_DIR = "--data-dir, COS_UPDATE_DATA_DIR, or data_dir in config.yaml name another folder."

KINDS = ("owners", "templates", "racks", "devices")
_WATCH_EVERY = 0.5
"""Seconds between two checks of the files."""


@click.group(
    epilog="""\b
Examples:
  cos-update view dump --format racks
  cos-update view dump --format json --kind devices
"""
)
def view() -> None:
    """Inspect the view of both sides."""


@view.command(
    short_help="Print the view: tables, rack diagrams, JSON or YAML.",
    epilog="""\b
Examples:
  cos-update view dump
  cos-update view dump --project CM_team_a --status FAILED
  cos-update view dump --format racks --watch
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
    help="Output format; json and yaml hold every field.",
)
@click.option("--kind", "kinds", type=click.Choice(KINDS), multiple=True, help="Only objects of this kind; repeatable.")
@options.project
@options.rack
@options.statuses
@options.types
@click.option("--watch", is_flag=True, help="Redraw whenever the view changes, until Ctrl-C.")
@options.wide
@options.no_pager
@pass_context
def dump(
    context: Context,
    form: str,
    kinds: Sequence[str],
    projects: tuple[str, ...],
    racks: tuple[str, ...],
    statuses: tuple[str, ...],
    types: tuple[str, ...],
    watch: bool,
    wide: bool,
    no_pager: bool,
) -> ExitCode:
    """Print the view: the state of OpenStack and Concertim as of the last pass.

    Contacts neither of them; `cos-update diff` does.
    """
    if form == "racks" and kinds:
        raise click.UsageError("--kind has no effect with --format racks.")
    if watch and form not in ("racks", "table"):
        raise click.UsageError("--watch goes with --format racks or table.")
    if watch and not sys.stdout.isatty():
        raise click.UsageError("--watch needs a terminal.")
    store = view_store(context)
    selection = Selection(projects, racks, statuses, types)
    found = select(peek(store), selection)
    if form == "json":
        echo(json_text(_chosen(found, kinds), indent=2))
    elif form == "yaml":
        from cos_update.config import yaml_text

        echo(yaml_text(_chosen(found, kinds), unicode=speaks_unicode()), nl=False)
    elif watch:
        _watch(store, selection, form, kinds)
    else:
        from cos_update.cli.output.console import console, console_for_tables
        from cos_update.cli.output.pager import paged

        out = console() if form == "racks" else console_for_tables(wide=wide)
        with paged(out, wanted=not no_pager):
            _show(out, found, form, kinds, wide=wide)
    return ExitCode.DONE


def _watch(store: ViewStore, selection: Selection, form: str, kinds: Sequence[str]) -> None:
    """Redraws whenever the view, the journal or the size of the terminal changes, until KeyboardInterrupt."""
    from rich.text import Text

    from cos_update.cli.output.console import console

    drawn: object = None
    with console().screen() as screen:
        while True:
            out = console()
            current = (store.stamp(), store.seq(), out.size)
            if current != drawn:
                with out.capture() as captured:
                    _show(out, select(peek(store), selection), form, kinds)
                screen.update(Text.from_ansi(captured.get(), no_wrap=True))
                drawn = current
            time.sleep(_WATCH_EVERY)


def _show(out: Console, found: View, form: str, kinds: Sequence[str], *, wide: bool = False) -> None:
    """Prints the racks or tables, then the age of the view and what it lacks."""
    if form == "racks":
        _draw(out, found)
    else:
        from cos_update.cli.output import tables

        tables.show(out, found, kinds or KINDS, wide=wide)
    moment = datetime.fromtimestamp(found.saved_at, UTC).strftime("%Y-%m-%d %H:%M:%S UTC")
    out.print(f"\nas of {moment}, saved by {found.saved_by}", soft_wrap=True)
    for gap in found.gaps:
        out.print(clean(f"not read: {gap}", unicode=speaks_unicode()), soft_wrap=True)


def view_store(context: Context) -> ViewStore:
    """The store of the data dir in effect, for reading."""
    settings = context.folders()
    context.start_logging(settings)
    return ViewStore(settings.data_dir, "view")


def peek(store: ViewStore) -> View:
    """The view on disk. Raises ViewError if there is none."""
    found = store.peek()
    if found is None and not store.path.parent.is_dir():
        raise ViewError(f"The data dir {store.path.parent} does not exist.", _OTHER_DIR)
    if found is None:
        raise ViewError(
            f"There is no view in {store.path.parent} yet.",
            f"It is written by `cos-update bulk`. {_OTHER_DIR}",
        )
    return found


def _chosen(found: View, kinds: Sequence[str]) -> dict[str, Any]:
    plain = to_plain(found)
    if not kinds:
        return plain
    return {key: value for key, value in plain.items() if key in ("schema", "saved_at", "saved_by", *kinds)}


def _draw(out: Console, found: View) -> None:
    from rich.text import Text

    from cos_update.cli.output import rack_diagram

    for line in rack_diagram.draw(found.actual, out.width, unicode=speaks_unicode()):
        out.print(Text.assemble(*line), soft_wrap=True)
