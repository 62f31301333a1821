"""`cos-update explain`: why Concertim shows an object as it does, or not at all."""

from __future__ import annotations

import difflib
import shutil
import sys
import textwrap
from typing import TYPE_CHECKING

import click

from cos_update.cli.context import Context, pass_context
from cos_update.cli.output.encoding import clean, echo, json_text, speaks_unicode
from cos_update.model.errors import CosUpdateError
from cos_update.model.exit_codes import ExitCode

if TYPE_CHECKING:
    from cos_update.sync.explanation import Explanation, Picture

_WIDTH = 12
"""Width of the label column."""
_NO_LIMIT = 100_000
"""Width of output that is not a terminal: what a script reads is never cut."""


@click.command(
    epilog="""\b
Examples:
  cos-update explain alpha-node1
  cos-update explain 552f233a --offline
  cos-update explain cluster-1 --json
"""
)
@click.argument("word", metavar="NAME|ID")
@click.option("--offline", is_flag=True, help="Answer from the view without asking either side.")
@click.option("--json", "as_json", is_flag=True, help="Print the answer as JSON.")
@pass_context
def explain(context: Context, word: str, offline: bool, as_json: bool) -> ExitCode:
    """Explain why Concertim shows an object as it does, or not at all.

    Takes the name or id of a server, stack, volume, network, flavor or project of OpenStack, or of a rack, device or
    template of Concertim. Changes nothing.
    """
    from cos_update.sync.explanation import explain as explained
    from cos_update.sync.explanation import near

    picture = _from_view(context) if offline else _from_both_sides(context)
    found = explained(word, picture)
    if as_json:
        echo(json_text({"schema": 1, "found": [_document(each) for each in found]}))
    for number, each in enumerate(found if not as_json else ()):
        if number:
            echo()
        _show(each)
    if not found and not as_json:
        names = difflib.get_close_matches(word, list(near(word, picture)))
        meant = f"Did you mean {' or '.join(names)}? " if names else ""
        raise CosUpdateError(
            f"Nothing named {word!r}, or with that id, is known in the watched projects or in Concertim.",
            f"{meant}Only watched projects are read: to watch a project, give the watcher user its role there.",
        )
    return ExitCode.DONE if found else ExitCode.FAILED


def _from_both_sides(context: Context) -> Picture:
    from cos_update.cli.output.progress import waiting
    from cos_update.cli.setup import services, settings_for
    from cos_update.sync.explanation import Picture
    from cos_update.sync.reconciler import read_and_plan
    from cos_update.sync.services import RunOptions

    with services(settings_for(context, "explain"), "explain") as both:
        within, shown = both.settings.shutdown_timeout, context.verbosity == 0
        with waiting(within=within, shown=shown, posts=False) as (observer, _):
            snapshot = read_and_plan(both, RunOptions(full="for an explanation"), observer=observer)
        return Picture(
            snapshot.actual,
            snapshot.origins,
            snapshot.projects,
            snapshot.inventory.flavors,
            snapshot.plan,
            both.store.entries_since(0),
            snapshot.inventory.began,
            snapshot.actual.began,
        )


def _from_view(context: Context) -> Picture:
    from cos_update.cli.view import peek, view_store
    from cos_update.sync.explanation import Picture

    store = view_store(context)
    view = peek(store)
    return Picture(
        view.actual,
        view.origins,
        view.projects,
        journal_entries=store.entries_since(0),
        cloud_read_at=view.cloud_read_at,
        concertim_read_at=view.concertim_read_at,
        gaps=view.gaps,
    )


def _show(found: Explanation) -> None:
    ids = f"{found.openstack_id or '-'} in OpenStack, {found.concertim_id or '-'} in Concertim"
    unicode = speaks_unicode()
    width = shutil.get_terminal_size().columns if sys.stdout.isatty() else _NO_LIMIT
    echo(clean(f"{found.kind} {found.name}", unicode=unicode))
    indent = " " * (2 + _WIDTH)
    for label, text in (("ids", ids), *found.facts):
        line = clean(f"  {label:<{_WIDTH}}{text}", unicode=unicode)
        echo(textwrap.fill(line, width, subsequent_indent=indent, break_long_words=False, break_on_hyphens=False))


def _document(found: Explanation) -> dict[str, object]:
    return {
        "kind": found.kind,
        "name": found.name,
        "openstack_id": found.openstack_id or None,
        "concertim_id": found.concertim_id or None,
        "facts": [{"what": label, "text": text} for label, text in found.facts],
    }
