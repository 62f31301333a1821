"""`cos-update status`: one screen on the processes of this data dir, their last results, and the view."""

from __future__ import annotations

import shutil
import sys
import textwrap
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import click

from cos_update.cli.context import Context, pass_context
from cos_update.cli.output.encoding import clean, echo, json_text, speaks_unicode
from cos_update.model.errors import ViewError
from cos_update.model.exit_codes import ExitCode

if TYPE_CHECKING:
    from cos_update.observability.heartbeat import Heartbeat
    from cos_update.store import View

_WIDTH = 10
"""Width of the label column."""
_NO_LIMIT = 100_000
"""Width of output that is not a terminal: what a script reads is never cut."""


@dataclass(frozen=True, slots=True)
class _Process:
    """A daemon, or the last `bulk --once`, according to its heartbeat."""

    name: str
    heartbeat: Heartbeat | None
    is_well: bool
    text: str


@click.command(
    epilog="""\b
Examples:
  cos-update status
  cos-update status --json
"""
)
@click.option("--json", "as_json", is_flag=True, help="Print the status as JSON.")
@pass_context
def status(context: Context, as_json: bool) -> ExitCode:
    """Report on the daemons or the last `bulk --once`, the last pass, and the view.

    Needs only the data dir. Exits with 0 if everything that has run here is alive, else with 1, as `health` does.
    """
    settings = context.folders()
    context.start_logging(settings)
    processes = list(_processes(settings.data_dir))
    view, trouble = _view(settings.data_dir)
    is_well = bool(processes) and all(process.is_well for process in processes)
    if as_json:
        echo(json_text(_document(processes, view, trouble, is_well=is_well)))
    else:
        for word, line in _lines(settings.data_dir, processes, view, trouble):
            _print(word, line)
    return ExitCode.DONE if is_well else ExitCode.FAILED


def _processes(data_dir: Path) -> Iterator[_Process]:
    from cos_update.observability.heartbeat import evaluate, file_of, read

    now = time.time()
    for path in sorted(data_dir.glob("health-*.json")):
        name = path.stem.removeprefix("health-")
        try:
            heartbeat = read(file_of(data_dir, name))
        except ViewError as error:
            yield _Process(name, None, False, str(error))
            continue
        if heartbeat is not None:
            yield _Process(name, heartbeat, *evaluate(heartbeat, now))


def _view(data_dir: Path) -> tuple[View | None, str]:
    """The view, or None with the reason."""
    from cos_update.store import ViewStore

    try:
        found = ViewStore(data_dir, "status").peek()
    except ViewError as error:
        return None, str(error)
    return found, "" if found else "none yet: `cos-update bulk` writes it"


def _lines(data_dir: Path, processes: list[_Process], view: View | None, trouble: str) -> Iterator[tuple[str, str]]:
    yield "data dir", str(data_dir)
    if not processes:
        yield "daemons", "neither bulk nor listen has ever run with this data dir"
    for process in processes:
        yield process.name, process.text
        if process.heartbeat is not None:
            for line in _more(process.heartbeat):
                yield "", line
    if view is None:
        yield "view", trouble
        return
    actual = view.actual
    yield (
        "view",
        f"saved {_age(view.saved_at)} ago by {view.saved_by}: {len(view.projects)} projects, "
        f"{len(actual.racks)} racks, {len(actual.devices)} devices",
    )
    yield "", f"OpenStack read {_age(view.cloud_read_at)} ago, Concertim {_age(view.concertim_read_at)} ago"
    for gap in view.gaps:
        yield "", f"not read: {gap}"
    if view.resync is not None:
        yield "resync", f"requested {_age(view.resync.at)} ago: {view.resync.why}"


def _more(heartbeat: Heartbeat) -> Iterator[str]:
    """Details of the listener that its own line lacks."""
    details = heartbeat.status.details
    if isinstance(leases := details.get("leases"), dict):
        held = ", ".join(map(str, leases["held"])) or "none"
        yield f"as site {leases['site']} it holds of {leases['of']} shards: {held}"
        if leases["trouble"]:
            yield str(leases["trouble"])
    if details.get("queue_messages") is not None:
        yield f"{details['queue_messages']} messages in the queue, {details.get('unacked_messages')} unacknowledged"
    if oldest := details.get("oldest_key_seconds"):
        yield f"the oldest change has waited {float(str(oldest)):.0f} s"
    missing = details.get("missing_exchanges")
    if isinstance(missing, list) and missing:
        yield f"missing exchanges: {', '.join(map(str, missing))}"


def _age(moment: float) -> str:
    """How long ago, in the largest suitable unit."""
    seconds = max(0.0, time.time() - moment)
    for unit, size in (("d", 86400), ("h", 3600), ("min", 60)):
        if seconds >= 2 * size:
            return f"{seconds / size:.0f} {unit}"
    return f"{seconds:.0f} s"


def _print(word: str, line: str) -> None:
    width = shutil.get_terminal_size().columns if sys.stdout.isatty() else _NO_LIMIT
    text = clean(f"{word:<{_WIDTH}}{line}", unicode=speaks_unicode())
    echo(textwrap.fill(text, width, subsequent_indent=" " * _WIDTH, break_long_words=False, break_on_hyphens=False))


def _document(processes: list[_Process], view: View | None, trouble: str, *, is_well: bool) -> dict[str, object]:
    return {
        "schema": 1,
        "ok": is_well,
        "processes": [
            {
                "process": process.name,
                "ok": process.is_well,
                "text": process.text,
                "pid": process.heartbeat.pid if process.heartbeat else None,
                "host": process.heartbeat.host if process.heartbeat else None,
                "ended": process.heartbeat.ended if process.heartbeat else None,
                "details": dict(process.heartbeat.status.details) if process.heartbeat else {},
            }
            for process in processes
        ],
        "view": {
            "saved_at": view.saved_at,
            "saved_by": view.saved_by,
            "cloud_read_at": view.cloud_read_at,
            "concertim_read_at": view.concertim_read_at,
            "projects": len(view.projects),
            "racks": len(view.actual.racks),
            "devices": len(view.actual.devices),
            "gaps": list(view.gaps),
            "resync": view.resync and {"at": view.resync.at, "why": view.resync.why},
        }
        if view
        else {"error": trouble},
    }
