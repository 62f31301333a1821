"""`cos-update diff`: what differs, before it is let loose."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING

import click

from cos_update.cli import options
from cos_update.cli.context import Context, pass_context
from cos_update.cli.exits import Exit
from cos_update.cli.output.encoding import clean, echo, json_text

if TYPE_CHECKING:
    from cos_update.sync.reconciler import RunOptions, Services, Snapshot


@click.command(
    epilog="""\b
Examples:
  cos-update diff --dry-run
  cos-update diff --project CM_team_a
  cos-update diff --dry-run --format json --exit-code
  cos-update diff --yes
"""
)
@click.option("--dry-run", is_flag=True, help="Only show; nothing is written anywhere, the view included.")
@click.option("--yes", is_flag=True, help="Post what was shown without asking.")
@click.option(
    "--format", "form", type=click.Choice(["text", "json"]), default="text", show_default=True, help="For whom."
)
@click.option("--exit-code", is_flag=True, help="Exit 5 when there is a delta that was not posted.")
@options.project
@pass_context
def diff(context: Context, dry_run: bool, yes: bool, form: str, exit_code: bool, projects: tuple[str, ...]) -> Exit:
    """Show what differs between OpenStack and Concertim, and offer to post it."""
    if dry_run and yes:
        raise click.UsageError("--dry-run and --yes do not go together.")
    from cos_update.cli.output.progress import waiting
    from cos_update.cli.setup import services
    from cos_update.cli.supervision import StoppedError, supervised
    from cos_update.planning.report import plan_exit_code
    from cos_update.sync.reconciler import RunOptions, read_and_plan

    run_options = RunOptions(projects)
    shown = context.verbosity == 0 and form == "text"
    with services(context, "diff") as both:
        with waiting(within=both.settings.shutdown_timeout, shown=shown) as (observer, stop):
            try:
                snapshot = supervised(lambda: read_and_plan(both, run_options, observer=observer), stop, both)
            except StoppedError:
                stop.leave(f"{stop.word}: nothing was posted.", stop.code)
        if stop.is_set():
            stop.say(f"{stop.word}: nothing was posted.")
            return stop.code
        _show(snapshot, form)
        if snapshot.plan.actions and not dry_run and (yes or _agreed(form)):
            return _post(both, run_options, snapshot, form, shown=shown)
        if form == "text":
            unasked = snapshot.plan.actions and not dry_run and not _may_ask()
            hint = " (--yes posts it)" if unasked else ""
            echo(f"nothing posted{hint}")
        if exit_code and (snapshot.plan.actions or snapshot.plan.held):
            return Exit.DIFFERENT
        return Exit(int(plan_exit_code(snapshot.plan)))


def _show(snapshot: Snapshot, form: str) -> None:
    from cos_update.cli.output.console import console
    from cos_update.cli.output.plan_text import show
    from cos_update.planning.document import plan_document
    from cos_update.planning.report import forecast
    from cos_update.planning.summary import sections

    if form == "json":
        echo(json_text(plan_document(snapshot.plan, snapshot.projects)))
        return
    out = console()
    show(out, sections(snapshot.plan, snapshot.projects))
    out.print(f"\n{forecast(snapshot.plan)}", soft_wrap=True)


def _agreed(form: str) -> bool:
    return form == "text" and _may_ask() and click.confirm("Post this?")


def _may_ask() -> bool:
    return sys.stdin.isatty() and sys.stdout.isatty()


def _post(both: Services, run_options: RunOptions, snapshot: Snapshot, form: str, *, shown: bool) -> Exit:
    """Posts exactly what was shown, or nothing when that is not what is to be done any more."""
    import time

    from cos_update.cli.output.progress import waiting
    from cos_update.cli.supervision import StoppedError, supervised
    from cos_update.model.errors import CosUpdateError
    from cos_update.observability.run_log import RunLog
    from cos_update.planning.document import report_document
    from cos_update.planning.report import Report, first_words, report
    from cos_update.sync.reconciler import apply_and_save, known, read_and_plan

    both.store.prepare()
    within = both.settings.shutdown_timeout
    with both.store.sole("bulk"), waiting(RunLog(), within=within, shown=shown) as (observer, stop):

        def post() -> Report:
            began = time.monotonic()
            now = read_and_plan(both, run_options, observer=observer)
            if now.plan != snapshot.plan:
                text = "What was shown is no longer what is to be done; nothing posted."
                raise CosUpdateError(text, "Run diff again.")
            with both.in_hand.one():
                applied = apply_and_save(both, now, stop, observer)
                both.store.save(known(now, applied.outcomes))
            return report(now.plan, applied, time.monotonic() - began)

        try:
            done = supervised(post, stop, both)
        except StoppedError:
            stop.leave(f"{stop.word}: what was in hand is not finished.", Exit.PARTIAL)
    if form == "json":
        echo(json_text(report_document(done)))
    elif stop.is_set():
        stop.say(f"{stop.word}: {done}")
    else:
        words = first_words(done)
        echo(clean(f"{done}" + (f": {words}" if words else "")))
    return Exit(int(done.exit_code))
