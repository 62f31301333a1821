"""`cos-update check`: every precondition, one line each."""

from __future__ import annotations

import difflib
import textwrap
from collections import Counter
from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING

import click

from cos_update.cli.context import Context, pass_context
from cos_update.cli.numbers import seconds
from cos_update.cli.output.encoding import clean, echo, json_text
from cos_update.model.exit_codes import ExitCode

if TYPE_CHECKING:
    from cos_update.preflight import Finding

SCHEMA = 1
STYLES = {"ok": "green", "warn": "yellow", "FAIL": "bold red", "skip": "dim"}
ENDING = 5.0
"""Maximum seconds from a signal to the end of the process: there is nothing to finish."""
_MARK = 6
"""Width of the mark column."""
_INDENT = 20
"""Width of the mark and name columns."""


def _known(_: click.Context, __: click.Parameter, names: tuple[str, ...]) -> tuple[str, ...]:
    for name in names:
        if name not in (known := _all_names()):
            near = " or ".join(difflib.get_close_matches(name, known)) or f"one of {', '.join(known)}"
            raise click.BadParameter(f"{name!r} is not a check. Did you mean {near}?")
    return names


def _names(_: click.Context, __: click.Parameter, incomplete: str) -> list[str]:
    return [name for name in _all_names() if name.startswith(incomplete)]


def _all_names() -> list[str]:
    from cos_update.preflight import CHECKS

    return [word for name, words in CHECKS.items() for word in (name, *words)]


@click.command(
    epilog="""\b
Examples:
  cos-update check
  cos-update check keystone rabbitmq
  cos-update check --listen-for 60
  cos-update check --json
"""
)
@click.option(
    "--listen-for",
    metavar="SECONDS",
    callback=seconds(),
    help="Wait this long for notifications, and report which services sent some.",
)
@click.option("--json", "as_json", is_flag=True, help="Print the findings as JSON.")
@click.argument("names", nargs=-1, metavar="[NAME]...", callback=_known, shell_complete=_names)
@pass_context
def check(context: Context, listen_for: float | None, as_json: bool, names: tuple[str, ...]) -> ExitCode:
    """Check every precondition, and suggest a fix for each problem.

    Tries the configuration, folders, OpenStack, RabbitMQ and Concertim with the configured credentials, and changes
    nothing. With NAMEs, tries only these: config, folders, openstack, rabbitmq, concertim, killbill, coordination, or a
    single finding (keystone, nova, queue, teams, ...). Exits with 1 if a required check fails.
    """
    from cos_update.cli.stop import stopping

    with stopping(within=ENDING, in_hand=False, untouched=""):
        findings = _tried(context, listen_for, names)
        all_of_them = list(findings) if as_json else _show(findings)
    has_failed = any(finding.status == "FAIL" for finding in all_of_them)
    if as_json:
        echo(json_text(_document(all_of_them, has_failed=has_failed)))
    return ExitCode.FAILED if has_failed else ExitCode.DONE


def _tried(context: Context, listen_for: float | None, names: tuple[str, ...]) -> Iterator[Finding]:
    from cos_update.model.errors import ConfigError
    from cos_update.preflight import run, unconfigured

    try:
        loaded = context.loaded()
        context.start_logging(loaded.settings)
    except ConfigError as error:
        yield from unconfigured(error)
        return
    yield from run(loaded, listen_for, names)


def _document(findings: Sequence[Finding], *, has_failed: bool) -> dict[str, object]:
    lines = [
        {"status": finding.status.value.lower(), "name": finding.name, "text": finding.text, "mend": finding.fix}
        for finding in findings
    ]
    return {"schema": SCHEMA, "ok": not has_failed, "findings": lines}


def _show(findings: Iterator[Finding]) -> list[Finding]:
    """Prints each finding as it comes and then the totals; returns all findings."""
    from rich.text import Text

    from cos_update.cli.output.console import console_for_tables

    out = console_for_tables()
    unicode = out.encoding.startswith("utf")
    shown = []
    for finding in findings:
        texts = [finding.text] + ([f"fix: {finding.fix}"] if finding.fix else [])
        lines = [line for text in texts for line in _wrapped(clean(text, unicode=unicode), out.width - _INDENT)]
        mark = f"{finding.status.value:<{_MARK}}", STYLES[finding.status.value]
        out.print(Text.assemble(mark, f"{finding.name:<{_INDENT - _MARK}}{lines[0]}"))
        for line in lines[1:]:
            out.print(Text(" " * _INDENT + line))
        shown.append(finding)
    counts = Counter(finding.status.value for finding in shown)
    warnings = f"{counts['warn']} warning{'' if counts['warn'] == 1 else 's'}"
    skipped = f", {counts['skip']} skipped" if counts["skip"] else ""
    out.print(f"{counts['FAIL']} failed, {warnings}, {counts['ok']} ok{skipped}")
    return shown


def _wrapped(text: str, room: int) -> list[str]:
    return textwrap.wrap(text, max(room, 20), break_on_hyphens=False) or [""]
