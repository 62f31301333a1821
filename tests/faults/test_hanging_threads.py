"""Whichever thread hangs, and wherever: a signal ends the process in time, and completed work is saved."""

from __future__ import annotations

import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
import yaml
from daemons import until
from world import World, shown, wanted

from cos_update.fakes import Sandbox
from cos_update.fakes.concertim import ConcertimApp
from cos_update.fakes.demo import demo_cloud
from cos_update.fakes.openstack import OpenStackApp
from cos_update.fakes.wire import Fault, FaultKind
from tests.thinned import thinned

TIMEOUT = 2.0
"""The shutdown timeout of these tests, in seconds."""
MARGIN = 15.0
"""Seconds for a busy machine."""
SIGNALS = [signal.SIGTERM, signal.SIGINT]
Begin = Callable[..., subprocess.Popen[str]]

READING = [
    ("MainThread:look", 1),
    ("pass", 2), ("pass", 30),
    ("keystone", 1), ("keystone", 12),
    ("openstack_", 1), ("openstack_", 9),
    ("openstack-call", 1), ("openstack-call", 7),
    ("service", 1), ("service", 15),
    ("page", 2),
    ("concertim", 1), ("concertim", 20),
]  # fmt: skip
DAEMON = [
    ("MainThread:look", 2), ("pass", 5), ("openstack-call", 5), ("service", 3), ("rack:_create_device", 4),
    ("rack:record", 2), ("heartbeat", 2), ("heartbeat", 20), ("signals", 1),
]  # fmt: skip
POSTING = [("rack", 2), ("rack", 60), ("rack", 160), ("rack:_create_device", 6), ("rack:record", 1), ("pass:save", 1)]


def identified(value: object) -> str:
    """A case's name: of a signal, of a thread, or of a thread and the number of its calls."""
    if isinstance(value, signal.Signals):
        return value.name
    return "-".join(str(part) for part in value) if isinstance(value, tuple) else str(value)


@pytest.fixture
def world(tmp_path: Path) -> Iterator[World]:
    world = World(OpenStackApp(demo_cloud(admin=False)), ConcertimApp(), tmp_path)
    world.cloud.page_size["heat"] = 1  # so that pages are read ahead
    with Sandbox(world.openstack, world.concertim):
        world.add_owners()
        world.configure("CM_team_a", shutdown_timeout=TIMEOUT)
        yield world


@pytest.fixture
def begin(world: World) -> Iterator[Begin]:
    """Starts the program with threads that hang, and waits until one does."""
    started: list[subprocess.Popen[str]] = []

    def start(name: str, calls: int, *arguments: str) -> subprocess.Popen[str]:
        mark = world.folder / "hangs"
        program = [sys.executable, str(Path(__file__).with_name("hanging.py")), name, str(calls), str(mark)]
        started.append(
            subprocess.Popen(
                [*program, "--config", str(world.folder / "config.yaml"), *arguments],
                stdout=subprocess.PIPE,
                stderr=subprocess.PIPE,
                stdin=subprocess.DEVNULL,
                text=True,
            )
        )
        until(lambda: mark.exists() or started[-1].poll() is not None)
        assert started[-1].poll() is None, started[-1].communicate()
        return started[-1]

    yield start
    for process in started:
        process.kill()
        process.communicate()


def ended(process: subprocess.Popen[str], number: signal.Signals) -> tuple[int, str]:
    """Sends the signal; exit code and standard error, if the process ends in time."""
    process.send_signal(number)
    began = time.monotonic()
    _, error = process.communicate(timeout=TIMEOUT + MARGIN)
    print(f"{time.monotonic() - began:.1f} s, {process.returncode}: {error}")
    return process.returncode, error


def impatient(world: World) -> None:
    """Configures short times for each answer, and one try."""
    path = world.folder / "config.yaml"
    document = yaml.safe_load(path.read_text())
    document["openstack"] |= {"timeout": 0.5, "retries": 0}
    document["concertim"] |= {"timeout": 1, "retries": 0}
    path.write_text(yaml.safe_dump(document))


