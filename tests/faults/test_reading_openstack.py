"""What OpenStack does not return costs nothing in Concertim, is reported, and the rest still syncs."""

from __future__ import annotations

import pytest
from world import Pass, World, shown, wanted

from cos_update.fakes.wire import Fault, FaultKind
from cos_update.model.errors import CloudError
from cos_update.model.exit_codes import ExitCode
from cos_update.model.settings import ReadScope
from cos_update.planning.plan import NoticeKind
from tests.thinned import thinned

LISTINGS = {
    "servers": ("nova", r"/servers/detail"),
    "flavors": ("nova", r"/flavors/detail"),
    "stacks": ("heat", r"/stacks$"),
    "resources": ("heat", r"/resources$"),
    "volumes": ("cinder", r"/volumes/detail"),
    "networks": ("neutron", r"/networks"),
    "subnets": ("neutron", r"/subnets"),
}
FULL = {"subnets": "a reading by changes needs only those of changed networks"}
"""Why the cloud must be read in full to ask for a listing."""
FAULTS = {
    "error": {"kind": FaultKind.STATUS, "code": 503},
    "internal": {"kind": FaultKind.STATUS, "code": 500},
    "refusal": {"kind": FaultKind.STATUS, "code": 403, "body": {"forbidden": {"code": 403, "message": "no"}}},
    "cut": {"kind": FaultKind.CUT},
    "truncated": {"kind": FaultKind.TRUNCATE},
}


@pytest.mark.parametrize(("listing", "fault"), thinned(LISTINGS, FAULTS, 2))
def test_a_listing_that_fails_removes_nothing_and_is_named(
    world: World, one_pass: Pass, listing: str, fault: str
) -> None:
    one_pass()
    before = set(world.concertim.state.devices), set(world.concertim.state.racks)
    service, path = LISTINGS[listing]
    world.openstack.wire.faults.add(Fault(path=path, service=service, **FAULTS[fault]))  # type: ignore[arg-type]
    report = one_pass(full=FULL.get(listing, ""))
    assert (set(world.concertim.state.devices), set(world.concertim.state.racks)) == before
    assert report.exit_code is ExitCode.IN_PART
    assert any(listing in notice.text for notice in report.troubles)


@pytest.mark.parametrize("listing", LISTINGS)
def test_an_empty_answer_removes_nothing(world: World, one_pass: Pass, listing: str) -> None:
    one_pass()
    before = set(world.concertim.state.devices), set(world.concertim.state.racks), set(world.concertim.state.templates)
    service, path = LISTINGS[listing]
    world.openstack.wire.faults.add(Fault(FaultKind.EMPTY, path=path, service=service))
    one_pass(allow_deletes=True, full=FULL.get(listing, ""))
    state = world.concertim.state
    assert (set(state.devices), set(state.racks), set(state.templates)) == before


def test_the_rest_syncs_while_one_service_is_away(world: World, one_pass: Pass) -> None:
    one_pass()
    server = next(s for s in world.cloud.servers.values() if s.name == "alpha-node1")
    world.cloud.set_server_state(server, "stopped")
    for service in ("heat", "cinder", "neutron"):
        world.openstack.wire.faults.add(Fault(FaultKind.STATUS, service=service, code=503))
    one_pass()
    assert shown(world.actual())[server.id][1] == "STOPPED"


def test_the_servers_of_a_down_cell_stay(world: World, one_pass: Pass) -> None:
    one_pass()
    servers = [s for s in world.cloud.servers.values() if s.name.startswith("alpha-node")]
    for server in servers:
        server.cell = "cell2"
    world.cloud.down_cells.add("cell2")
    report = one_pass(allow_deletes=True, full="to see what it lists")
    assert {server.id for server in servers} <= set(shown(world.actual()))
    assert NoticeKind.UNCONFIRMED in {notice.kind for notice in report.notices}


def test_too_many_removals_are_held_back_until_they_are_allowed(world: World, one_pass: Pass) -> None:
    one_pass()
    before = len(world.concertim.state.devices)
    for stack in [s for s in world.cloud.stacks.values() if s.name in ("every-state", "cluster-1")]:
        world.cloud.delete_stack(stack)
    report = one_pass()
    assert report.exit_code is ExitCode.HELD_BACK
    assert len(world.concertim.state.devices) == before
    text = next(n.text for n in report.notices if n.kind is NoticeKind.HELD_BACK)
    assert "max_deletes" in text
    assert "--allow-deletes" in text
    one_pass(allow_deletes=True)
    assert shown(world.actual()) == wanted(world.desired())


def test_what_is_gone_is_removed_when_everything_confirms_it(world: World, one_pass: Pass) -> None:
    one_pass()
    server = next(s for s in world.cloud.servers.values() if s.name == "beta-node2")
    stack = next(s for s in world.cloud.stacks.values() if s.name == "growing")
    world.cloud.delete_server(server)
    world.cloud.delete_stack(stack)
    one_pass()
    actual = world.actual()
    assert server.id not in shown(actual)
    assert stack.id not in {rack.stack_id for rack in actual.racks.values()}
    assert world.concertim.refusals == []


def test_racks_of_a_project_that_is_not_watched_any_more_stay_until_pruned(world: World, one_pass: Pass) -> None:
    one_pass()
    project = next(p for p in world.cloud.projects_of(world.cloud.watcher.id) if p.name == "CM_team_b")
    world.cloud.unwatch(project)
    report = one_pass()
    assert NoticeKind.ORPHANED in {notice.kind for notice in report.notices}
    racks = len(world.concertim.state.racks)
    one_pass(prune_unwatched=True, allow_deletes=True)
    assert len(world.concertim.state.racks) < racks


