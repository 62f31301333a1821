"""Every example in the help texts, run as printed."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path

import click
import pytest
from daemons import until
from engines import redis
from listening import QUEUE, Listener, queues, rmq
from passes import one_pass
from rabbit import RabbitNode
from world import World

from cos_update.cli.main import cli
from cos_update.fakes import Sandbox
from cos_update.fakes.concertim import ConcertimApp
from cos_update.fakes.demo import demo_cloud
from cos_update.fakes.openstack import OpenStackApp

ROOT = Path(__file__).parents[2]
THEIR_QUEUE = "concertim.info"


@dataclass(frozen=True)
class Case:
    """What an example needs and does: a view, a broker, a listener; its exit code and something that it prints.

    A `daemon` is ended once its log says this. `instead` is what stands for paths and times that are not for a test.
    """

    shows: str = ""
    code: int = 0
    has_view: bool = False
    has_broker: bool = False
    has_listener: bool = False
    has_engine: bool = False
    daemon: str = ""
    instead: tuple[tuple[str, str], ...] = ()


CASES = {
    "cos-update config sample > config.yaml": Case(),
    "cos-update config sample --systemd bulk > cos-update-bulk.service": Case(),
    "cos-update config sample --compose > compose.yaml": Case(),
    "cos-update config sample --kubernetes > cos-update.yaml": Case(),
    "cos-update --config config.yaml config check": Case("ok    config.yaml"),
    "cos-update config check": Case("ok    "),
    "cos-update config show": Case("default_rack_height: 42"),
    "COS_UPDATE_DATA_DIR=/tmp/data cos-update config show": Case(
        "data_dir: {folder}/elsewhere", instead=(("/tmp/data", "{folder}/elsewhere"),)
    ),
    "cos-update --config config.yaml bulk --once": Case("created), 0 refused"),
    "cos-update bulk --once": Case("created), 0 refused"),
    "cos-update bulk --once --project CM_team_a --json": Case('"exit_code": 0'),
    "cos-update bulk --interval 300": Case(daemon="pass ends"),
    "cos-update diff --dry-run": Case("nothing posted"),
    "cos-update diff --project CM_team_a --rack cluster-1": Case("nothing posted (--yes posts it)"),
    "cos-update diff --dry-run --summary --status FAILED": Case("nothing posted"),
    "cos-update diff --out changes.plan": Case("--plan changes.plan` posts it"),
    "cos-update bulk --once --plan changes.plan": Case(
        "created), 0 refused",
        instead=(("cos-update bulk", "cos-update diff --out changes.plan > shown && cos-update bulk"),),
    ),
    "cos-update diff --dry-run --format json --exit-code": Case('"totals"', code=5),
    "cos-update diff --yes": Case("created), 0 refused"),
    "cos-update explain alpha-node1": Case("+ create instance"),
    "cos-update explain 552f233a --offline": Case("stack cluster-1", has_view=True),
    "cos-update explain cluster-1 --json": Case('"kind": "stack"'),
    "cos-update view dump": Case("devices (", has_view=True),
    "cos-update view dump --format racks": Case("42U used", has_view=True),
    "cos-update view dump --project CM_team_a --status FAILED": Case("every-state", has_view=True),
    "cos-update view dump --format racks --watch": Case(code=2, has_view=True),
    "cos-update view dump --kind racks --kind devices": Case("devices (", has_view=True),
    "cos-update view dump --format json --kind devices": Case('"devices": {', has_view=True),
    "cos-update view dump --format json --kind devices | jq '.devices[].name'": Case('"alpha-login"', has_view=True),
    "cos-update check keystone rabbitmq": Case("0 failed", has_broker=True),
    "cos-update check": Case("0 failed", has_broker=True),
    "cos-update check --listen-for 60": Case("0 failed", has_broker=True, instead=(("60", "1"),)),
    "cos-update check --json": Case('"ok": true', has_broker=True),
    "cos-update takeover": Case("safe        nothing would be removed"),
    "cos-update takeover --watch-for 300": Case("0 to remove", instead=(("300", "1"),)),
    "cos-update takeover --json": Case('"safe": true'),
    "cos-update sites": Case("held by nobody, of 1 shards: 0", code=1, has_engine=True),
    "cos-update sites --json": Case('"unheld": [', code=1, has_engine=True),
    "cos-update status": Case("has ever run", code=1),
    "cos-update status --json": Case('"ok": false', code=1),
    "cos-update health bulk": Case("has never run", code=1),
    "cos-update --data-dir /app/var/data health listen --max-age 300": Case(
        "listen is alive", has_listener=True, instead=(("/app/var/data", "{folder}/data"),)
    ),
    "cos-update listen": Case(has_broker=True, daemon="consuming"),
    "cos-update listen --drain": Case(has_broker=True),
    "cos-update listen --queue concertim.info --resync": Case(has_broker=True, daemon="consuming"),
    "cos-update completion bash > cos-update.bash": Case(),
    "cos-update completion zsh": Case("#compdef cos-update"),
    "cos-update demo": Case("Concertim refused 0 requests"),
}
JQ = """#!{python}
import json, sys
for device in json.load(sys.stdin)["devices"].values():
    print(json.dumps(device["name"]))
