"""The newer API: no costs, and new objects need the creation time of their OpenStack object."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from world import Pass, World, served, shown, wanted

from cos_update.fakes.concertim import ConcertimApp
from cos_update.model.concertim import ApiFlavour
from cos_update.model.exit_codes import ExitCode
from cos_update.planning.plan import NoticeKind

TIME = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d+)?Z")
CHARGES = {"order_id", "cost", "billing_acct_id", "billing_period_start", "billing_period_end"}


@pytest.fixture
def world(tmp_path: Path) -> Iterator[World]:
    with served(tmp_path, concertim=ConcertimApp(ApiFlavour.CREDITS)) as world:
        for stack in world.cloud.stacks.values():
            world.cloud.set_outputs(stack, {"concertim_cluster_type": "slurm", "web_access": "http://10.0.0.1/"})
        yield world


def sent(world: World, path: str) -> list[dict[str, Any]]:
    return [json.loads(r.raw) for r in world.concertim.wire.requests if r.method == "POST" and r.path.endswith(path)]


def test_the_whole_cloud_is_shown_and_nothing_is_refused(world: World, one_pass: Pass) -> None:
    report = one_pass()
    assert report.exit_code is ExitCode.DONE, report
    assert world.concertim.refusals == []
    assert shown(world.actual()) == wanted(world.desired())
    assert one_pass().outcomes == ()


def test_what_is_made_says_when_its_object_was_made_and_of_which_type_a_cluster_is(
    world: World, one_pass: Pass
) -> None:
    one_pass()
    racks = [body["rack"] for body in sent(world, "/racks")]
    devices = [body["device"] for body in sent(world, "/nodes")]
    assert {rack["cluster_type_name"] for rack in racks} == {"slurm"}
    assert all(TIME.fullmatch(record["cloud_created_at"]) for record in (*racks, *devices))
    assert not CHARGES & {name for record in (*racks, *devices) for name in record}


def test_a_stack_without_a_cluster_type_waits_for_it_without_a_refusal(world: World, one_pass: Pass) -> None:
    stack = next(stack for stack in world.cloud.stacks.values() if stack.name == "groups")
    world.cloud.set_outputs(stack, {})
    report = one_pass()
    assert [n.kind for n in report.notices if n.openstack_id == stack.id] == [NoticeKind.NOT_SHOWN]
    assert world.concertim.refusals == []
    assert "groups" not in {rack.name for rack in world.concertim.state.racks.values()}
    world.cloud.set_outputs(stack, {"concertim_cluster_type": "slurm"})
    world.cloud.update_stack(stack)
    assert one_pass().exit_code is ExitCode.DONE
    assert "groups" in {rack.name for rack in world.concertim.state.racks.values()}


def test_a_device_made_again_and_a_rack_with_wiped_metadata_are_kept_here_too(world: World, one_pass: Pass) -> None:
    one_pass()
    state = world.concertim.state
    rack = next(rack for rack in state.racks.values() if rack.name == "growing")
    rack.metadata = {}
    server = next(s for s in world.cloud.servers.values() if s.name == "alpha-node0")
    world.cloud.resize(server, next(f for f in world.cloud.flavors.values() if f.name == "m1.medium"))
    before = set(state.racks)
    assert one_pass().exit_code is ExitCode.DONE
    assert set(state.racks) == before
    assert rack.metadata
    assert one_pass().outcomes == ()


def test_an_app_that_is_updated_between_two_passes_is_noticed(tmp_path: Path, world: World, one_pass: Pass) -> None:
    world.concertim.state.flavour = ApiFlavour.TEAMS
    assert one_pass().exit_code is ExitCode.DONE
    world.concertim.state.flavour = ApiFlavour.CREDITS
    stack = next(stack for stack in world.cloud.stacks.values() if stack.name == "groups")
    world.cloud.add_server(stack, "one-more")
    world.cloud.update_stack(stack)
    assert one_pass().exit_code is ExitCode.DONE
    assert sent(world, "/nodes")[-1]["device"]["cloud_created_at"]