def test_pages_are_followed_to_their_end(world: World, one_pass: Pass) -> None:
    for service in ("nova", "cinder", "heat"):
        world.cloud.page_size[service] = 3
    assert one_pass().exit_code is ExitCode.DONE
    assert shown(world.actual()) == wanted(world.desired())


def test_a_vanished_page_marker_begins_the_listing_again(world: World, one_pass: Pass) -> None:
    one_pass()
    before = set(world.concertim.state.devices)
    world.cloud.page_size["nova"] = 3
    gone = {"badRequest": {"code": 400, "message": "marker [x] not found"}}
    world.openstack.wire.faults.add(
        Fault(FaultKind.STATUS, path="/servers/detail", query="marker", code=400, body=gone, times=1)
    )
    assert one_pass().exit_code is ExitCode.DONE
    assert set(world.concertim.state.devices) == before


@pytest.mark.parametrize("listing", LISTINGS)
def test_a_listing_that_hangs_is_not_waited_for_forever(world: World, one_pass: Pass, listing: str) -> None:
    one_pass()
    before = set(world.concertim.state.devices), set(world.concertim.state.racks)
    service, path = LISTINGS[listing]
    world.openstack.wire.faults.add(Fault(FaultKind.HANG, path=path, service=service))
    report = one_pass(timeout=0.5, allow_deletes=True, full=FULL.get(listing, ""))
    assert (set(world.concertim.state.devices), set(world.concertim.state.racks)) == before
    assert any("no answer within" in notice.text for notice in report.troubles)


def test_answers_that_the_credentials_narrow_do_not_pass_for_the_whole(world: World, one_pass: Pass) -> None:
    one_pass()
    before = set(world.concertim.state.devices), set(world.concertim.state.racks)
    report = one_pass(scope=ReadScope.CLOUD, allow_deletes=True)
    assert (set(world.concertim.state.devices), set(world.concertim.state.racks)) == before
    if world.cloud.admin_project not in world.cloud.projects_of(world.cloud.watcher.id):
        assert any("volumes" in notice.text and "only a part" in notice.text for notice in report.troubles)


@pytest.mark.parametrize("service", ["heat", "cinder", "neutron"])
def test_a_service_that_the_cloud_does_not_have_is_no_error(world: World, one_pass: Pass, service: str) -> None:
    one_pass()
    before = set(world.concertim.state.devices)
    world.cloud.absent_services.add(service)
    assert one_pass().exit_code is ExitCode.DONE
    assert set(world.concertim.state.devices) == before


def test_a_404_of_a_proxy_proves_nothing(world: World, one_pass: Pass) -> None:
    one_pass()
    before = set(world.concertim.state.devices)
    world.openstack.wire.faults.add(Fault(FaultKind.EMPTY, path="/servers/detail"))
    world.openstack.wire.faults.add(
        Fault(FaultKind.STATUS, path="/servers/[0-9a-f-]{36}", code=404, body={"error": {"message": "no upstream"}})
    )
    report = one_pass(allow_deletes=True)
    assert set(world.concertim.state.devices) == before
    assert NoticeKind.UNCONFIRMED in {notice.kind for notice in report.notices}


@pytest.mark.parametrize("fault", ["error", "cut", "truncated"])
def test_without_the_watched_projects_nothing_is_done(world: World, one_pass: Pass, fault: str) -> None:
    one_pass()
    world.concertim.wire.reset()
    path = "/role_assignments|/auth/projects"
    world.openstack.wire.faults.add(Fault(path=path, service="keystone", **FAULTS[fault]))  # type: ignore[arg-type]
    with pytest.raises(CloudError, match=r"Keystone|after 2 tries"):
        one_pass(allow_deletes=True, prune_unwatched=True)
    assert world.writes() == []


def test_no_watched_projects_at_all_prunes_nothing(world: World, one_pass: Pass) -> None:
    one_pass()
    world.concertim.wire.reset()
    path = "/role_assignments|/auth/projects"
    world.openstack.wire.faults.add(Fault(FaultKind.EMPTY, path=path, service="keystone"))
    report = one_pass(allow_deletes=True, prune_unwatched=True)
    assert world.writes() == []
    assert NoticeKind.ORPHANED in {notice.kind for notice in report.notices}


@pytest.mark.parametrize("service", ["nova", "heat", "cinder", "neutron"])
def test_a_discovery_that_fails_for_a_while_changes_nothing_for_good(
    world: World, one_pass: Pass, service: str
) -> None:
    one_pass()
    world.concertim.wire.reset()
    reader = one_pass.reader()  # type: ignore[attr-defined]
    roots = {
        "nova": "/compute(/v2.1)?/?$",
        "heat": "/orchestration/?$",
        "cinder": "/volume/?$",
        "neutron": "/network(/v2.0)?/?$",
    }
    world.openstack.wire.faults.add(Fault(FaultKind.STATUS, path=roots[service], code=503))
    one_pass(reader=reader, allow_deletes=True)
    world.openstack.wire.faults.clear()
    assert one_pass(reader=reader, allow_deletes=True).exit_code is ExitCode.DONE
    assert world.writes() == []
