"""Serves the fakes in a separate process: `python -m cos_update.fakes`.

Prints one line of JSON when they are ready, `{"concertim": {"url": ..., "username": ..., "password": ...}}`, with
`--size` also `"openstack": {"auth_url": ..., "username": ..., "password": ..., "project": ..., "url": ...}` and the
watched `"projects"` as `{"name": "id"}`. Ends on SIGTERM or SIGINT. Faults, latency, records and changes of the cloud
are controlled over HTTP: see `wire` and `openstack.churn`.
"""

from __future__ import annotations

import gc
import json
import signal

import click

from cos_update.fakes.clouds import sized_cloud
from cos_update.fakes.concertim import ConcertimApp
from cos_update.fakes.openstack import OpenStackApp
from cos_update.fakes.openstack.state import CloudState
from cos_update.fakes.server import FakeApp, Sandbox
from cos_update.model.concertim import ApiFlavour

ADMIN = "admin"


@click.command()
@click.option("--api", type=click.Choice([flavour.value for flavour in ApiFlavour]), default=ApiFlavour.TEAMS.value)
@click.option("--team", "teams", multiple=True, metavar="NAME=PROJECT", help="A team with a project's id.")
@click.option(
    "--size", type=click.IntRange(min=0), metavar="SERVERS", help="Also serve an OpenStack with this many servers."
)
@click.option(
    "--stacks",
    type=click.IntRange(min=1),
    metavar="N",
    help="The number of their stacks.  [default: one per 10 servers]",
)
@click.option("--projects", type=click.IntRange(min=1), default=5, help="The number of watched projects.")
@click.option("--no-concertim", is_flag=True, help="Serve only the OpenStack.")
@click.option("--latency", type=float, default=0.0, help="Seconds added to every response.")
@click.option("--realistic", is_flag=True, help="Make Concertim's calls as slow as the real app's.")
def main(
    api: str,
    teams: tuple[str, ...],
    size: int | None,
    stacks: int | None,
    projects: int,
    no_concertim: bool,
    latency: float,
    realistic: bool,
) -> None:
    """Serve a fake Concertim, with --size also a fake OpenStack whose projects are its teams."""
    if no_concertim and size is None:
        raise click.UsageError("--no-concertim needs --size.")
    openstack = None if size is None else OpenStackApp(_cloud(size, stacks, projects))
    watched = {} if openstack is None else _watched(openstack.state)
    concertim = None if no_concertim else ConcertimApp(ApiFlavour(api), admin_password=ADMIN, realistic_cost=realistic)
    if concertim is not None:
        for name, project_id in [*(_named(team) for team in teams), *watched.items()]:
            concertim.state.add_team(name, project_id)
    served: list[FakeApp] = [app for app in (openstack, concertim) if app is not None]
    for app in served:
        app.wire.latency = latency
    # A large cloud is never freed: each collection would take seconds to traverse it.
    gc.collect()
    gc.freeze()
    signals = {signal.SIGTERM, signal.SIGINT}
    signal.pthread_sigmask(signal.SIG_BLOCK, signals)
    with Sandbox(*served):
        click.echo(json.dumps(_ready(openstack, concertim, watched)))
        signal.sigwait(signals)


def _named(team: str) -> tuple[str, str | None]:
    name, _, project_id = team.partition("=")
    return name, project_id or None


def _cloud(size: int, stacks: int | None, projects: int) -> CloudState:
    return sized_cloud(size, per_stack=-(-size // stacks) if stacks and size else 10, projects=projects)


def _watched(cloud: CloudState) -> dict[str, str]:
    projects = cloud.projects_of(cloud.watcher.id)
    return {project.name: project.id for project in projects if project is not cloud.admin_project}


def _ready(
    openstack: OpenStackApp | None, concertim: ConcertimApp | None, projects: dict[str, str]
) -> dict[str, object]:
    ready: dict[str, object] = {}
    if openstack is not None:
        watcher = openstack.state.watcher
        ready["openstack"] = {
            "url": openstack.url,
            "auth_url": openstack.auth_url,
            "username": watcher.name,
            "password": watcher.password,
            "project": openstack.state.admin_project.name,
        }
        ready["projects"] = projects
    if concertim is not None:
        ready["concertim"] = {"url": concertim.url, "username": ADMIN, "password": ADMIN}
    return ready


if __name__ == "__main__":
    main()
