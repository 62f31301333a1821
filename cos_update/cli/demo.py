"""`cos-update demo`: the main job against a stand-in OpenStack and a stand-in Concertim on this machine."""

from __future__ import annotations

import tempfile
import threading
from pathlib import Path
from typing import TYPE_CHECKING

import click

from cos_update.model.errors import CosUpdateError
from cos_update.model.exit_codes import ExitCode

if TYPE_CHECKING:
    from cos_update.fakes.concertim import ConcertimApp
    from cos_update.fakes.openstack import OpenStackApp


@click.command(
    epilog="""\b
Examples:
  cos-update demo
"""
)
def demo() -> ExitCode:
    """See it work, without OpenStack and without Concertim.

    Serves a small cloud and an empty Concertim on loopback, shows what differs, brings them in step, draws the racks,
    and shows that a second pass posts nothing.
    """
    try:
        from cos_update.fakes import Sandbox
        from cos_update.fakes.concertim import ConcertimApp
        from cos_update.fakes.demo import demo_cloud
        from cos_update.fakes.openstack import OpenStackApp
    except ModuleNotFoundError as error:
        raise CosUpdateError(
            f"The demo needs the stand-ins, and {error.name} is not installed.", "pip install 'cos-update[sandbox]'"
        ) from None
    state = demo_cloud()
    openstack, concertim = OpenStackApp(state), ConcertimApp()
    for project in state.projects_of(state.watcher.id):
        concertim.state.add_team(project.name.removeprefix("CM_"), project.id)
    with Sandbox(openstack, concertim), tempfile.TemporaryDirectory(prefix="cos-update-demo-") as folder:
        return _show(openstack, concertim, Path(folder))


def _show(openstack: OpenStackApp, concertim: ConcertimApp, folder: Path) -> ExitCode:
    from rich.text import Text

    from cos_update.cli.output.console import console
    from cos_update.cli.output.encoding import speaks_unicode
    from cos_update.cli.output.plan_text import show
    from cos_update.cli.output.rack_diagram import draw
    from cos_update.concertim.client import ConcertimClient
    from cos_update.model.settings import CloudSettings, ConcertimSettings, Settings
    from cos_update.openstack.inventory import CloudReader
    from cos_update.planning.report import forecast
    from cos_update.planning.summary import sections
    from cos_update.store import ViewStore
    from cos_update.sync.reconciler import RunOptions, Services, read_and_plan, run_pass

    auth = {
        "auth_url": openstack.auth_url,
        "username": "concertim",
        "password": "concertim",
        "user_domain_name": "Default",
        "project_name": "admin",
        "project_domain_name": "Default",
    }
    settings = ConcertimSettings(concertim.url, "admin", "admin")
    out = console()
    stop = threading.Event()
    with ConcertimClient(settings) as client:
        both = Services(CloudReader(CloudSettings(auth=auth)), client, ViewStore(folder, "bulk"), Settings(), settings)
        out.rule("what differs: cos-update diff --dry-run")
        snapshot = read_and_plan(both, RunOptions())
        show(out, sections(snapshot.plan, snapshot.projects))
        out.print(f"\n{forecast(snapshot.plan)}  nothing posted")
        out.rule("cos-update bulk --once")
        report, _ = run_pass(both, RunOptions(), stop)
        out.print(str(report))
        out.rule("cos-update view dump --format racks")
        view = both.store.load()
        if view is not None:
            for pieces in draw(view.actual, out.width, unicode=speaks_unicode()):
                out.print(Text.assemble(*pieces), soft_wrap=True)
        out.rule("cos-update bulk --once, again")
        again, _ = run_pass(both, RunOptions(), stop)
        out.print(f"{again}; Concertim refused {len(concertim.refusals)} requests")
    both.cloud.close()
    return ExitCode.DONE if not any(again.done.values()) and not concertim.refusals else ExitCode.FAILED
