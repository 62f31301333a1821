"""`cos-update takeover`: whether the update handlers of a deployment can be replaced safely."""

from __future__ import annotations

import contextlib
import textwrap
import time
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING

import click

from cos_update.cli.context import Context, pass_context
from cos_update.cli.numbers import seconds
from cos_update.cli.output.encoding import clean, echo, json_text
from cos_update.model.exit_codes import ExitCode

if TYPE_CHECKING:
    from cos_update.config import Loaded
    from cos_update.planning.takeover import Racks, Reason
    from cos_update.preflight.finding import Finding
    from cos_update.sync.takeover import Look

SCHEMA = 1
WATCH_FOR = 20.0
"""Seconds between the two reads of Concertim."""
_NAMED = 10
"""Maximum number of reasons of one kind to print individually."""
_INDENT = 12


@click.command(
    epilog="""\b
Examples:
  cos-update takeover
  cos-update takeover --watch-for 300
  cos-update takeover --json
"""
)
@click.option(
    "--watch-for",
    metavar="SECONDS",
    callback=seconds(0),
    help=f"Seconds between two reads of Concertim, to detect other writers.  [default: {WATCH_FOR:g}]",
)
@click.option("--json", "as_json", is_flag=True, help="Print the result as JSON.")
@pass_context
def takeover(context: Context, watch_for: float | None, as_json: bool) -> ExitCode:
    """Inspect a running deployment, and report whether its update handlers can be replaced now.

    Shows how the configuration is interpreted and what to set, who created the racks, what the first pass would change,
    and who else writes. Changes nothing. Exits with 0 only if the swap is safe: the configuration is valid, no existing
    object would be removed or recreated, and nobody else writes.
    """
    loaded = context.loaded()
    context.start_logging(loaded.settings)
    shown = context.verbosity == 0 and not as_json
    found = _look(loaded, WATCH_FOR if watch_for is None else watch_for, shown=shown)
    if as_json:
        echo(json_text(_document(loaded, found)))
    else:
        _show(loaded, found)
    return ExitCode.DONE if found.is_safe else ExitCode.FAILED


@dataclass(frozen=True, slots=True)
class _Found:
    """The reasons why the swap is not safe, and the state of both sides, None if they could not be read."""

    reasons: tuple[Reason, ...]
    racks: Racks | None = None
    look: Look | None = None

    @property
    def is_safe(self) -> bool:
        return not self.reasons


def _look(loaded: Loaded, watch_for: float, *, shown: bool) -> _Found:
    from cos_update.cli.daemon_signals import handling
    from cos_update.cli.output.progress import waiting
    from cos_update.cli.setup import services
    from cos_update.model.errors import CosUpdateError
    from cos_update.planning.takeover import Reason, racks_found, reasons_of_plan
    from cos_update.sync.takeover import look, readers_left, writers

    settings = loaded.settings
    wrong = (*(Reason("config", str(error), error.hint) for error in loaded.wrong()), *readers_left(settings))
    if settings.openstack is None or settings.concertim is None:
        return _Found((*wrong, *writers((), settings, time.time())))
    try:
        with (
            handling(),
            services(settings, "takeover") as both,
            waiting(within=settings.shutdown_timeout, shown=shown, posts=False) as (observer, _),
        ):
            seen = look(both, watch_for, observer)
    except CosUpdateError as error:
        unread = Reason("unread", str(error), error.hint or "`cos-update check` tries every precondition")
        return _Found((*wrong, unread, *writers((), settings, time.time())))
    reasons = (
        *wrong,
        *reasons_of_plan(seen.snapshot.plan, seen.snapshot.actual),
        *writers(seen.changes, settings, time.time()),
    )
    return _Found(reasons, racks_found(seen.snapshot.actual), seen)


def _document(loaded: Loaded, found: _Found) -> dict[str, object]:
    from cos_update.planning.document import plan_document

    snapshot = found.look.snapshot if found.look else None
    return {
        "schema": SCHEMA,
        "safe": found.is_safe,
        "reasons": [{"subject": r.subject, "text": r.text, "mend": r.fix} for r in found.reasons],
        "config": {
            "file": str(loaded.settings.source),
            "notes": list(loaded.notes),
            "warnings": list(loaded.warnings),
        },
        "to_decide": list(loaded.decisions),
        "racks": asdict(found.racks) if found.racks else None,
        "first_pass": plan_document(snapshot.plan, snapshot.projects) if snapshot else None,
    }


def _show(loaded: Loaded, found: _Found) -> None:
    from cos_update.cli.output.console import console
    from cos_update.cli.output.plan_text import show
    from cos_update.planning.report import forecast
    from cos_update.planning.summary import in_short, sections

    _print("config", str(loaded.settings.source))
    for note in loaded.notes:
        _print("", f"note: {note}")
    for warning in (*loaded.warnings, *_lacking(loaded)):
        _print("", f"warning: {warning}")
    for decision in loaded.decisions:
        _print("to set", decision)
    for finding in _view_findings(loaded):
        _print("view", f"view_for: {finding.text}")
    if found.racks:
        for word, text in _rack_lines(found.racks):
            _print(word, text)
    if found.look:
        snapshot = found.look.snapshot
        plan = snapshot.plan
        _print("first pass", f"{forecast(plan)} (`cos-update diff --dry-run` shows each)")
        show(console(), in_short(sections(plan, snapshot.projects)))
    _show_reasons(found)


def _lacking(loaded: Loaded) -> Iterator[str]:
    if loaded.settings.rmq is None and not loaded.is_broken("rmq"):
        yield "the section rmq is missing, which listen needs"


def _view_findings(loaded: Loaded) -> Iterator[Finding]:
    """Findings on the services that load the view."""
    from cos_update.model.errors import ViewError
    from cos_update.preflight.shared_view import shared_view
    from cos_update.store import ViewStore

    with contextlib.suppress(ViewError, OSError):  # `check` reports problems with the data dir
        yield from shared_view(loaded.settings, ViewStore(loaded.settings.data_dir, "takeover"), None)


def _rack_lines(racks: Racks) -> Iterator[tuple[str, str]]:
    counts = ", ".join(f"{count} {author}" for author, count in racks.authors.items())
    yield "racks", f"{sum(racks.authors.values())}" + (f": {counts}" if counts else "")
    yield "", f"{racks.with_order_id} of them with an order id, which is kept"
    if count := racks.templates_of_other_height:
        yield "", f"{count} templates with the second generation's height, which is kept"


def _show_reasons(found: _Found) -> None:
    if found.is_safe:
        _print("safe", "nothing would be removed or recreated, and nobody else writes: the images can be swapped")
        return
    named: dict[str, int] = {}
    for reason in found.reasons:
        named[reason.subject] = named.get(reason.subject, 0) + 1
        if named[reason.subject] <= _NAMED:
            _print("NOT SAFE", f"{reason.subject}: {reason.text}")
            if reason.fix:
                _print("", f"fix: {reason.fix}")
    for subject, count in named.items():
        if count > _NAMED:
            _print("NOT SAFE", f"{subject}: {count - _NAMED} more (--json names all)")


def _print(word: str, text: str) -> None:
    from cos_update.cli.output.console import console_for_tables

    out = console_for_tables()
    room = max(out.width - _INDENT, 20)
    for index, line in enumerate(textwrap.wrap(clean(text), room, break_on_hyphens=False) or [""]):
        out.print(f"{'' if index else word:<{_INDENT}}{line}", soft_wrap=True)
