"""Differences between actual and desired state in Concertim's own form; and which OpenStack fields are shown."""

from __future__ import annotations

from typing import Any

import pytest
from builders import cloud, concertim, device, network, rack, server, stack, unread, volume

from cos_update.model.concertim import ApiFlavour, InstanceDetails, Owner, Template
from cos_update.model.kinds import ResourceKind
from cos_update.model.openstack import Address, Inventory, Network, Output, Volume
from cos_update.planning.compare import device_difference, rack_difference, template_difference
from cos_update.planning.desired import Desired, DesiredDevice, DesiredRack, DesiredTemplate, desired_state
from cos_update.planning.details import net_interfaces, of_network, of_server, of_volume
from cos_update.planning.values import canonical, clean_text, creation_output, positive, stack_output


@pytest.mark.parametrize(
    ("value", "form"),
    [
        pytest.param("a\0b", "ab", id="NUL vanishes from texts"),
        pytest.param("a\ud800", "a\ufffd", id="a lone surrogate is replaced"),
        pytest.param("日本", "日本", id="any other text stays"),
        pytest.param([1, None, 2], [1, 2], id="nulls vanish from lists"),
        pytest.param((1, 2), [1, 2], id="a tuple is a list"),
        pytest.param({"a\0": None, 1: [None]}, {"a": None, "1": []}, id="keys are texts; nulls stay in objects"),
        pytest.param(1e30, 10**30, id="a whole float is an integer"),
        pytest.param(1.5, 1.5, id="another float stays"),
        pytest.param(float("inf"), "inf", id="what JSON has no number for is a text"),
        pytest.param(True, True, id="a truth value stays one"),
    ],
)
def test_a_value_in_the_form_in_which_it_comes_back(value: object, form: object) -> None:
    assert canonical(value) == form
    assert type(canonical(value)) is type(form)


@pytest.mark.parametrize(
    ("value", "shown"),
    [(0, None), (-1, None), (None, None), (1, 1), (2**31 - 1, 2**31 - 1), (2**31, None)],
    ids=["zero", "negative", "unknown", "one", "the greatest", "too great"],
)
def test_figures_of_templates_are_positive_and_within_31_bits(value: int | None, shown: int | None) -> None:
    assert positive(value) == shown


@pytest.mark.parametrize(
    ("outputs", "text", "typed"),
    [
        pytest.param([], "", {}, id="none"),
        pytest.param([Output("b", 1), Output("a", "x")], "a=x, b=1", {"a": "x", "b": 1}, id="in the order of the keys"),
        pytest.param([Output("a", None)], "a=", {"a": None}, id="no value yet"),
        pytest.param([Output("a", {"k": [1, None]})], 'a={"k":[1]}', {"a": {"k": [1]}}, id="an object as JSON"),
        pytest.param(
            [Output("a", "x=1, , y")], "a=x%3D1,,y", {"a": "x=1, , y"}, id="the page's separators are escaped"
        ),
    ],
)
def test_outputs_of_a_stack_for_the_page_and_for_machines(outputs: list[Output], text: str, typed: object) -> None:
    assert creation_output(outputs) == text
    assert stack_output(outputs) == typed


def test_a_text_is_cut_to_its_column() -> None:
    assert clean_text("x" * 300, 255) == "x" * 255


WANTED = DesiredDevice("i1", ResourceKind.SERVER, "i1", "ACTIVE", "", "small", {"a": 1}, {"public_ips": "net:1.2.3.4"})
SHOWN: dict[str, Any] = {"metadata": {"a": 1, "theirs": 2}, "details": InstanceDetails("net:1.2.3.4", login_user="me")}


@pytest.mark.parametrize(
    ("there", "sent"),
    [
        pytest.param({}, {}, id="nothing differs: nothing is sent"),
        pytest.param({"status": "FAILED"}, {"status": "ACTIVE"}, id="only the field that differs"),
        pytest.param({"name": "other"}, {"name": "i1"}, id="the name"),
        pytest.param({"description": "old"}, {"description": ""}, id="a text that is to be empty"),
        pytest.param({"description": None}, {}, id="empty and nothing are the same"),
        pytest.param({"metadata": {"a": 1.0}}, {}, id="1.0 and 1 are the same"),
        pytest.param({"metadata": {"theirs": 2}}, {"metadata": {"theirs": 2, "a": 1}}, id="what others wrote survives"),
        pytest.param({"metadata": {"a": 2}}, {"metadata": {"a": 1}}, id="a key of ours that differs"),
        pytest.param(
            {"details": InstanceDetails()}, {"details": {"public_ips": "net:1.2.3.4"}}, id="a detail that differs"
        ),
    ],
)
def test_what_is_sent_of_a_device(there: dict[str, Any], sent: dict[str, Any]) -> None:
    difference = device_difference(device("i1", **SHOWN | there), WANTED, "i1")
    assert difference.payload == sent
    assert bool(difference) is bool(sent)
    assert bool(difference.changes) is bool(sent)


