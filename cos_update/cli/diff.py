"""`cos-update diff`: shows the plan before anything is posted."""

from __future__ import annotations

import json
import os
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import click

from cos_update.cli import options
from cos_update.cli.context import Context, pass_context
from cos_update.cli.output.encoding import clean, echo, json_text
from cos_update.cli.question import agreed
from cos_update.model.exit_codes import ExitCode

if TYPE_CHECKING:
    from cos_update.sync.services import RunOptions, Services, Snapshot


@click.command(
    epilog="""\b
Examples:
  cos-update diff --dry-run
  cos-update diff --project CM_team_a --rack cluster-1
  cos-update diff --dry-run --format json --exit-code
  cos-update diff --dry-run --summary --status FAILED
  cos-update diff --out changes.plan
  cos-update diff --yes
"""
)
@click.option("--dry-run", is_flag=True, help="Only show the plan; write nothing, not even the view.")
@click.option("--yes", is_flag=True, help="Post without asking.")
@click.option(
    "--out",
    metavar="FILE",
    type=click.Path(dir_okay=False, path_type=Path, readable=False),
    help="Save the plan to apply it with `bulk --once --plan FILE`; post nothing now.",
)
@click.option(
    "--format", "form", type=click.Choice(["text", "json"]), default="text", show_default=True, help="Output format."
)
@click.option("--summary", is_flag=True, help="Show one line for each rack, or only the totals in JSON.")
@click.option("--exit-code", is_flag=True, help="Exit with 5 if there are changes that were not posted.")
@options.project
@options.rack
@options.statuses
@options.types
@options.allow_deletes
@options.prune_unwatched
@options.wide
@options.no_pager
@pass_context
def diff(
    context: Context,
    dry_run: bool,
    yes: bool,
    out: Path | None,
    form: str,
    summary: bool,
    exit_code: bool,
    projects: tuple[str, ...],
    racks: tuple[str, ...],
    statuses: tuple[str, ...],
    types: tuple[str, ...],
    allow_deletes: bool,
    prune_unwatched: bool,
    wide: bool,
    no_pager: bool,
) -> ExitCode:
    """Show what differs between OpenStack and Concertim, and offer to post it.

    --status and --type filter only the output, and need --dry-run; --project and --rack also limit what is posted.
    """
    if dry_run and yes:
        raise click.UsageError("--dry-run and --yes do not go together.")
    if out is not None and (dry_run or yes):
        raise click.UsageError("--out cannot be used with --dry-run or --yes: it saves the plan and posts nothing.")
    if (statuses or types) and not dry_run:
        raise click.UsageError("--status and --type hide a part of what would be posted: they need --dry-run.")
    from cos_update.cli.daemon_signals import handling
    from cos_update.cli.output.progress import waiting
    from cos_update.cli.setup import services, settings_for
    from cos_update.cli.supervision import supervised
    from cos_update.planning.report import plan_exit_code
    from cos_update.sync.reconciler import read_and_plan
    from cos_update.sync.services import RunOptions

    run_options = RunOptions(projects, allow_deletes, prune_unwatched, racks, "for a diff")
    shown = context.verbosity == 0 and form == "text"
    with handling(), services(settings_for(context, "diff"), "diff") as both:
        with waiting(within=both.settings.shutdown_timeout, shown=shown, posts=False) as (observer, stop):
            snapshot = supervised(lambda: read_and_plan(both, run_options, observer=observer), stop, both)
        show = _Show(form, summary, statuses, types, wide=wide, paged=dry_run and not no_pager)
        show(snapshot)
        if out is not None:
            _save(out, both, run_options, snapshot)
        elif snapshot.plan.actions and not dry_run and (yes or _agreed(form)):
            return _post(both, run_options, snapshot, form, shown=shown)
        if form == "text":
            unasked = snapshot.plan.actions and not dry_run and not out and not _may_ask()
            hint = " (--yes posts it)" if unasked else ""
            saved = f"; `cos-update bulk --once --plan {out}` posts it" if out else ""
            echo(f"nothing posted{hint}{saved}")
        if exit_code and (snapshot.plan.actions or snapshot.plan.held):
            return ExitCode.DIFFERENT
        return plan_exit_code(snapshot.plan)


