"""Incremental readings: what each service lists, what that leads to, and when the cloud is read in full."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator

import pytest
from changing import PASS, ChangingCloud, content

from cos_update.fakes import Sandbox
from cos_update.fakes.openstack import OpenStackApp
from cos_update.fakes.openstack.state import CloudState
from cos_update.model.settings import ReadScope


@pytest.fixture(params=[ReadScope.AUTO, ReadScope.PROJECT], ids=["cloud-wide", "per project"])
def scope(request: pytest.FixtureRequest) -> ReadScope:
    return ReadScope(request.param)


@pytest.fixture(params=[False, True], ids=["changed_since", "validated filters"])
def reader(request: pytest.FixtureRequest, scope: ReadScope) -> Iterator[ChangingCloud]:
    state = CloudState()
    state.neutron_validates_filters = request.param
    app = OpenStackApp(state)
    with Sandbox(app):
        reader = ChangingCloud(app, scope)
        reader.start()
        yield reader


def test_an_unchanged_cloud_is_as_it_was(reader: ChangingCloud) -> None:
    for _ in range(3):
        assert content(reader.changes()) == content(reader.in_full())
        assert reader.singly() == Counter()
        reader.cloud.pass_time(PASS)


def test_an_unchanged_cloud_costs_one_request_a_listing(reader: ChangingCloud) -> None:
    reader.changes()
    reader.cloud.pass_time(PASS)
    reader.changes()
    asked = Counter("/".join(kind.split("/")[-2:]) for kind in reader.asked if "identity" not in kind)
    listings = ["servers/detail", "flavors/detail", "volumes/detail", "{project}/stacks"]
    listings += ["v2.0/networks", "v2.0/ports", "v2.0/floatingips"]
    assert asked == Counter(listings)


HAPPENINGS = {
    "a new server": lambda r: r.cloud.add_server(r.stack, "new", networks=[r.net]),
    "a server renamed": lambda r: r.cloud.rename(r.server, "other"),
    "a server stopped": lambda r: r.cloud.set_server_state(r.server, "stopped"),
    "a server resized": lambda r: r.cloud.resize(r.server, r.cloud.create_flavor("big", 4)),
    "a server deleted": lambda r: r.cloud.delete_server(r.server),
    "a server deleted behind its stack": lambda r: r.cloud.delete_server(r.server, behind_heat=True),
    "a volume attached": lambda r: r.cloud.attach(r.volume, r.server),
    "a volume renamed": lambda r: r.cloud.rename(r.volume, "other"),
    "a new volume": lambda r: r.cloud.create_volume(r.stack, "new"),
    "a network renamed": lambda r: r.cloud.rename(r.net, "other"),
    "a network down": lambda r: r.cloud.set_network_status(r.net, "DOWN"),
    "a new network": lambda r: r.cloud.create_network(r.stack, "new"),
    "a new subnet": lambda r: r.cloud.add_subnet(r.net, "10.60.0.0/16"),
    "a subnet less": lambda r: r.cloud.remove_subnet(r.net, r.net.subnets[0]),
    "a server plugged": lambda r: r.cloud.plug(r.server, r.cloud.shared),
    "a floating IP": lambda r: r.cloud.add_floating_ip(r.server),
    "a new stack": lambda r: r.cloud.add_server(r.cloud.create_stack(r.team, "second"), "s"),
    "a stack deleted": lambda r: r.cloud.delete_stack(r.stack),
    "a flavor deleted": lambda r: r.cloud.delete_flavor(r.server.flavor),
}


@pytest.mark.parametrize("happening", HAPPENINGS)
def test_what_happens_is_seen_by_the_next_reading(reader: ChangingCloud, happening: str) -> None:
    reader.changes()
    reader.cloud.pass_time(PASS)
    HAPPENINGS[happening](reader)
    for _ in range(2):
        assert content(reader.changes()) == content(reader.in_full())
        reader.cloud.pass_time(PASS)


def test_a_volume_detached_is_seen(reader: ChangingCloud) -> None:
    reader.cloud.attach(reader.volume, reader.server)
    assert reader.changes().servers[reader.server.id].volume_ids == (reader.volume.id,)
    reader.cloud.pass_time(PASS)
    reader.cloud.detach(reader.volume, reader.server)
    assert content(reader.changes()) == content(reader.in_full())
