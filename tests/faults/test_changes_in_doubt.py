"""Incremental readings when clocks, databases, cells and filters misbehave."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from changing import PASS, ChangingCloud, content

from cos_update.fakes import Sandbox
from cos_update.fakes.openstack import OpenStackApp, cinder
from cos_update.fakes.openstack.state import CloudState
from cos_update.fakes.wire import Fault, FaultKind
from cos_update.model.cloud_memory import FEW, FRESH
from cos_update.model.settings import ReadScope


@pytest.fixture
def cloud() -> Iterator[ChangingCloud]:
    state = CloudState()
    state.neutron_validates_filters = False
    app = OpenStackApp(state)
    with Sandbox(app):
        cloud = ChangingCloud(app, ReadScope.AUTO)
        cloud.start()
        cloud.changes()
        yield cloud


@pytest.mark.parametrize("lateness", [0.0, 1.0, 3.0, 50.0])
@pytest.mark.parametrize("behind", [0.0, 3.0])
def test_a_change_from_before_the_reading_that_was_committed_after_it_is_seen_by_the_next(
    cloud: ChangingCloud, lateness: float, behind: float
) -> None:
    state = cloud.cloud
    state.clock_offsets = dict.fromkeys(("nova", "cinder", "neutron"), behind)
    cloud.changes()
    state.lateness = lateness
    state.rename(cloud.server, "late")
    state.attach(cloud.volume, cloud.others[2])
    state.add_subnet(cloud.net, "10.70.0.0/16")
    state.plug(cloud.server, state.shared)
    state.lateness = 0.0
    state.clock_offsets = {}
    state.pass_time(PASS)
    assert content(cloud.changes()) == content(cloud.in_full())


def test_a_clock_that_goes_back_is_noticed(cloud: ChangingCloud) -> None:
    cloud.cloud.pass_time(-FRESH)
    cloud.cloud.rename(cloud.server, "other")
    found = cloud.read()
    assert found.why_full == "the clock of Cinder has gone back"
    assert content(found.inventory) == content(cloud.in_full())
    cloud.cloud.pass_time(PASS)
    cloud.cloud.rename(cloud.server, "another")
    assert content(cloud.changes()) == content(cloud.in_full())


def test_what_is_known_for_too_long_is_not_built_upon(cloud: ChangingCloud) -> None:
    cloud.cloud.delete_server(cloud.server)
    cloud.cloud.deleted_servers.clear()
    cloud.cloud.pass_time(FRESH + 1)
    found = cloud.read()
    assert found.why_full == "the memory of Cinder is more than 1 h old"
    assert cloud.server.id not in found.inventory.servers


def test_databases_that_are_put_back_to_yesterday_are_noticed(cloud: ChangingCloud) -> None:
    state = cloud.cloud
    yesterday = state.backup()
    state.pass_time(PASS)
    state.rename(cloud.server, "today")
    state.rename(cloud.volume, "today")
    state.rename(cloud.net, "today")
    state.add_server(cloud.stack, "new")
    assert content(cloud.changes()) == content(cloud.in_full())
    state.pass_time(PASS)
    state.restore(yesterday)
    found = cloud.read()
    assert "no longer lists a change that it has listed before" in found.why_full
    assert content(found.inventory) == content(cloud.in_full())
    state.pass_time(PASS)
    assert content(cloud.changes()) == content(cloud.in_full())


def test_a_cell_that_is_down_loses_nothing_and_leads_to_full_readings(cloud: ChangingCloud) -> None:
    cloud.cloud.down_cells = {"cell1"}
    found = cloud.read()
    assert "Nova no longer lists a change" in found.why_full


def test_a_server_that_can_not_be_read_by_its_id_stays_as_it_was(cloud: ChangingCloud) -> None:
    cloud.cloud.attach(cloud.volume, cloud.server)
    cloud.app.wire.faults.add(Fault(FaultKind.STATUS, path=f"/servers/{cloud.server.id}", code=500))
    found = cloud.read()
    assert cloud.server.id in found.inventory.servers
    assert [gap.project_id for gap in found.inventory.gaps] == [cloud.team.id]
    cloud.app.wire.faults.clear()
    assert cloud.read().why_full == "Nova could not be read completely"


@pytest.mark.parametrize("service", ["nova", "cinder", "neutron"])
def test_a_listing_that_fails_loses_nothing_and_the_next_reading_is_full(cloud: ChangingCloud, service: str) -> None:
    before = cloud.changes()
    cloud.cloud.pass_time(PASS)
    cloud.app.wire.faults.add(Fault(FaultKind.STATUS, service=service, code=503))
    after = cloud.read().inventory
    assert (before.servers, before.volumes, before.networks) == (after.servers, after.volumes, after.networks)
    assert after.gaps
    cloud.app.wire.faults.clear()
    assert "could not be read completely" in cloud.read().why_full
    cloud.changes()


def test_an_answer_without_anything_is_not_believed(cloud: ChangingCloud) -> None:
    cloud.app.wire.faults.add(Fault(FaultKind.EMPTY, path="/servers/detail", times=1))
    found = cloud.read()
    assert found.why_full
    assert content(found.inventory) == content(cloud.in_full())


def test_a_service_that_was_restarted_is_asked_again(cloud: ChangingCloud) -> None:
    cloud.cloud.rename(cloud.server, "other")
    cloud.app.wire.faults.add(Fault(FaultKind.CUT, service="nova", times=1))
    assert cloud.reader.settings.retries == 0
    assert cloud.read().inventory.gaps
    assert content(cloud.read().inventory) == content(cloud.in_full())


def test_a_login_that_may_see_less_than_before_is_noticed(cloud: ChangingCloud) -> None:
    state = cloud.cloud
    state.assign(state.create_role("reader"), state.watcher, state.admin_project)
    held = next(a for a in state.assignments if a.target_id == state.admin_project.id and a.user_id == state.watcher.id)
    state.unassign(held)
    found = cloud.read()
    assert found.why_full
    assert content(found.inventory) == content(cloud.in_full())


def test_a_cinder_that_passes_over_the_filter_is_listed_in_full(
    cloud: ChangingCloud, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(cinder, "TIME_FILTERS", 99)
    cloud.cloud.pass_time(PASS)
    cloud.cloud.create_volume(cloud.stack, "new")
    for _ in range(2):
        cloud.cloud.delete_volume(cloud.cloud.create_volume(cloud.stack, "gone"))
        assert content(cloud.changes()) == content(cloud.in_full())
    assert cloud.memory is not None
    assert cloud.memory.unfiltered == {"Cinder"}
    assert cloud.app.wire.counts["cinder", "GET", "/volume/v3/{project}/volumes/detail"] == 2


def test_after_a_listing_that_named_more_than_a_fifth_the_next_reading_is_full(cloud: ChangingCloud) -> None:
    servers = [cloud.cloud.add_server(cloud.stack, f"s{number}") for number in range(FEW + 1)]
    cloud.changes()
    assert cloud.read().why_full == "more than a fifth of all servers had changed"
    cloud.cloud.pass_time(PASS)
    for server in servers:
        cloud.cloud.rename(server, "other")
    cloud.changes()
    assert cloud.read().why_full == "more than a fifth of all servers had changed"


def test_what_no_service_tells_is_seen_by_the_full_reading(cloud: ChangingCloud) -> None:
    state = cloud.cloud
    state.delete_volume(cloud.volume, behind_heat=True)
    state.remove_port(state.ports_of[cloud.others[2].id][0])
    state.delete_server(cloud.server, behind_heat=True)
    state.deleted_servers.clear()
    after = cloud.read().inventory
    assert {cloud.volume.id, cloud.server.id} <= {*after.volumes, *after.servers}
    found = cloud.read(every=2)
    assert found.why_full == "every 2 passes"
    assert content(found.inventory) == content(cloud.in_full())


def test_a_deleted_port_is_seen_where_all_ports_are_listed(cloud: ChangingCloud) -> None:
    cloud.cloud.neutron_validates_filters = True
    cloud.changes()
    cloud.cloud.pass_time(PASS)
    cloud.cloud.remove_port(cloud.cloud.ports_of[cloud.server.id][0])
    assert content(cloud.changes()) == content(cloud.in_full())


def test_where_heat_can_not_be_read_nothing_is_looked_for(cloud: ChangingCloud) -> None:
    cloud.app.wire.faults.add(Fault(FaultKind.STATUS, service="heat", code=503))
    assert cloud.read().why_full == ""
    assert cloud.singly() == {}
    cloud.app.wire.faults.clear()
    assert content(cloud.changes()) == content(cloud.in_full())
