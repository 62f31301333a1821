"""The progress of a long pass, on the terminal of a person who waits for it, and nowhere else."""

from __future__ import annotations

import re
from typing import Any

import pytest
import yaml
from terminals import on_terminal
from world import World

from cos_update.fakes.wire import Fault, FaultKind
from cos_update.model.progress import Progress
from cos_update.model.settings import CloudSettings
from cos_update.openstack.inventory import CloudReader


@pytest.fixture(autouse=True)
def slow(world: World) -> None:
    """Every call takes its time."""
    world.openstack.wire.latency = world.concertim.wire.latency = 0.03


def test_a_first_load_shows_how_far_it_is_and_leaves_what_was_done(world: World) -> None:
    # So long that the pace can be told.
    world.concertim.wire.latency = 0.1
    with on_terminal(world, "bulk", "--once") as terminal:
        assert terminal.end() == 0
    seen, screen = terminal.seen, terminal.screen
    assert "reading   Keystone" in seen
    for side in ("Keystone ✓ 2", "Heat ✓ 7", "Concertim ✓ 0"):
        assert side in seen
    assert "comparing" in seen or "posting" in seen
    assert re.search(r"posting .*━.* \d+ / \d+", seen)
    assert re.search(r"\d+ / \d+  \d+/s  0:00:0\d left", seen)
    assert not re.search("reading|comparing|posting|✓|━", screen)
    assert screen.splitlines()[0].startswith("CM_team_a")
    assert re.match(r"\d+ posted \(\d+ created\), 0 refused, in ", screen.splitlines()[-1])


def test_what_could_not_be_read_has_another_mark(world: World) -> None:
    world.openstack.wire.faults.add(Fault(FaultKind.STATUS, service="cinder", code=403))
    with on_terminal(world, "bulk", "--once") as terminal:
        assert terminal.end() == 3
    assert "Cinder ✗ 0" in terminal.seen


def test_diff_shows_how_far_its_reading_is_and_then_the_delta(world: World) -> None:
    with on_terminal(world, "diff", "--dry-run", "--no-pager") as terminal:
        assert terminal.end() == 0
    assert "reading   Keystone" in terminal.seen
    assert terminal.screen.startswith("CM_team_a")
    assert terminal.screen.endswith("\nnothing posted")


def test_diff_shows_how_far_its_posting_is(world: World) -> None:
    with on_terminal(world, "diff") as terminal:
        terminal.wait_for("Post this? [y/N]: ")
        terminal.press(b"y\n")
        assert terminal.end() == 0
    assert re.search(r"posting .*━.* \d+ / \d+", terminal.seen)
    assert re.search(r"Post this\? \[y/N\]: y\n\d+ posted .* in \d+\.\d s$", terminal.screen)


@pytest.mark.parametrize("columns", [80, 40, 25])
def test_it_fits_the_terminal(world: World, columns: int) -> None:
    with on_terminal(world, "bulk", "--once", columns=columns) as terminal:
        terminal.end()
    plain = re.sub(r"\x1b\[[0-9;?]*[A-Za-z]", "", terminal.seen.partition("CM_team_a")[0])
    assert "posting" in plain
    assert max(len(line) for line in re.split(r"[\r\n]+", plain)) <= columns


def test_a_terminal_without_unicode_gets_ascii(world: World) -> None:
    with on_terminal(world, "bulk", "--once", environ={"LC_ALL": "C"}) as terminal:
        assert terminal.end() == 0
    assert "Keystone ok 2" in terminal.seen
    assert "posting" in terminal.seen
    assert terminal.seen.isascii()


def test_no_color_is_respected(world: World) -> None:
    with on_terminal(world, "bulk", "--once", environ={"NO_COLOR": "1"}) as terminal:
        assert terminal.end() == 0
    assert "posting" in terminal.seen
    assert not re.search(r"\x1b\[(?:\d+;)*[349]\d", terminal.seen)


@pytest.mark.parametrize(
    ("arguments", "environ"),
    [
        (["-q", "bulk", "--once"], {}),
        (["-v", "bulk", "--once"], {}),
        (["bulk", "--once", "--json"], {}),
        (["diff", "--dry-run", "--format", "json"], {}),
        (["bulk", "--once"], {"TERM": "dumb"}),
    ],
)
def test_nothing_of_the_sort_for_those_who_asked_for_none(
    world: World, arguments: list[str], environ: dict[str, Any]
) -> None:
    with on_terminal(world, *arguments, environ=environ) as terminal:
        assert terminal.end() == 0
    assert not re.search(r"\x1b\[\?25l|\x1b\[2K|reading|posting|Keystone", terminal.seen)


def test_a_dumb_terminal_gets_no_control_characters_at_all(world: World) -> None:
    with on_terminal(world, "bulk", "--once", environ={"TERM": "dumb"}) as terminal:
        assert terminal.end() == 0
    assert "\x1b" not in terminal.seen


def test_nothing_of_the_sort_when_piped(world: World) -> None:
    done = world.run("bulk", "--once")
    assert done.stderr == ""
    assert re.fullmatch(r"bulk: \d+ posted .*\n", done.stdout)


def test_nothing_of_the_sort_in_the_daemon(world: World) -> None:
    with on_terminal(world, "bulk") as terminal:
        terminal.wait_for("pass ends")
        terminal.process.terminate()
        assert terminal.end() == 0
    assert "\x1b" not in terminal.seen


def test_what_a_pass_left_alone_is_shown_once_on_a_terminal(world: World) -> None:
    world.concertim.wire.faults.add(
        Fault(FaultKind.STATUS, method="POST", path="nodes", code=422, times=1, body={"errors": {"base": ["no room"]}})
    )
    with on_terminal(world, "bulk", "--once") as terminal:
        assert terminal.end() == 3
    assert terminal.screen.count("no room") == 1
    assert "WARN" not in terminal.screen
    assert "no room" in (world.folder / "log" / "updates_bulk.log").read_text()


def test_the_reader_tells_of_every_stack_and_of_every_service_s_end(world: World) -> None:
    reported: list[Progress] = []
    auth = yaml.safe_load((world.folder / "config.yaml").read_text())["openstack"]
    auth.pop("retries")
    world.openstack.wire.faults.add(Fault(FaultKind.STATUS, service="neutron", path="subnets", code=403))
    inventory = CloudReader(CloudSettings(auth=auth)).read(on_progress=reported.append)
    over = {progress.side: progress for progress in reported if progress.is_over}
    assert {side: progress.count for side, progress in over.items()} == {
        "Keystone": len(inventory.projects),
        "Nova": len(inventory.servers),
        "Heat": len(inventory.stacks),
        "Cinder": len(inventory.volumes),
        "Neutron": len(inventory.networks),
    }
    assert [side for side, progress in over.items() if progress.has_gaps] == ["Neutron"]
    stacks = [(p.count, p.of) for p in reported if p.side == "Heat" and not p.is_over]
    assert stacks[: len(inventory.stacks)] == [(n, len(inventory.stacks)) for n in range(1, len(inventory.stacks) + 1)]
