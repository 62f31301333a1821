"""`cos-update bulk`: all of Concertim against all of OpenStack."""

from __future__ import annotations

import gc
import logging
import sys
from typing import TYPE_CHECKING

import click

from cos_update.cli import options
from cos_update.cli.context import Context, pass_context
from cos_update.cli.exits import Exit
from cos_update.cli.output.encoding import clean, echo, json_text

if TYPE_CHECKING:
    from cos_update.cli.observers import MetricsOptions
    from cos_update.planning.report import Report
    from cos_update.sync.reconciler import RunOptions, Services, Snapshot

log = logging.getLogger("cos_update.bulk")


@click.command(
    epilog="""\b
Examples:
  cos-update bulk --once
  cos-update bulk --once --project CM_team_a --json
  cos-update bulk --interval 300
"""
)
@click.option("--once", is_flag=True, help="One pass, then end; without it, pass after pass for ever.")
@click.option(
    "--interval",
    type=click.FloatRange(min=1),
    help="Seconds from the start of one pass to the start of the next.  [default: interval of the configuration]",
)
@options.project
@options.allow_deletes
@options.prune_unwatched
@options.metrics_port
@options.metrics_address
@click.option("--json", "as_json", is_flag=True, help="Tell what was done as JSON (with --once).")
@pass_context
def bulk(
    context: Context,
    once: bool,
    interval: float | None,
    projects: tuple[str, ...],
    allow_deletes: bool,
    prune_unwatched: bool,
    metrics_port: int | None,
    metrics_address: str | None,
    as_json: bool,
) -> Exit:
    """Bring Concertim in step with OpenStack, once or for ever."""
    if as_json and not once:
        raise click.UsageError("--json goes with --once.")
    if interval is not None and once:
        raise click.UsageError("--interval does not go with --once.")
    if metrics_port is not None and once:
        raise click.UsageError("--metrics-port does not go with --once.")
    from cos_update.cli.observers import MetricsOptions
    from cos_update.cli.setup import services
    from cos_update.sync.reconciler import RunOptions

    metrics = MetricsOptions(metrics_port, metrics_address)
    run_options = RunOptions(projects, allow_deletes, prune_unwatched)
    with services(context, "bulk", daemon=not once) as both:
        both.store.prepare()
        with both.store.sole("bulk"):
            if once:
                return _once(both, run_options, as_json=as_json, shown=context.verbosity == 0 and not as_json)
            return _forever(both, run_options, interval or both.settings.interval, metrics)


def _forever(both: Services, run_options: RunOptions, interval: float, metrics: MetricsOptions) -> Exit:
    from cos_update.cli.observers import watched
    from cos_update.cli.signals import stopping
    from cos_update.cli.supervision import StalledError, StoppedError, supervised
    from cos_update.observability.logs import begin_run
    from cos_update.observability.observer import ObserverGroup
    from cos_update.sync.daemon import BulkStatus, run_forever

    with (
        stopping(within=both.settings.shutdown_timeout) as stop,
        watched("bulk", both.store, BulkStatus(both, interval), metrics) as watcher,
    ):
        observer = ObserverGroup(watcher, stop)
        try:
            supervised(lambda: run_forever(both, run_options, stop, interval, begin_run, observer), stop, both)
        except StoppedError as stopped:
            if stopped.is_amid:
                log.warning("ended amid posting: something did not end within the shutdown timeout")
        except StalledError as stalled:
            log.critical("%s %s", stalled, stalled.hint)
            return Exit.STALLED
    return Exit.OK


def _once(both: Services, run_options: RunOptions, *, as_json: bool, shown: bool) -> Exit:
    """One pass; `shown` tells whether a person may be shown how far it is."""
    from cos_update.cli.output.progress import waiting
    from cos_update.cli.supervision import StoppedError, supervised
    from cos_update.observability.run_log import RunLog, keep_off_stderr
    from cos_update.planning.document import report_document
    from cos_update.sync.reconciler import run_pass

    if shown and sys.stdout.isatty():
        keep_off_stderr()
    run_log = RunLog()
    run_log.pass_begins()
    # The collector would look through all that is read, again and again, and it ends with the process anyway.
    gc.disable()
    with waiting(run_log, within=both.settings.shutdown_timeout, shown=shown) as (observer, stop):
        try:
            report, snapshot = supervised(lambda: run_pass(both, run_options, stop, observer), stop, both)
        except StoppedError:
            stop.leave(f"{stop.word}: what was in hand is not finished.", Exit.PARTIAL)
    run_log.pass_ends(report)
    if as_json:
        echo(json_text(report_document(report)))
    elif stop.is_set():
        stop.say(f"{stop.word}: {report}")
    else:
        _tell(report, snapshot)
    return Exit(int(report.exit_code))


def _tell(report: Report, snapshot: Snapshot) -> None:
    """Everything for a person at a terminal; for cron and pipes one line, and none when all is well."""
    from cos_update.cli.output.console import console
    from cos_update.cli.output.plan_text import show
    from cos_update.planning.report import first_words
    from cos_update.planning.summary import sections

    if sys.stdout.isatty():
        out = console()
        show(out, sections(snapshot.plan, snapshot.projects, report.outcomes))
        out.print(str(report), soft_wrap=True)
    elif not report.is_quiet:
        words = first_words(report)
        echo(clean(f"bulk: {report}" + (f": {words}" if words else "")))
