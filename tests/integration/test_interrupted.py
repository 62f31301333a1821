"""Ctrl-C at any moment: one line and no traceback; at once, or after work in progress is finished and in the view.

It exits with 130 when nothing was posted or somebody had no patience, else with what the pass itself says. So it is
with SIGTERM (143) and a terminal that goes away (129).
"""

from __future__ import annotations

import json
import re
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator

import pytest
from daemons import log_of, until
from terminals import CTRL_C, CTRL_D, on_terminal
from world import World, shown, wanted

from cos_update.fakes.wire import Fault, FaultKind

NOTHING = "Interrupted: nothing was posted.\n"
AMID = re.compile(r"Interrupted: (\d+) posted .*, 0 refused, \d+ not done, in \d+\.\d s(; cloud read in full .*)?\n")
Begin = Callable[..., subprocess.Popen[str]]


@pytest.fixture
def begin(world: World) -> Iterator[Begin]:
    """Starts the real program with pipes."""
    started: list[subprocess.Popen[str]] = []

    def start(*arguments: str) -> subprocess.Popen[str]:
        program = [sys.executable, "-m", "cos_update", "--config", str(world.folder / "config.yaml"), *arguments]
        started.append(
            subprocess.Popen(
                program, stdout=subprocess.PIPE, stderr=subprocess.PIPE, stdin=subprocess.DEVNULL, text=True
            )
        )
        return started[-1]

    yield start
    for process in started:
        process.kill()
        process.communicate()


def interrupt(process: subprocess.Popen[str], number: signal.Signals = signal.SIGINT) -> tuple[int, str, str]:
    """Presses Ctrl-C, or sends that signal; exit code, standard output and standard error."""
    process.send_signal(number)
    out, error = process.communicate(timeout=60)
    return process.returncode, out, error


def posted(world: World) -> int:
    return len(world.concertim.state.devices)


@pytest.mark.parametrize(
    ("command", "side", "path"),
    [
        (["bulk", "--once"], "openstack", "auth/tokens"),
        (["bulk", "--once"], "openstack", "servers/detail"),
        (["bulk", "--once", "--json"], "openstack", "resources"),
        (["bulk", "--once"], "concertim", "devices"),
        (["diff", "--yes"], "openstack", "servers/detail"),
        (["diff", "--yes"], "concertim", "devices"),
    ],
)
def test_while_a_service_hangs_it_ends_at_once(
    world: World, begin: Begin, command: list[str], side: str, path: str
) -> None:
    wire = getattr(world, side).wire
    hanging = wire.faults.add(Fault(FaultKind.HANG, path=path))
    process = begin(*command)
    until(lambda: wire.faults.struck(hanging) > 0)
    assert interrupt(process) == (130, "", NOTHING)
    assert world.writes() == []
    wire.faults.clear()
    world.bulk()


@pytest.mark.parametrize("count", [1, 10, 25, 50])
def test_after_so_many_requests(world: World, begin: Begin, count: int) -> None:
    def requests() -> int:
        return sum((world.openstack.wire.counts + world.concertim.wire.counts).values())

    world.openstack.wire.latency = world.concertim.wire.latency = 0.03
    process = begin("bulk", "--once")
    until(lambda: requests() >= count)
    code, out, error = interrupt(process)
    assert out == ""
    assert (code == 130 and error in (NOTHING, "Interrupted.\n")) or (code == 3 and AMID.fullmatch(error))
    world.openstack.wire.latency = world.concertim.wire.latency = 0.0
    world.bulk()
    assert shown(world.actual()) == wanted(world.desired())


@pytest.mark.parametrize("command", [["bulk", "--once"], ["diff", "--yes"]])
def test_while_it_posts_the_requests_in_flight_are_finished_and_remembered(
    world: World, begin: Begin, command: list[str]
) -> None:
    world.concertim.wire.latency = 0.05
    process = begin(*command)
    until(lambda: posted(world) > 5)
    code, _, error = interrupt(process)
    assert code == 3
    found = AMID.fullmatch(error)
    assert found
    world.concertim.wire.latency = 0.0
    assert int(found.group(1)) == len(world.writes())
    known = world.run("view", "dump", "--kind", "devices").stdout.splitlines()
    assert known[0] == f"devices ({posted(world)})"