def known_devices(world: World) -> int:
    known = world.run("view", "dump", "--kind", "devices").stdout.splitlines()
    return int(known[0].removeprefix("devices (").rstrip(")"))


@pytest.mark.parametrize(("at", "number"), thinned(READING, SIGNALS, 2), ids=identified)
def test_while_bulk_reads(world: World, begin: Begin, at: tuple[str, int], number: signal.Signals) -> None:
    name, calls = at
    code, error = ended(begin(name, calls, "bulk", "--once"), number)
    assert code == {signal.SIGTERM: 143, signal.SIGINT: 130}[number]
    assert "nothing was posted" in error
    assert world.writes() == []
    world.bulk()
    assert shown(world.actual()) == wanted(world.desired())


@pytest.mark.parametrize(("at", "number"), thinned(POSTING, SIGNALS, 2), ids=identified)
def test_while_bulk_posts(world: World, begin: Begin, at: tuple[str, int], number: signal.Signals) -> None:
    name, calls = at
    code, error = ended(begin(name, calls, "bulk", "--once"), number)
    assert (code, "not finished" in error) in ((3, False), (3, True), (70, True))
    posted = len(world.concertim.state.devices)
    if "not done" in error:
        # What was in flight is not known; each rack may have one such device.
        assert posted - 3 <= known_devices(world) <= posted
    world.bulk()
    assert shown(world.actual()) == wanted(world.desired())


@pytest.mark.parametrize(("at", "number"), thinned(DAEMON, SIGNALS, 2), ids=identified)
def test_the_bulk_daemon(world: World, begin: Begin, at: tuple[str, int], number: signal.Signals) -> None:
    name, calls = at
    code, _ = ended(begin(name, calls, "-q", "bulk", "--interval", "1"), number)
    assert code in (0, 70)
    world.bulk(expect=None)
    assert shown(world.actual()) == wanted(world.desired())


@pytest.mark.parametrize(
    ("name", "number"),
    thinned(["MainThread:look", "pass", "openstack-call", "service", "concertim"], SIGNALS, 2),
    ids=identified,
)
@pytest.mark.parametrize("command", [["diff"], ["diff", "--yes"]], ids=" ".join)
def test_diff(world: World, begin: Begin, command: list[str], name: str, number: signal.Signals) -> None:
    code, error = ended(begin(name, 1, *command), number)
    assert code == {signal.SIGTERM: 143, signal.SIGINT: 130}[number]
    assert "nothing was posted" in error


@pytest.mark.parametrize(
    ("name", "number"),
    thinned(["check-openstack", "check-concertim", "openstack-call", "service"], SIGNALS, 2),
    ids=identified,
)
def test_check(world: World, begin: Begin, name: str, number: signal.Signals) -> None:
    code, _ = ended(begin(name, 3, "check"), number)
    assert code == {signal.SIGTERM: 143, signal.SIGINT: 130}[number]


@pytest.mark.parametrize(("name", "calls", "code"), [("openstack-call:_proxy", 5, 3), ("concertim-call:lease", 3, 1)])
def test_without_a_signal_what_hangs_is_left_behind_and_the_rest_is_done(
    world: World, begin: Begin, name: str, calls: int, code: int
) -> None:
    impatient(world)
    process = begin(name, calls, "bulk", "--once")
    out, error = process.communicate(timeout=40)
    assert process.returncode == code, out + error
    assert "hangs" in out + error or "no answer" in out + error
    world.configure("CM_team_a")
    world.bulk()
    assert shown(world.actual()) == wanted(world.desired())


@pytest.mark.parametrize("command", [["bulk", "--once"], ["diff", "--yes"]], ids=" ".join)
def test_answers_that_come_byte_by_byte_end_too(world: World, begin: Begin, command: list[str]) -> None:
    impatient(world)
    world.openstack.wire.faults.add(Fault(FaultKind.DRIBBLE, path="servers/detail"))
    done = world.run(*command, expect=3)
    assert "hangs" in done.stdout + done.stderr
