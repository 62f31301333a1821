"""`cos-update check`: every precondition, one line each."""

from __future__ import annotations

import json
import textwrap
from collections.abc import Sequence
from typing import TYPE_CHECKING

import click

from cos_update.cli.context import Context, pass_context
from cos_update.cli.exits import Exit

if TYPE_CHECKING:
    from cos_update.checks import Finding

SCHEMA = 1
STYLES = {"ok": "green", "warn": "yellow", "FAIL": "bold red", "skip": "dim"}
_INDENT = 20
"""Columns of the mark, and of what was looked at."""


@click.command(
    epilog="""\b
Examples:
  cos-update check
  cos-update check --listen-for 60
  cos-update check --json
"""
)
@click.option(
    "--listen-for",
    metavar="SECONDS",
    type=click.FloatRange(min=0, min_open=True),
    help="Wait so long for notifications, and say which services sent some.",
)
@click.option("--json", "as_json", is_flag=True, help="Print the findings as JSON.")
@pass_context
def check(context: Context, listen_for: float | None, as_json: bool) -> Exit:
    """Try every precondition, and say how to mend what is wrong.

    Configuration, folders, OpenStack, RabbitMQ and Concertim are tried with the credentials of the configuration;
    nothing is changed anywhere. Exits with 1 when something that is needed fails.
    """
    from cos_update.checks import Finding, Status, run
    from cos_update.model.errors import ConfigError

    try:
        loaded = context.loaded()
        context.start_logging(loaded.settings)
        findings = list(run(loaded.settings, loaded.warnings, listen_for))
    except ConfigError as error:
        findings = [Finding(Status.FAIL, "config", str(error), error.hint)]
    has_failed = any(finding.status is Status.FAIL for finding in findings)
    if as_json:
        click.echo(json.dumps(_document(findings, has_failed=has_failed), ensure_ascii=False))
    else:
        _show(findings)
    return Exit.FAILED if has_failed else Exit.OK


def _document(findings: Sequence[Finding], *, has_failed: bool) -> dict[str, object]:
    lines = [
        {"status": finding.status.value.lower(), "name": finding.name, "text": finding.text, "mend": finding.mend}
        for finding in findings
    ]
    return {"schema": SCHEMA, "ok": not has_failed, "findings": lines}


def _show(findings: Sequence[Finding]) -> None:
    from rich.text import Text

    from cos_update.cli.terminal import console_for_tables
    from cos_update.cli.words import clean

    out = console_for_tables()
    unicode = out.encoding.startswith("utf")
    for finding in findings:
        texts = [finding.text] + ([f"mend: {finding.mend}"] if finding.mend else [])
        lines = [line for text in texts for line in _wrapped(clean(text, unicode=unicode), out.width - _INDENT)]
        mark = Text(f"{finding.status.value:<6}", STYLES[finding.status.value])
        out.print(mark + Text(f"{finding.name:<{_INDENT - 6}}{lines[0]}"))
        for line in lines[1:]:
            out.print(Text(" " * _INDENT + line))
    counts = {name: sum(finding.status.value == name for finding in findings) for name in STYLES}
    out.print(f"{counts['FAIL']} failed, {counts['warn']} warnings, {counts['ok']} in order")


def _wrapped(text: str, room: int) -> list[str]:
    return textwrap.wrap(text, max(room, 20), break_on_hyphens=False) or [""]