@dataclass(frozen=True, slots=True)
class _Show:
    """Prints the plan: in which format, and which part of it."""

    form: str
    summary: bool
    statuses: tuple[str, ...]
    types: tuple[str, ...]
    wide: bool
    paged: bool

    def __call__(self, snapshot: Snapshot) -> None:
        from cos_update.cli.output.console import console
        from cos_update.cli.output.pager import paged
        from cos_update.cli.output.plan_text import show
        from cos_update.planning.document import plan_document
        from cos_update.planning.report import forecast
        from cos_update.planning.selection import only_devices
        from cos_update.planning.summary import in_short, sections

        plan = only_devices(snapshot.plan, self.statuses, self.types) if self.statuses or self.types else snapshot.plan
        if self.form == "json":
            document = plan_document(plan, snapshot.projects)
            kept = ("schema", "totals") if self.summary else tuple(document)
            echo(json_text({key: document[key] for key in kept}))
            return
        out = console()
        with paged(out, wanted=self.paged):
            found = sections(plan, snapshot.projects)
            show(out, in_short(found) if self.summary else found, wide=self.wide)
            out.print(f"\n{forecast(plan)}", soft_wrap=True)


def _save(path: Path, both: Services, run_options: RunOptions, snapshot: Snapshot) -> None:
    """Writes the plan to a file that only its owner can read: stack outputs may contain passwords."""
    from cos_update.planning.saved_plan import SavedPlan, digest, saved_plan_document

    saved = SavedPlan(
        digest(snapshot.plan),
        both.openstack_address,
        both.concertim_settings.url,
        run_options.projects,
        run_options.racks,
        run_options.allow_deletes,
        run_options.prune_unwatched,
    )
    text = json.dumps(saved_plan_document(saved, snapshot.plan, snapshot.projects), indent=2, default=str)
    handle = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC, 0o600)
    with open(handle, "w") as file:
        file.write(f"{text}\n")


def _agreed(form: str) -> bool:
    return form == "text" and _may_ask() and agreed("Post this?")


def _may_ask() -> bool:
    return sys.stdin.isatty() and sys.stdout.isatty()


def _post(both: Services, run_options: RunOptions, snapshot: Snapshot, form: str, *, shown: bool) -> ExitCode:
    """Posts exactly the plan that was shown, or nothing if it is out of date."""
    import time

    from cos_update.cli.output.progress import waiting
    from cos_update.cli.supervision import StoppedError, supervised
    from cos_update.model.errors import CosUpdateError
    from cos_update.observability.run_log import RunLog
    from cos_update.planning.document import report_document
    from cos_update.planning.report import Report, first_words, report
    from cos_update.sync.reconciler import apply_and_save, known, read_and_plan, save

    if both.site is not None:
        text = "diff posts nothing where several machines post to one Concertim (section coordination)."
        raise CosUpdateError(text, "`cos-update bulk --once` posts what is this machine's to post.")
    both.store.prepare()
    within = both.settings.shutdown_timeout
    with both.store.sole("bulk"), waiting(RunLog(), within=within, shown=shown) as (observer, stop):

        def post() -> Report:
            began = time.monotonic()
            view_for = both.store.arrange(both.settings.view_for)
            now = read_and_plan(both, run_options, observer=observer, view_for=view_for)
            if now.plan != snapshot.plan:
                text = "The plan that was shown is out of date; nothing posted."
                raise CosUpdateError(text, "Run diff again.")
            with both.in_hand.one():
                applied = apply_and_save(both, now, stop, observer)
                save(both, known(now, applied.outcomes))
            return report(now.plan, applied, time.monotonic() - began)

        try:
            done = supervised(post, stop, both)
        except StoppedError:
            stop.leave(f"{stop.word}: operations in progress were not finished.", ExitCode.IN_PART)
    if form == "json":
        echo(json_text(report_document(done)))
    elif stop.is_set():
        stop.say(f"{stop.word}: {done}")
    else:
        words = first_words(done)
        echo(clean(f"{done}" + (f": {words}" if words else "")))
    return done.exit_code