def test_json_tells_what_was_done_before_it_was_interrupted(world: World, begin: Begin) -> None:
    world.concertim.wire.latency = 0.05
    process = begin("bulk", "--once", "--json")
    until(lambda: posted(world) > 5)
    code, out, error = interrupt(process)
    assert (code, error) == (3, "")
    assert {outcome["result"] for outcome in json.loads(out)["outcomes"]} == {"done", "skipped"}


def test_who_presses_it_twice_does_not_wait_for_a_request_that_hangs(world: World, begin: Begin) -> None:
    hanging = world.concertim.wire.faults.add(Fault(FaultKind.HANG, method="POST", path="nodes", after=3))
    process = begin("bulk", "--once")
    until(lambda: world.concertim.wire.faults.struck(hanging) > 0)
    process.send_signal(signal.SIGINT)
    with pytest.raises(subprocess.TimeoutExpired):
        process.wait(1)
    assert interrupt(process) == (130, "", "Interrupted again: operations in progress were not finished.\n")
    world.concertim.wire.faults.clear()
    world.bulk()
    assert shown(world.actual()) == wanted(world.desired())


def test_on_a_terminal_nothing_is_left_of_the_bars(world: World) -> None:
    world.concertim.wire.latency = 0.05
    with on_terminal(world, "bulk", "--once") as terminal:
        terminal.wait_for("posting")
        until(lambda: posted(world) > 5)
        terminal.press(CTRL_C)
        assert terminal.end() == 3
        assert AMID.fullmatch(terminal.screen + "\n")
        assert terminal.seen.rpartition("\x1b[?25")[2].startswith("h"), "the cursor is still hidden"


def test_on_a_terminal_while_it_reads(world: World) -> None:
    world.openstack.wire.faults.add(Fault(FaultKind.HANG, path="servers/detail"))
    with on_terminal(world, "bulk", "--once") as terminal:
        terminal.wait_for("Keystone ✓")
        terminal.press(CTRL_C)
        assert terminal.end() == 130
        assert terminal.screen + "\n" == NOTHING
        assert terminal.seen.rpartition("\x1b[?25")[2].startswith("h"), "the cursor is still hidden"


QUESTION = "Post this? [y/N]: "


@pytest.mark.parametrize(("key", "caret"), [(CTRL_C, r"( \^C)?"), (CTRL_D, "")])
def test_when_diff_asks(world: World, key: bytes, caret: str) -> None:
    with on_terminal(world, "diff") as terminal:
        terminal.wait_for(QUESTION)
        terminal.press(key)
        assert terminal.end() == 130
    assert re.search(rf"Post this\? \[y/N\]:{caret}\nInterrupted\.$", terminal.screen)
    assert world.writes() == []


def test_when_diff_asks_and_gets_sigterm(world: World) -> None:
    with on_terminal(world, "diff") as terminal:
        terminal.wait_for(QUESTION)
        terminal.process.terminate()
        assert terminal.end() == -signal.SIGTERM
    assert terminal.screen.endswith(QUESTION.rstrip())
    assert world.writes() == []


def test_when_diff_asks_and_the_terminal_goes_away(world: World) -> None:
    with on_terminal(world, "diff") as terminal:
        terminal.wait_for(QUESTION)
        terminal.hang_up()
        assert terminal.end() == 129
    assert world.writes() == []


