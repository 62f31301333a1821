"""`cos-update bulk`: reconciles all of Concertim with all of OpenStack."""

from __future__ import annotations

import gc
import json
import logging
import sys
from collections.abc import Callable
from contextlib import ExitStack
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

import click

from cos_update.cli import options
from cos_update.cli.context import Context, pass_context
from cos_update.cli.numbers import seconds
from cos_update.cli.output.encoding import clean, echo, json_text
from cos_update.model.errors import CosUpdateError, LockedError
from cos_update.model.exit_codes import ExitCode

if TYPE_CHECKING:
    from cos_update.cli.observers import MetricsOptions
    from cos_update.planning.plan import Plan
    from cos_update.planning.report import Report
    from cos_update.planning.saved_plan import SavedPlan
    from cos_update.sync.services import RunOptions, Services, Snapshot

_log = logging.getLogger("cos_update.pass")


@click.command(
    epilog="""\b
Examples:
  cos-update bulk --once
  cos-update bulk --once --project CM_team_a --json
  cos-update bulk --once --plan changes.plan
  cos-update bulk --interval 300
"""
)
@click.option("--once", is_flag=True, help="Run one pass, then exit; by default passes repeat.")
@click.option(
    "--wait",
    metavar="S",
    callback=seconds(0),
    help="Seconds to wait for another running bulk (with --once) before exiting with 75.  [default: 0]",
)
@click.option(
    "--interval",
    metavar="SECONDS",
    callback=seconds(1),
    help="Seconds from the start of one pass to the start of the next.  [default: interval of the configuration]",
)
@options.project
@options.rack
@options.allow_deletes
@options.prune_unwatched
@click.option(
    "--plan",
    "plan_file",
    metavar="FILE",
    type=click.Path(dir_okay=False, path_type=Path, readable=False),
    help="Apply the plan saved by `diff --out`, if it is still current (with --once).",
)
@click.option("--full", is_flag=True, help="Read all of OpenStack, not only changes since the last pass.")
@options.metrics_port
@options.metrics_address
@click.option(
    "--metrics-file",
    metavar="FILE",
    type=click.Path(dir_okay=False, path_type=Path),
    help="Write metrics to this file for node_exporter's textfile collector (with --once; needs the extra `metrics`).",
)
@click.option("--json", "as_json", is_flag=True, help="Print the report as JSON (with --once).")
@pass_context
def bulk(
    context: Context,
    once: bool,
    wait: float | None,
    interval: float | None,
    projects: tuple[str, ...],
    racks: tuple[str, ...],
    allow_deletes: bool,
    prune_unwatched: bool,
    plan_file: Path | None,
    full: bool,
    metrics_port: int | None,
    metrics_address: str | None,
    metrics_file: Path | None,
    as_json: bool,
) -> ExitCode:
    """Bring Concertim in line with OpenStack, once or continuously."""
    only_once = {"--json": as_json, "--wait": wait is not None, "--rack": racks, "--plan": plan_file}
    only_once["--metrics-file"] = metrics_file
    only_daemon = {"--interval": interval is not None, "--metrics-port": metrics_port is not None}
    for option, given in (only_daemon if once else only_once).items():
        if given:
            raise click.UsageError(f"{option} {'does not go' if once else 'goes'} with --once.")
    if plan_file is not None and (projects or racks or allow_deletes or prune_unwatched):
        raise click.UsageError("--plan includes its own --project, --rack, --allow-deletes and --prune-unwatched.")
    from cos_update.cli.daemon_signals import handling
    from cos_update.cli.observers import MetricsOptions
    from cos_update.cli.setup import services, settings_for
    from cos_update.sync.services import RunOptions

    metrics = MetricsOptions(metrics_port, metrics_address)
    saved = _saved_plan(plan_file) if plan_file else None
    run_options = (
        RunOptions(saved.projects, saved.allow_deletes, saved.prune_unwatched, saved.racks, "for a saved plan")
        if saved
        else RunOptions(projects, allow_deletes, prune_unwatched, racks, "--full" if full else "")
    )
    if not once:
        return _daemon(context, run_options, interval, metrics)
    from cos_update.sync.sharing import granted, standing_by, taking_part

    with handling(), services(settings_for(context, "bulk"), "bulk") as both, ExitStack() as held:
        both.store.prepare()
        try:
            held.enter_context(both.store.sole("bulk", wait or 0.0))
        except LockedError as error:
            if sys.stdout.isatty():
                raise
            # Under cron every line of output becomes a mail, and the next run follows anyway.
            _log.info("nothing done: %s", error)
            return ExitCode.BUSY
        shown = context.verbosity == 0 and not as_json
        held.enter_context(taking_part(both))
        if both.site is not None and (trouble := both.site.wait_ready()):
            raise CosUpdateError(f"{trouble}.", "Check the section coordination, and the engine that it names.")
        own = held.enter_context(granted(both))
        if own is None:
            echo(f"bulk: nothing done: {standing_by(both)}", err=as_json)
            return ExitCode.DONE
        return _once(own, run_options, saved, metrics_file, as_json=as_json, shown=shown)