"""


def examples(group: click.Group) -> Iterator[str]:
    """All of them, of the group and below."""
    context = click.Context(group)
    for command in (group, *(group.get_command(context, name) for name in group.list_commands(context))):
        assert command is not None
        yield from (line.strip() for line in (command.epilog or "").splitlines() if "cos-update" in line)
        if isinstance(command, click.Group) and command is not group:
            yield from examples(command)


def test_all_examples_are_known_here() -> None:
    assert set(examples(cli)) == set(CASES)


@pytest.fixture
def environ(tmp_path: Path) -> dict[str, str]:
    """A PATH with the program, and with fakes for what a machine may lack."""
    programs = {
        "cos-update": f'#!/bin/sh\nexec "{sys.executable}" -m cos_update "$@"\n',
        "less": "#!/bin/sh\nexec cat\n",
        "jq": JQ.format(python=sys.executable),
    }
    (tmp_path / "bin").mkdir()
    for name, text in programs.items():
        if shutil.which(name) and name != "cos-update":
            continue
        (tmp_path / "bin" / name).write_text(text)
        (tmp_path / "bin" / name).chmod(0o755)
    config = str(tmp_path / "config.yaml")
    path = f"{tmp_path / 'bin'}:{os.environ['PATH']}"
    return {**os.environ, "PATH": path, "PYTHONPATH": str(ROOT), "COS_UPDATE_CONFIG": config}


@pytest.fixture
def case(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[tuple[World, Case]]:
    """The world that the example needs."""
    wanted = CASES[request.param]
    world = World(OpenStackApp(demo_cloud()), ConcertimApp(), tmp_path)
    broker: RabbitNode | None = None
    if wanted.has_broker or wanted.has_listener:
        broker = request.getfixturevalue("broker")
    with Sandbox(world.openstack, world.concertim), ExitStack() as engine:
        world.add_owners()
        sections: dict[str, object] = {"rmq": rmq(broker)} if broker else {}
        if wanted.has_engine:
            sections["coordination"] = {"backend_url": engine.enter_context(redis()).url()}
        world.configure(**sections)
        if wanted.has_view:
            one_pass(world)
        if broker is None:
            yield world, wanted
            return
        with queues(broker, QUEUE, THEIR_QUEUE), broker.channel() as channel:
            for exchange in ("nova", "heat", "neutron", "keystone", "openstack"):
                channel.exchange_declare(exchange, "topic", durable=False)
            channel.queue_declare(THEIR_QUEUE)
            listener = Listener(world).consuming(broker) if wanted.has_listener else None
            yield world, wanted
            if listener:
                listener.kill()


@pytest.mark.parametrize(("example", "case"), [(example, example) for example in CASES], indirect=["case"], ids=str)
def test_it_does_what_it_says(example: str, case: tuple[World, Case], environ: dict[str, str]) -> None:
    world, wanted = case
    line = example
    for old, new in wanted.instead:
        line = line.replace(old, new.format(folder=world.folder))
    process = subprocess.Popen(
        ["bash", "-c", f"set -o pipefail; exec {line}" if wanted.daemon else f"set -o pipefail; {line}"],
        cwd=world.folder,
        env=environ,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    if wanted.daemon:
        logs = world.folder / "log"
        until(lambda: any(wanted.daemon in path.read_text() for path in logs.iterdir()), 60)
        process.terminate()
    out, error = process.communicate(timeout=60)
    assert process.returncode == wanted.code, error
    assert "Traceback" not in error
    assert wanted.shows.replace("{folder}", str(world.folder)) in out
    if "json" in line and "|" not in line:
        json.loads(out)


def test_the_sample_that_the_first_example_writes_lacks_nothing_but_what_its_reader_knows(
    tmp_path: Path, environ: dict[str, str]
) -> None:
    lines = "cos-update config sample > config.yaml && cos-update --config config.yaml config check"
    done = subprocess.run(["bash", "-c", lines], cwd=tmp_path, env=environ, capture_output=True, text=True, check=False)
    errors = [line for line in done.stderr.splitlines() if line.startswith("Error: ")]
    assert len(errors) == 6
    assert all(line.endswith(": still the sample's placeholder.") for line in errors)
