"""`cos-update diff`, the real program: it shows, it asks, it posts exactly what it showed."""

from __future__ import annotations

import contextlib
import json
import os
import pty
import sys
from collections.abc import Callable

from world import World


def test_a_dry_run_writes_nothing_anywhere(world: World) -> None:
    done = world.run("diff", "--dry-run")
    assert "+ instance  alpha-login" in done.stdout
    assert done.stdout.rstrip().endswith("nothing posted")
    assert world.writes() == []
    assert list(world.data_dir.iterdir()) == []


def test_without_a_terminal_and_without_yes_nothing_is_posted(world: World) -> None:
    done = world.run("diff")
    assert "nothing posted (--yes posts it)" in done.stdout
    assert world.writes() == []


def test_yes_posts_what_was_shown(world: World) -> None:
    shown = json.loads(world.run("diff", "--dry-run", "--format", "json").stdout)
    world.run("diff", "--yes")
    assert len(world.writes()) == sum(shown["totals"][verb] for verb in ("create", "update", "remove"))
    again = json.loads(world.run("diff", "--dry-run", "--format", "json", "--exit-code").stdout)
    assert (again["schema"], again["racks"], again["templates"]) == (1, [], [])


def test_a_delta_has_its_own_exit_code_when_asked_for(world: World) -> None:
    world.run("diff", "--dry-run", "--exit-code", expect=5)


def test_changes_and_removals_are_shown_with_their_reasons(world: World) -> None:
    world.bulk()
    servers = {server.name: server for server in world.cloud.servers.values()}
    world.cloud.set_server_state(servers["alpha-node1"], "stopped")
    world.cloud.delete_server(servers["alpha-node2"])
    text = world.run("diff", "--dry-run").stdout
    assert "~ instance  alpha-node1" in text
    assert "status  ACTIVE -> STOPPED" in text
    assert "- instance  alpha-node2" in text
    assert "gone from Nova (404)" in text


def _on_a_terminal(world: World, before_answering: Callable[[], None]) -> tuple[int, str]:
    """Runs diff in a terminal of its own, waits for its question, and agrees."""
    pid, terminal = pty.fork()
    if pid == 0:
        config = str(world.folder / "config.yaml")
        os.execv(sys.executable, [sys.executable, "-m", "cos_update", "--config", config, "diff"])
    text = ""
    while "Post this?" not in text:
        text += os.read(terminal, 4096).decode(errors="replace")
    before_answering()
    os.write(terminal, b"y\n")
    with contextlib.suppress(OSError):
        while piece := os.read(terminal, 4096):
            text += piece.decode(errors="replace")
    _, status = os.waitpid(pid, 0)
    return os.waitstatus_to_exitcode(status), text


def test_on_a_terminal_it_asks_and_posts(world: World) -> None:
    code, text = _on_a_terminal(world, lambda: None)
    assert code == 0
    assert "66 posted (66 created)" in text


def test_what_is_no_longer_true_is_not_posted(world: World) -> None:
    server = next(s for s in world.cloud.servers.values() if s.name == "alpha-node0")
    code, text = _on_a_terminal(world, lambda: world.cloud.set_server_state(server, "stopped"))
    assert code == 1
    assert "out of date" in text
    assert world.writes() == []


def test_one_rack_is_shown_and_posted_and_nothing_else(world: World) -> None:
    world.run("diff", "--rack", "groups", "--yes")
    racks = {rack.name for rack in world.concertim.state.racks.values()}
    assert racks == {"groups"}
    assert "no rack 'nope'" in world.run("diff", "--dry-run", "--rack", "nope", expect=1).stderr
    assert "0 posted" not in world.run("bulk", "--once", "--rack", "growing").stdout
    assert {rack.name for rack in world.concertim.state.racks.values()} == {"groups", "growing"}


def test_a_saved_plan_is_posted_as_it_was_shown(world: World) -> None:
    file = world.folder / "plan.json"
    shown = world.run("diff", "--out", str(file), "--rack", "groups").stdout
    assert f"bulk --once --plan {file}" in shown
    assert world.writes() == []
    assert file.stat().st_mode & 0o777 == 0o600
    totals = json.loads(file.read_text())["plan"]["totals"]
    assert f"{totals['create']} created" in world.run("bulk", "--once", "--plan", str(file)).stdout
    assert "out of date" in world.run("bulk", "--once", "--plan", str(file), expect=1).stderr


def test_a_saved_plan_is_refused_when_the_cloud_has_changed_since(world: World) -> None:
    file = world.folder / "plan.json"
    world.run("diff", "--out", str(file))
    server = next(s for s in world.cloud.servers.values() if s.name == "alpha-node1")
    world.cloud.set_server_state(server, "stopped")
    assert "out of date" in world.run("bulk", "--once", "--plan", str(file), expect=1).stderr
    assert world.writes() == []


def test_a_saved_plan_is_refused_elsewhere(world: World) -> None:
    file = world.folder / "plan.json"
    world.run("diff", "--out", str(file))
    document = json.loads(file.read_text())
    file.write_text(json.dumps(document | {"concertim": "https://elsewhere"}))
    assert (
        "made for Concertim at https://elsewhere" in world.run("bulk", "--once", "--plan", str(file), expect=1).stderr
    )
    file.write_text("not json")
    assert "is not JSON" in world.run("bulk", "--once", "--plan", str(file), expect=1).stderr


def test_the_preview_takes_what_the_pass_takes(world: World) -> None:
    world.bulk()
    for server in list(world.cloud.servers.values()):
        world.cloud.delete_server(server)
    assert "held back" in world.run("diff", "--dry-run", expect=4).stdout
    assert "to remove" in world.run("diff", "--dry-run", "--allow-deletes").stdout


def test_the_summary_is_a_line_for_each_rack(world: World) -> None:
    lines = world.run("diff", "--dry-run", "--summary").stdout.splitlines()
    assert [line.split() for line in lines if "groups" in line] == [["rack", "groups", "+5"]]
    assert "totals" in json.loads(world.run("diff", "--dry-run", "--summary", "--format", "json").stdout)


def test_a_part_that_is_only_shown_is_never_posted(world: World) -> None:
    world.run("diff", "--type", "volume", "--yes", expect=2)
    shown = world.run("diff", "--dry-run", "--type", "volume", "--status", "failed").stdout
    assert "volume-error" in shown
    assert "instance" not in shown
