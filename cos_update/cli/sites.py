"""`cos-update sites`: which machine posts what, if several do."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import TYPE_CHECKING

import click

from cos_update.cli.context import Context, pass_context
from cos_update.cli.output.encoding import clean, echo, json_text
from cos_update.model.exit_codes import ExitCode

if TYPE_CHECKING:
    from cos_update.coordination.holdings import Member


@click.command(
    epilog="""\b
Examples:
  cos-update sites
  cos-update sites --json
"""
)
@click.option("--json", "as_json", is_flag=True, help="Print it as JSON.")
@pass_context
def sites(context: Context, as_json: bool) -> ExitCode:
    """Show which machine holds which shards, and since when.

    Asks the engine that the section coordination names. Exits with 0 if every shard is held, else 1.
    """
    from cos_update.coordination.site import members
    from cos_update.model.errors import ConfigError

    # With "concertim", so that errors in the section coordination are raised too.
    settings = context.settings("concertim")
    context.start_logging(settings)
    if settings.coordination is None:
        raise ConfigError(
            f"{settings.source}: there is no section coordination: this machine is the only one.",
            "`cos-update config sample` shows what belongs into it.",
        )
    count = settings.coordination.shards
    found = members(settings.coordination)
    unheld = sorted(set(range(count)) - {shard for member in found for shard in member.held})
    if as_json:
        echo(json_text(_document(found, unheld, count)))
    else:
        for member in found:
            echo(clean(_line(member)))
        if unheld:
            echo(f"held by nobody, of {count} shards: {', '.join(map(str, unheld))}")
    return ExitCode.FAILED if unheld else ExitCode.DONE


def _line(member: Member) -> str:
    held = ", ".join(f"shard {shard} since {_moment(since)}" for shard, since in sorted(member.held.items()))
    return f"{member.site}: {held or 'stands by'}"


def _moment(since: float) -> str:
    return datetime.fromtimestamp(since, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def _document(found: tuple[Member, ...], unheld: list[int], count: int) -> dict[str, object]:
    return {
        "schema": 1,
        "shards": count,
        "sites": [
            {
                "site": member.site,
                "leases": [{"shard": shard, "since": since} for shard, since in sorted(member.held.items())],
            }
            for member in found
        ],
        "unheld": unheld,
    }
