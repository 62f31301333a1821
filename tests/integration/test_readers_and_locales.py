"""Readers of the output that do not support Unicode, or go away: every command copes."""

from __future__ import annotations

import json
import os
import subprocess
import sys

import pytest
from world import World

from cos_update.fakes.wire import Fault, FaultKind

UMLAUT = "Knoten_\u00f6\u4e2d"
C = {"LC_ALL": "C"}
LATIN = {"PYTHONIOENCODING": "iso8859-1"}
OTHERS = [
    {"LC_ALL": "POSIX", "LANG": "en_US.UTF-8"},
    {"LC_ALL": "C", "PYTHONUTF8": "0", "PYTHONCOERCECLOCALE": "0"},
    {"PYTHONIOENCODING": "ascii"},
]
WITH_NAMES = [
    ["bulk", "--once"],
    ["bulk", "--once", "--json"],
    ["diff", "--dry-run"],
    ["diff", "--dry-run", "--format", "json"],
    ["diff", "--yes"],
    *(["view", "dump", "--format", form] for form in ("table", "racks", "json", "yaml")),
    ["check"],
    ["check", "--json"],
    ["demo"],
]


@pytest.fixture(autouse=True)
def prepared(world: World) -> None:
    """A view, one thing to post, one thing that is refused for a reason with an umlaut, and one that can't be read."""
    world.bulk()
    servers = iter(world.cloud.servers.values())
    world.cloud.set_server_state(next(servers), "stopped")
    stack = next(stack for stack in world.cloud.stacks.values() if stack.name == "growing")
    world.cloud.create_volume(stack, UMLAUT, 10)
    world.openstack.wire.faults.add(Fault(FaultKind.STATUS, service="neutron", code=403))
    refusal = {"errors": {"base": [f"no room for {UMLAUT}\u2026"]}}
    world.concertim.wire.faults.add(Fault(FaultKind.STATUS, method="POST", path="nodes", code=422, body=refusal))


def start(world: World, arguments: list[str], environ: dict[str, str] | None = None) -> subprocess.Popen[bytes]:
    kept = {k: v for k, v in os.environ.items() if not k.startswith(("LC_", "LANG", "PYTHONUTF8", "PYTHONIO"))}
    return subprocess.Popen(
        [sys.executable, "-m", "cos_update", "--config", str(world.folder / "config.yaml"), *arguments],
        env=kept | (environ or {"LANG": "C.UTF-8"}),
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
    )


def test_what_was_posted_for_a_reader_that_has_gone_is_in_the_view(world: World) -> None:
    world.concertim.wire.faults.clear()
    world.openstack.wire.faults.clear()
    process = start(world, ["bulk", "--once", "--json"])
    assert process.stdout is not None
    process.stdout.close()
    process.communicate(timeout=60)
    world.concertim.wire.reset()
    world.bulk()
    assert world.writes() == []


@pytest.mark.parametrize(
    ("arguments", "environ"),
    [
        *((arguments, C) for arguments in WITH_NAMES),
        *((["diff", "--dry-run"], environ) for environ in (LATIN, *OTHERS)),
    ],
    ids=str,
)
def test_no_locale_stops_a_command(world: World, arguments: list[str], environ: dict[str, str]) -> None:
    out, error = start(world, arguments, environ).communicate(timeout=60)
    assert b"Traceback" not in error
    assert out
    if environ is not LATIN:
        assert (out + error).isascii()
    if "json" in arguments or "--json" in arguments:
        json.loads(out)


def test_marks_of_our_own_have_a_stand_in(world: World) -> None:
    out, _ = start(world, ["diff", "--dry-run"], C).communicate(timeout=60)
    assert b" - ACTIVE\n" in out
    assert b"?" not in out.replace(b"Knoten_??", b"")


def test_json_is_whole_in_every_locale(world: World) -> None:
    out, _ = start(world, ["bulk", "--once", "--json"], C).communicate(timeout=60)
    assert UMLAUT in json.dumps(json.loads(out), ensure_ascii=False)


def test_where_the_locale_has_it_a_name_is_shown_as_it_is(world: World) -> None:
    out, _ = start(world, ["bulk", "--once"], {"LANG": "C.UTF-8"}).communicate(timeout=60)
    assert f"no room for {UMLAUT}\u2026" in out.decode()
    out, _ = start(world, ["bulk", "--once"], LATIN).communicate(timeout=60)
    assert "no room for Knoten_\u00f6?~" in out.decode("latin-1")
