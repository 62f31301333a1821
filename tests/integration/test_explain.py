"""`cos-update explain`, the real program against both sides, and from the view alone."""

from __future__ import annotations

import json

from world import World


def test_it_answers_from_both_sides_and_writes_nothing(world: World) -> None:
    before = sorted(world.data_dir.iterdir())
    done = world.run("explain", "alpha-node1")
    assert done.stdout.startswith("server alpha-node1\n")
    assert "next pass   + create instance" in done.stdout
    assert world.writes() == []
    assert sorted(world.data_dir.iterdir()) == before


def test_from_the_view_it_needs_neither_side(world: World) -> None:
    world.bulk()
    asked = len(world.openstack.wire.requests), len(world.concertim.wire.requests)
    done = world.run("explain", "--offline", "alpha-node1")
    assert "shown as ACTIVE" in done.stdout
    assert (len(world.openstack.wire.requests), len(world.concertim.wire.requests)) == asked


def test_as_json(world: World) -> None:
    (found,) = json.loads(world.run("explain", "alpha-node1", "--json").stdout)["found"]
    assert (found["kind"], found["concertim_id"]) == ("server", None)
    assert {"project", "stack", "state"} <= {fact["what"] for fact in found["facts"]}


def test_an_unknown_name_gets_the_nearest(world: World) -> None:
    done = world.run("explain", "alpha-nod1", expect=1)
    assert "Did you mean alpha-node1" in done.stderr