def _daemon(context: Context, run_options: RunOptions, interval: float | None, metrics: MetricsOptions) -> ExitCode:
    from cos_update.cli.daemon_signals import handling, hold_back
    from cos_update.cli.observers import watched
    from cos_update.cli.reload import Reload
    from cos_update.cli.setup import services, settings_for
    from cos_update.cli.stop import stopping
    from cos_update.cli.supervision import StalledError, StoppedError, supervised
    from cos_update.observability.log_lines import begin_run
    from cos_update.observability.observer import ObserverGroup
    from cos_update.store import ViewStore
    from cos_update.sync.daemon import BulkStatus, run_forever
    from cos_update.sync.sharing import taking_part

    hold_back()
    reload = Reload(context, "bulk", settings_for(context, "bulk", daemon=True))
    store = ViewStore(reload.settings.data_dir, "bulk")
    store.prepare()
    within = reload.settings.shutdown_timeout
    with store.sole("bulk"), handling(reload.hang_up), stopping(within=within) as stop:
        while not stop.is_set():
            every = interval or reload.settings.interval
            with (
                services(reload.settings, "bulk", keeps=True) as both,
                watched("bulk", both.store, BulkStatus(both, every), metrics) as watcher,
                taking_part(both),
            ):
                observer = ObserverGroup(watcher, stop)
                passes = partial(run_forever, both, run_options, stop, every, begin_run, observer, reload.wanted)
                try:
                    supervised(passes, stop, both)
                except StoppedError as stopped:
                    if stopped.is_amid:
                        _log.warning("stopped while writing: the pass did not finish within the shutdown timeout")
                except StalledError as stalled:
                    _log.critical("%s %s", stalled, stalled.hint)
                    return ExitCode.STALLED
            reload.take()
    return ExitCode.DONE


def _saved_plan(path: Path) -> SavedPlan:
    from cos_update.planning.saved_plan import saved_plan_from

    try:
        return saved_plan_from(json.loads(path.read_text()))
    except ValueError:
        raise CosUpdateError(f"{path} is not JSON.", "`cos-update diff --out FILE` saves a plan.") from None


def _approval(both: Services, saved: SavedPlan) -> Callable[[Plan], None]:
    """A check that raises CosUpdateError for a plan other than the saved one."""
    from cos_update.planning.saved_plan import digest

    for name, then, now in (
        ("OpenStack", saved.openstack, both.openstack_address),
        ("Concertim", saved.concertim, both.concertim_settings.url),
    ):
        if then != now:
            raise CosUpdateError(f"The plan was made for {name} at {then}, and this configuration names {now}.")

    def approve(plan: Plan) -> None:
        if digest(plan) != saved.digest:
            raise CosUpdateError(
                "The saved plan is out of date; nothing posted.",
                "`cos-update diff --out FILE` shows and saves the current plan.",
            )

    return approve


def _once(
    both: Services,
    run_options: RunOptions,
    saved: SavedPlan | None,
    metrics_file: Path | None,
    *,
    as_json: bool,
    shown: bool,
) -> ExitCode:
    """Runs one pass; `shown` enables the progress display."""
    from cos_update.cli.observers import observed_once
    from cos_update.cli.output.progress import waiting
    from cos_update.cli.supervision import StoppedError, supervised
    from cos_update.observability.run_log import keep_off_stderr
    from cos_update.planning.document import report_document
    from cos_update.sync.reconciler import run_pass

    if shown and sys.stdout.isatty():
        keep_off_stderr()
    # The collector would traverse everything that is read over and over, and the process ends soon anyway.
    gc.disable()
    approve = _approval(both, saved) if saved else lambda _: None
    within = both.settings.shutdown_timeout
    with (
        observed_once(both, metrics_file) as observers,
        waiting(observers, within=within, shown=shown) as (observer, stop),
    ):
        observers.pass_begins()
        try:
            report, snapshot = supervised(lambda: run_pass(both, run_options, stop, observer, approve), stop, both)
        except StoppedError:
            stop.leave(f"{stop.word}: operations in progress were not finished.", ExitCode.IN_PART)
        except CosUpdateError as error:
            # stderr has it once already, as the command's own error.
            keep_off_stderr()
            observers.pass_failed(error)
            raise
        observers.pass_ends(report)
    if as_json:
        echo(json_text(report_document(report)))
    elif stop.is_set():
        stop.say(f"{stop.word}: {report}")
    else:
        _tell(report, snapshot)
    return report.exit_code


def _tell(report: Report, snapshot: Snapshot) -> None:
    """Prints the whole report on a terminal; for cron and pipes one line, and nothing when all is well."""
    from cos_update.planning.report import first_words

    if sys.stdout.isatty():
        from cos_update.cli.output.console import console
        from cos_update.cli.output.plan_text import show
        from cos_update.planning.summary import sections

        out = console()
        show(out, sections(snapshot.plan, snapshot.projects, report.outcomes))
        out.print(str(report), soft_wrap=True)
    elif not report.is_quiet:
        words = first_words(report)
        echo(clean(f"bulk: {report}" + (f": {words}" if words else "")))
