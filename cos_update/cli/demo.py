"""`cos-update demo`: runs bulk passes against a fake OpenStack and a fake Concertim on this machine."""

from __future__ import annotations

import tempfile
import textwrap
import threading
from pathlib import Path
from typing import TYPE_CHECKING

import click

from cos_update.cli.output.encoding import echo
from cos_update.model.errors import CosUpdateError
from cos_update.model.exit_codes import ExitCode

if TYPE_CHECKING:
    from cos_update.fakes.concertim import ConcertimApp
    from cos_update.fakes.openstack import OpenStackApp


_ADMIN = "admin"
"""The name and password of the fake Concertim's root user."""
_TRY = (
    ("cos-update diff --dry-run", "show what differs, post nothing"),
    ("cos-update bulk --once", "run one pass"),
    ("cos-update view dump --format racks", "draw the racks"),
    ("cos-update explain alpha-node1", "why an object looks as it does"),
    ("cos-update check", "check every precondition"),
)
ENDING = 5.0
"""Maximum seconds from Ctrl-C to the end of the process."""
_DRAWN = ("groups", "growing")
"""The racks to draw: two that fit side by side on a page."""


@click.command(
    epilog="""\b
Examples:
  cos-update demo
"""
)
@click.option("--keep", is_flag=True, help="Keep both running until Ctrl-C, for commands in another terminal.")
def demo(keep: bool) -> ExitCode:
    """See it work, without OpenStack and without Concertim.

    Serves a small cloud and an empty Concertim on loopback, shows what differs, runs a pass, draws racks, and shows
    that a second pass posts nothing.
    """
    try:
        from cos_update.fakes import Sandbox
        from cos_update.fakes.concertim import ConcertimApp
        from cos_update.fakes.demo import demo_cloud
        from cos_update.fakes.openstack import OpenStackApp
    except ModuleNotFoundError as error:
        raise CosUpdateError(
            f"The demo needs the fakes, and {error.name} is not installed.", "pip install 'cos-update[sandbox]'"
        ) from None
    state = demo_cloud()
    openstack, concertim = OpenStackApp(state), ConcertimApp()
    for project in state.projects_of(state.watcher.id):
        concertim.state.add_team(project.name.removeprefix("CM_"), project.id)
    with Sandbox(openstack, concertim), tempfile.TemporaryDirectory(prefix="cos-update-demo-") as folder:
        code = _show(openstack, concertim, Path(folder))
        if keep:
            _keep(openstack, concertim, Path(folder))
        else:
            echo("\nTo try these on a cloud and a Concertim that keep running: cos-update demo --keep")
            _hint()
        return code


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
    from cos_update.planning.selection import only_racks
    from cos_update.planning.summary import in_short, sections
    from cos_update.store import Selection, ViewStore, select
    from cos_update.sync.reconciler import read_and_plan, run_pass
    from cos_update.sync.services import RunOptions, Services

    settings = ConcertimSettings(concertim.url, _ADMIN, _ADMIN)
    out = console()
    stop = threading.Event()
    with ConcertimClient(settings) as client:
        store = ViewStore(folder, "bulk")
        cloud = CloudReader(CloudSettings(auth=_auth(openstack)))
        both = Services(cloud, client, store, Settings(), settings)
        out.rule("what differs: cos-update diff --dry-run --summary")
        snapshot = read_and_plan(both, RunOptions())
        show(out, in_short(sections(snapshot.plan, snapshot.projects)))
        out.print(f"\n{forecast(snapshot.plan)}  nothing posted")
        out.rule(f"one rack of it: cos-update diff --dry-run --rack {_DRAWN[0]}")
        show(out, sections(only_racks(snapshot.plan, _DRAWN[:1]), snapshot.projects))
        out.rule("cos-update bulk --once")
        report, _ = run_pass(both, RunOptions(), stop)
        out.print(str(report))
        out.rule("cos-update view dump --format racks")
        view = store.load()
        if view is not None:
            drawn = select(view, Selection(racks=_DRAWN)).actual
            for pieces in draw(drawn, out.width, unicode=speaks_unicode()):
                out.print(Text.assemble(*pieces), soft_wrap=True)
        out.rule("cos-update bulk --once, again")
        again, _ = run_pass(both, RunOptions(), stop)
        out.print(str(again))
        out.print(f"Concertim refused {len(concertim.refusals)} requests")
    both.cloud.close()
    return ExitCode.DONE if not any(again.done.values()) and not concertim.refusals else ExitCode.FAILED


def _keep(openstack: OpenStackApp, concertim: ConcertimApp, folder: Path) -> None:
    """Prints how to run commands on the fakes, and waits for KeyboardInterrupt or SIGTERM."""
    import yaml

    from cos_update.cli.stop import stopping

    config = folder / "config.yaml"
    document = {
        "data_dir": str(folder),
        "log_dir": str(folder),
        "openstack": _auth(openstack),
        "concertim": {"concertim_url": concertim.url, "concertim_username": _ADMIN, "concertim_password": _ADMIN},
    }
    config.touch(0o600)
    config.write_text(yaml.safe_dump(document, sort_keys=False))
    with stopping(within=ENDING) as stop:
        echo(f"\n{config}:\n\n{textwrap.indent(config.read_text(), '    ')}")
        echo(f"In another terminal:\n\n    export COS_UPDATE_CONFIG={config}")
        _hint()
        echo("\nBoth keep running until Ctrl-C.")
        stop.wait()


def _hint() -> None:
    width = max(len(command) for command, _ in _TRY)
    for command, purpose in _TRY:
        echo(f"    {command:<{width}}  # {purpose}")


def _auth(openstack: OpenStackApp) -> dict[str, str]:
    return {
        "auth_url": openstack.auth_url,
        "username": "concertim",
        "password": "concertim",
        "user_domain_name": "Default",
        "project_name": "admin",
        "project_domain_name": "Default",
    }
