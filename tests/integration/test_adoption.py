"""The racks of the update handlers before us are taken over as they stand: nothing of theirs goes or is made again."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import pytest
from earlier_handlers import Handlers
from world import World

from cos_update.fakes import Sandbox
from cos_update.fakes.concertim import ConcertimApp
from cos_update.fakes.demo import demo_cloud
from cos_update.fakes.openstack import OpenStackApp
from cos_update.model.concertim import ApiFlavour
from cos_update.model.openstack import Inventory
from cos_update.model.settings import CloudSettings
from cos_update.openstack.inventory import CloudReader

GENERATIONS = [(1, ApiFlavour.USERS), (1, ApiFlavour.TEAMS), (2, ApiFlavour.TEAMS)]


@pytest.fixture(params=GENERATIONS, ids=lambda pair: f"generation {pair[0]}, {pair[1]}")
def handlers(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Handlers]:
    """The handlers of a generation, who have filled Concertim from the demo's cloud."""
    generation, flavour = request.param
    world = World(OpenStackApp(demo_cloud()), ConcertimApp(flavour), tmp_path)
    with Sandbox(world.openstack, world.concertim):
        if flavour is ApiFlavour.USERS:
            for project in world.cloud.projects_of(world.cloud.watcher.id):
                world.concertim.state.add_user(project.name, project_id=project.id)
        else:
            world.add_owners()
        world.configure()
        found = Handlers(world, generation)
        found.fill(read(world))
        yield found


def read(world: World) -> Inventory:
    auth = {"auth_url": world.openstack.auth_url, "username": "concertim", "password": "concertim",
            "user_domain_name": "Default", "project_name": "admin", "project_domain_name": "Default"}  # fmt: skip
    return CloudReader(CloudSettings(auth=auth)).read()


def test_nothing_that_is_there_goes_or_is_made_again(handlers: Handlers) -> None:
    world = handlers.world
    before = world.actual()
    writes = world.writes()
    assert len(before.devices) > 20
    there = {device.object_id for device in before.devices.values()} | {r.stack_id for r in before.racks.values()}
    there |= {template.foreign_id for template in before.templates.values() if template.foreign_id}
    document = json.loads(world.run("diff", "--dry-run", "--format", "json").stdout)
    actions = [*document["templates"], *(action for rack in document["racks"] for action in rack["actions"])]
    assert [a for a in actions if a["action"] == "remove"] == []
    assert [a for a in actions if a["action"] == "create" and a["openstack_id"] in there] == []
    assert [a for a in actions if any(change["field"] == "name" for change in a["changes"])] == []
    assert world.writes() == writes


def test_every_device_keeps_its_id_and_all_that_is_not_ours(handlers: Handlers) -> None:
    world = handlers.world
    before = world.actual()
    world.bulk(expect=None)
    after = world.actual()
    for item, device in before.devices.items():
        now = after.devices[item]
        assert (now.object_id, now.name, now.location, now.cost) == (
            device.object_id, device.name, device.location, device.cost,
        )  # fmt: skip
        assert (now.template_id, now.metadata["another_service"]) == (device.template_id, 7)
    for item, rack in before.racks.items():
        found = after.racks[item]
        assert (found.stack_id, found.name, found.cost) == (rack.stack_id, rack.name, "12.50")
        assert found.order_id == handlers.orders[rack.stack_id]
        assert found.metadata["another_service"] == {"note": "mine"}
        assert found.metadata["openstack_stack_owner_id"] == world.cloud.stacks[rack.stack_id].project_id
    for item, template in before.templates.items():
        assert (after.templates[item].name, after.templates[item].height) == (template.name, template.height)


def test_the_second_pass_writes_nothing(handlers: Handlers) -> None:
    world = handlers.world
    world.bulk(expect=None)
    writes = world.writes()
    world.bulk(expect=None)
    assert world.writes() == writes


def test_new_objects_beside_adopted_ones_follow_our_own_rules(handlers: Handlers) -> None:
    world = handlers.world
    world.bulk(expect=None)
    flavor = world.cloud.create_flavor("new", 5, 512, 1)
    stack = next(s for s in world.cloud.stacks.values() if s.name == "cluster-1")
    server = world.cloud.add_server(stack, "new_1", flavor)
    world.bulk(expect=None)
    after = world.actual()
    (device,) = (d for d in after.devices.values() if d.object_id == server.id)
    assert device.name == "new-1"
    assert device.location.height == 4
