"""Serves a stand-in in a process of its own: `python -m cos_update.sandbox`.

Prints one line of JSON when it answers, `{"concertim": {"url": ..., "username": ..., "password": ...}}`, and
ends on SIGTERM or SIGINT. Faults, latency and records are asked for over HTTP: see `wire`.
"""

from __future__ import annotations

import json
import signal

import click

from cos_update.model.racks import ApiFlavour
from cos_update.sandbox.concertim import ConcertimApp
from cos_update.sandbox.server import Sandbox

ADMIN = "admin"


@click.command()
@click.option("--api", type=click.Choice([flavour.value for flavour in ApiFlavour]), default=ApiFlavour.TEAMS.value)
@click.option("--team", "teams", multiple=True, metavar="NAME=PROJECT", help="A team that stands for a project.")
@click.option("--latency", type=float, default=0.0, help="Seconds added to every answer.")
@click.option("--realistic", is_flag=True, help="Concertim's calls take as long as the real app's.")
def main(api: str, teams: tuple[str, ...], latency: float, realistic: bool) -> None:
    """Serve a stand-in Concertim."""
    concertim = ConcertimApp(ApiFlavour(api), admin_password=ADMIN, realistic_cost=realistic)
    for team in teams:
        name, _, project_id = team.partition("=")
        concertim.state.add_team(name, project_id or None)
    concertim.wire.latency = latency
    signals = {signal.SIGTERM, signal.SIGINT}
    signal.pthread_sigmask(signal.SIG_BLOCK, signals)
    with Sandbox(concertim):
        ready = {"concertim": {"url": concertim.url, "username": ADMIN, "password": ADMIN}}
        click.echo(json.dumps(ready))
        signal.sigwait(signals)


if __name__ == "__main__":
    main()
