"""Objects of previous update handlers are adopted as they are, whichever generation created them."""

from __future__ import annotations

import pytest
from builders import SMALL, cloud, concertim, device, plan, rack, removed, server, stack, volume, words
from clouds import OWNERS, inventories, settled
from earlier import HEIGHTS, dashed, fill
from hypothesis import given, settings
from hypothesis import strategies as st
from strictapp import StrictApp
from test_convergence import one_pass

from cos_update.model.concertim import STACK_ID, ApiFlavour, Location, Rack, Template
from cos_update.model.openstack import Flavor, Inventory
from cos_update.planning.desired import heights_in_the_field, template_height
from cos_update.planning.plan import Verb


@settings(max_examples=200)
@given(
    inventory=inventories(),
    generation=st.sampled_from([1, 2]),
    flavour=st.sampled_from([ApiFlavour.TEAMS, ApiFlavour.USERS]),
)
def test_adopting_removes_nothing_makes_nothing_twice_and_is_done_after_one_pass(
    inventory: Inventory, generation: int, flavour: ApiFlavour
) -> None:
    inventory = settled(inventory)
    app = StrictApp(OWNERS, flavour)
    fill(app, inventory, generation)
    before = app.actual()
    there = {d.object_id for d in before.devices.values()} | {r.stack_id for r in before.racks.values()}
    there |= {t.foreign_id for t in before.templates.values() if t.foreign_id}
    done = one_pass(app, inventory)
    after = app.actual()
    assert app.refusals == []
    assert [words(a) for a in done.actions if a.verb is Verb.REMOVE] == []
    assert [words(a) for a in done.actions if a.verb is Verb.CREATE and a.openstack_id in there] == []
    for item, record in before.racks.items():
        now = after.racks[item]
        assert (now.name, now.order_id, now.cost) == (record.name, record.order_id, record.cost)
        assert now.metadata["theirs"] == [1, 2]
        assert now.metadata["openstack_stack_owner_id"] == inventory.stacks[record.stack_id].project_id
    for item, held in before.devices.items():
        now_held = after.devices[item]
        assert (now_held.name, now_held.location, now_held.cost) == (held.name, held.location, held.cost)
        assert (now_held.template_id, now_held.metadata["theirs"]) == (held.template_id, "x")
    assert {item: t.height for item, t in after.templates.items()}.items() >= {
        item: t.height for item, t in before.templates.items()
    }.items()
    assert one_pass(app, inventory).actions == ()


@pytest.mark.parametrize("vcpus", range(10))
def test_the_height_of_either_generation_will_do(vcpus: int) -> None:
    for generation in (1, 2):
        assert HEIGHTS[generation][vcpus] in heights_in_the_field(vcpus)
    assert template_height(vcpus) == HEIGHTS[1][vcpus]


@pytest.mark.parametrize(
    ("vcpus", "height", "actions"),
    [
        pytest.param(3, 2, [], id="the second generation's height stays"),
        pytest.param(3, 3, [], id="the first generation's stays"),
        pytest.param(5, 3, [], id="and so with more vCPUs"),
        pytest.param(3, 4, ["remove template big", "create template big"], id="any other does not"),
        pytest.param(8, 3, ["remove template big", "create template big"], id="nor that of another flavor"),
    ],
)
def test_a_template_keeps_a_height_that_either_rule_gives(vcpus: int, height: int, actions: list[str]) -> None:
    there = Template("t-big", "big", height, "big", vcpus, 512, 10)
    made = plan(cloud(flavors=(SMALL, Flavor("big", "big", vcpus, 512, 10))), concertim(there))
    found = [
        f"{a.verb} {a.kind.label} {a.name}"
        for a in made.actions
        if a.openstack_id == "big" and a.verb is not Verb.UPDATE
    ]
    assert sorted(found) == sorted(actions)


def test_devices_of_two_templates_of_one_flavor_both_stay() -> None:
    """As where one generation has followed the other: new ones get the template that most have."""
    flavor = Flavor("big", "big", 3, 512, 10)
    templates = (Template("t-1", "big", 3, "big", 3, 512, 10), Template("t-2", "big 2", 2, "big", 3, 512, 10))
    held = [
        device("i1", template_id="t-1", location=Location(1, 3)),
        device("i2", template_id="t-2", location=Location(4, 5)),
        device("i3", template_id="t-2", location=Location(6, 7)),
    ]
    servers = [server(f"i{number}", flavor_id="big") for number in (1, 2, 3, 4)]
    made = plan(cloud(stack("s1", *servers), flavors=(SMALL, flavor)), concertim(rack("s1", *held), *templates))
    assert removed(made) == []
    created = [a for a in made.actions if a.verb is Verb.CREATE and a.device]
    assert [(a.openstack_id, a.device and a.device.template_id) for a in created] == [("i4", "t-2")]


@pytest.mark.parametrize(
    ("name", "current", "kept"),
    [
        pytest.param("my_stack.v1", "my-stack-v1", True, id="dots and underscores were made hyphens"),
        pytest.param("a__b", "a--b", True, id="each by itself"),
        pytest.param("_a_", "-a-", True, id="also at both ends"),
        pytest.param("my_stack", "my_stack", True, id="what needs no change"),
        pytest.param("my_stack", "other", False, id="a name that does not come from the object's"),
        pytest.param("a.b c", "a-b c", False, id="a name that is not legal"),
        pytest.param("x." + "y" * 120, "x-" + "y" * 120, False, id="one that is too long beside a template's"),
    ],
)
def test_a_rack_keeps_the_name_that_it_was_given(name: str, current: str, kept: bool) -> None:
    made = plan(cloud(stack("s1", name=name)), concertim(rack("s1", name=current)))
    assert any("name" in a.payload for a in made.actions) is not kept


@pytest.mark.parametrize("flavour", [ApiFlavour.TEAMS, ApiFlavour.USERS])
@pytest.mark.parametrize("name", ["web_1.local", "web.1", "web_1", "_web_1", "web..1"])
def test_a_device_keeps_the_name_that_it_was_given(flavour: ApiFlavour, name: str) -> None:
    there = concertim(rack("s1", device("i1", name=dashed(name, 1))), flavour=flavour)
    made = plan(cloud(stack("s1", server("i1", name=name))), there)
    assert [a for a in made.actions if "name" in a.payload] == []


def test_an_object_of_another_name_gets_the_name_by_our_rule() -> None:
    there = concertim(rack("s1", device("i1", name="web-1")))
    made = plan(cloud(stack("s1", server("i1", name="db_1.local"))), there)
    assert [a.payload["name"] for a in made.actions if "name" in a.payload] == ["db-1.local"]


def test_who_bears_a_name_keeps_it_from_one_that_comes_and_is_really_called_so() -> None:
    there = concertim(rack("s1", name="a-b"))
    made = plan(cloud(stack("s1", name="a_b"), stack("s2", name="a-b")), there)
    assert [words(a) for a in made.actions if isinstance(a.record, Rack) and "name" in a.payload] == []
    assert [a.name for a in made.actions if isinstance(a.record, Rack) and a.verb is Verb.CREATE] == ["a-b-s2"]


def test_a_rack_whose_metadata_was_wiped_is_known_by_its_earlier_name_too() -> None:
    held = device("v1", metadata={"openstack_instance_id": "v1", STACK_ID: "s1"})
    there = concertim(rack("", held, id="r-1", name="my-stack", order_id="bundle"))
    made = plan(cloud(stack("s1", volume("v1"), name="my_stack")), there)
    assert removed(made) == []