@pytest.mark.parametrize(
    ("number", "code", "words"),
    [(signal.SIGTERM, 143, "Terminated"), (signal.SIGHUP, 129, "The terminal went away")],
)
@pytest.mark.parametrize("command", [["bulk", "--once"], ["diff", "--dry-run"], ["diff", "--yes"]])
def test_other_signals_while_a_service_hangs(
    world: World, begin: Begin, command: list[str], number: signal.Signals, code: int, words: str
) -> None:
    hanging = world.concertim.wire.faults.add(Fault(FaultKind.HANG, path="devices"))
    process = begin(*command)
    until(lambda: world.concertim.wire.faults.struck(hanging) > 0)
    assert interrupt(process, number) == (code, "", f"{words}: nothing was posted.\n")
    assert world.writes() == []


@pytest.mark.parametrize(
    ("number", "words"), [(signal.SIGTERM, "Terminated"), (signal.SIGHUP, "The terminal went away")]
)
def test_other_signals_while_it_posts(world: World, begin: Begin, number: signal.Signals, words: str) -> None:
    world.concertim.wire.latency = 0.05
    process = begin("bulk", "--once")
    until(lambda: posted(world) > 5)
    code, out, error = interrupt(process, number)
    assert (code, out) == (3, "")
    assert AMID.fullmatch(error.replace(words, "Interrupted"))
    known = world.run("view", "dump", "--kind", "devices").stdout.splitlines()
    assert known[0] == f"devices ({posted(world)})"


def test_a_terminal_that_goes_away_while_it_posts(world: World) -> None:
    world.concertim.wire.latency = 0.05
    with on_terminal(world, "bulk", "--once") as terminal:
        until(lambda: posted(world) > 5)
        terminal.hang_up()
        assert terminal.end() == 3, "the exit code tells what became of it, though nobody reads the words"
    known = world.run("view", "dump", "--kind", "devices").stdout.splitlines()
    assert known[0] == f"devices ({posted(world)})"


def test_a_terminal_that_goes_away_below_a_check(world: World) -> None:
    hanging = world.openstack.wire.faults.add(Fault(FaultKind.HANG, path="auth/tokens"))
    with on_terminal(world, "check") as terminal:
        until(lambda: world.openstack.wire.faults.struck(hanging) > 0)
        terminal.hang_up()
        world.openstack.wire.faults.clear()
        assert terminal.end() == 129


def test_a_terminal_that_goes_away_below_a_daemon_does_not_end_it(world: World) -> None:
    with on_terminal(world, "bulk", "--interval", "1") as terminal:
        until(lambda: "pass ends" in log_of(world))
        terminal.hang_up()
        passes = log_of(world).count("pass ends")
        until(lambda: log_of(world).count("pass ends") > passes + 1)
        terminal.process.send_signal(signal.SIGTERM)
        assert terminal.end() == 0


def test_nohup_goes_on_without_a_terminal(world: World) -> None:
    hanging = world.openstack.wire.faults.add(Fault(FaultKind.HANG, path="auth/tokens"))
    with on_terminal(world, "bulk", "--once", "--json", before=["nohup"]) as terminal:
        until(lambda: world.openstack.wire.faults.struck(hanging) > 0)
        terminal.hang_up()
        world.openstack.wire.faults.clear()
        terminal.end()
    assert posted(world)


def test_the_daemon(world: World, begin: Begin) -> None:
    process = begin("-q", "bulk")
    until(lambda: (world.data_dir / "view.pickle").exists())
    assert interrupt(process) == (0, "", "")


def test_check_while_a_service_hangs(world: World, begin: Begin) -> None:
    hanging = world.openstack.wire.faults.add(Fault(FaultKind.HANG, path="auth/tokens"))
    process = begin("check")
    until(lambda: world.openstack.wire.faults.struck(hanging) > 0)
    code, _, error = interrupt(process)
    assert (code, error) == (130, "Interrupted.\n")


def test_the_demo(world: World, begin: Begin) -> None:
    process = begin("demo")
    assert process.stdout is not None
    assert "what differs" in process.stdout.readline()
    code, _, error = interrupt(process)
    assert (code, error) == (130, "Interrupted.\n")