@pytest.mark.parametrize(
    ("there", "wanted", "sent"),
    [
        pytest.param({}, {}, {}, id="what is not known is not compared"),
        pytest.param({}, {"status": "STOPPED"}, {"status": "STOPPED"}, id="the status"),
        pytest.param({"height": 40}, {}, {"height": 42}, id="a rack that must grow"),
        pytest.param({"creation_output": "a=1"}, {"creation_output": "a=2"}, {"creation_output": "a=2"}, id="outputs"),
        pytest.param({"network_details": {"n": ["c"]}}, {"network_details": {"n": ("c",)}}, {}, id="a tuple is a list"),
        pytest.param({"order_id": "theirs"}, {"order_id": "ours"}, {}, id="an order id that is there stays"),
    ],
)
def test_what_is_sent_of_a_rack(there: dict[str, Any], wanted: dict[str, Any], sent: dict[str, Any]) -> None:
    desired = DesiredRack("s1", "p-a", Owner("o-a", "a", "p-a"), **wanted)
    assert rack_difference(rack("s1", **there).rack, desired, "s1", 42).payload == sent


def test_what_is_sent_of_a_template_is_never_its_height() -> None:
    template = Template("t", "m1", 2, "small", 1, 512, None)
    wanted = DesiredTemplate("small", "m1", 1, 1, 1024, None, "", frozenset({1}))
    assert template_difference(template, wanted, "m1").payload == {"ram": 1024}


ALL = cloud(volume("v1", name="disk", size=7))


@pytest.mark.parametrize(
    ("inventory", "attached", "shown"),
    [
        pytest.param(ALL, (), [], id="none attached"),
        pytest.param(ALL, ("v1",), [{"id": "v1", "name": "disk", "size": 7}], id="each with its name and size"),
        pytest.param(ALL, ("v1", "v2"), [{"id": "v1", "name": "disk", "size": 7}], id="one that is gone is left out"),
        pytest.param(cloud(unread(ResourceKind.VOLUME)), ("v1",), None, id="volumes not read: nothing is said of them"),
    ],
)
def test_attached_volumes(inventory: Inventory, attached: tuple[str, ...], shown: object) -> None:
    assert of_server(server(volume_ids=attached), inventory, ApiFlavour.TEAMS).get("volume_details") == shown


def test_addresses_are_public_when_floating() -> None:
    item = server(
        addresses=(Address("net", "1.2.3.4", floating=True), Address("b", "10.0.0.2"), Address("a", "10.0.0.9"))
    )
    details = of_server(item, cloud(), ApiFlavour.TEAMS)
    assert (details["public_ips"], details["private_ips"]) == ("net:1.2.3.4", "a:10.0.0.9, b:10.0.0.2")
    assert [(i["network"], i["type"]) for i in net_interfaces(item)] == [
        ("a", "fixed"),
        ("b", "fixed"),
        ("net", "floating"),
    ]


@pytest.mark.parametrize(
    ("item", "field", "shown"),
    [
        pytest.param(volume(size=5), "size", 5, id="a size"),
        pytest.param(volume(size=2**31), "size", None, id="a size beyond 31 bits is left out"),
        pytest.param(volume(bootable=False), "bootable", False, id="no is an answer"),
        pytest.param(volume(), "bootable", None, id="what is not said is left out"),
        pytest.param(volume(volume_type="x" * 300), "volume_type", "x" * 255, id="a text is cut"),
        pytest.param(network(mtu=1500), "mtu", 1500, id="an MTU"),
        pytest.param(network(mtu=-1), "mtu", None, id="an MTU without sense is left out"),
        pytest.param(network(), "dns_domain", None, id="an extension that is absent says nothing"),
        pytest.param(network(dns_domain=""), "dns_domain", "", id="an empty domain is one"),
    ],
)
def test_details_of_volumes_and_networks(item: Volume | Network, field: str, shown: object) -> None:
    details = of_volume(item) if isinstance(item, Volume) else of_network(item)
    assert details.get(field) == shown


def desired(inventory: Inventory) -> Desired:
    return desired_state(inventory, concertim())


NETS = (network("n1", name="lan", cidrs=("10.0.1.0/24",)), network("n2", name="lan", cidrs=("10.0.0.0/24",)))


@pytest.mark.parametrize(
    ("gap", "shown"),
    [
        pytest.param(
            (), {"lan": ["10.0.0.0/24", "10.0.1.0/24"], "n3": []}, id="networks by name, their subnets sorted"
        ),
        pytest.param((unread(ResourceKind.NETWORK),), None, id="networks not read: nothing is said"),
        pytest.param((unread(ResourceKind.SUBNET),), None, id="subnets not read: nothing is said"),
    ],
)
def test_networks_of_a_rack(gap: tuple[Any, ...], shown: object) -> None:
    inventory = cloud(stack("s1", *NETS, network("n3", name="", cidrs=None)), *gap)
    assert desired(inventory).racks["s1"].network_details == shown


def test_the_owner_of_a_stack_is_its_project() -> None:
    """The name is the person's, the id the project's: by it the rack's team is found, by others too."""
    metadata = desired(cloud(stack("s1", server("i1"), owner="alice"))).racks["s1"].metadata
    assert (metadata["openstack_stack_owner"], metadata["openstack_stack_owner_id"]) == ("alice", "p-a")


def test_a_project_with_two_teams_is_shown_by_the_first() -> None:
    owners = (Owner("o-2", "second", "p-a"), Owner("o-1", "first", "p-a"))
    racks = desired_state(cloud(stack("s1")), concertim(owners=owners)).racks
    assert racks["s1"].owner.name == "first"
