"""The exact request bodies sent to Concertim."""

from __future__ import annotations

from types import MappingProxyType

import pytest

from cos_update.concertim import bodies
from cos_update.concertim.transport import encoded
from cos_update.model.concertim import (
    ApiFlavour,
    Details,
    Device,
    InstanceDetails,
    Location,
    NetworkDetails,
    Rack,
    Template,
    VolumeDetails,
)
from cos_update.model.errors import Refused
from cos_update.model.kinds import ResourceKind

TEAMS, USERS = ApiFlavour.TEAMS, ApiFlavour.USERS


def device(type_: ResourceKind, details: Details) -> Device:
    return Device("", "n", type_, "r1", "t1", "ACTIVE", Location(3, 4), details, "text", {"openstack_instance_id": "i"})


def test_a_new_template_sends_no_size_that_the_app_refuses_and_no_tag() -> None:
    template = Template("", "m1", 2, "f1", vcpus=2, ram=0, disk=None, description="d", tag="x")
    assert bodies.new_template(template) == {
        "template": {
            "name": "m1",
            "height": 2,
            "foreign_id": "f1",
            "vcpus": 2,
            "ram": None,
            "disk": None,
            "description": "d",
        }
    }
    assert bodies.changed_template({"disk": 0, "name": "m2"}) == {"template": {"disk": None, "name": "m2"}}


@pytest.mark.parametrize(("flavour", "owner_key"), [(TEAMS, "team_id"), (USERS, "user_id")])
def test_a_new_rack_belongs_to_a_team_or_in_the_older_api_to_a_user(flavour: ApiFlavour, owner_key: str) -> None:
    rack = Rack("", "s", "o1", 20, "ACTIVE", {"openstack_stack_id": "s1"}, {"n": 1}, "a=b", "order")
    assert bodies.new_rack(rack, flavour) == {
        "rack": {
            owner_key: "o1",
            "order_id": "order",
            "name": "s",
            "u_height": 20,
            "status": "ACTIVE",
            "metadata": {"openstack_stack_id": "s1"},
            "network_details": {"n": 1},
            "creation_output": "a=b",
        }
    }


def test_a_changed_rack_sends_only_what_changes_and_never_a_null_output() -> None:
    sent = bodies.changed_rack({"height": 30, "creation_output": None})
    assert sent == {"rack": {"u_height": 30, "creation_output": ""}}


def test_a_new_device_names_its_details_and_has_its_template_outside() -> None:
    sent = bodies.new_device(device(ResourceKind.SERVER, InstanceDetails("1.1.1.1")), TEAMS)
    assert sent == {
        "template_id": "t1",
        "device": {
            "name": "n",
            "type": "Instance",
            "status": "ACTIVE",
            "description": "text",
            "metadata": {"openstack_instance_id": "i"},
            "location": {"rack_id": "r1", "start_u": 3, "facing": "f"},
            "details": {
                "type": "Device::ComputeDetails",
                "public_ips": "1.1.1.1",
                "private_ips": "",
                "ssh_key": "",
                "login_user": "",
                "volume_details": [],
            },
        },
    }


@pytest.mark.parametrize(
    ("type_", "details", "name"),
    [
        (ResourceKind.VOLUME, VolumeDetails(size=3, bootable=False), "Device::VolumeDetails"),
        (ResourceKind.NETWORK, NetworkDetails(mtu=1450), "Device::NetworkDetails"),
    ],
)
def test_details_go_as_typed_values_and_unknown_ones_as_null(type_: ResourceKind, details: Details, name: str) -> None:
    sent = bodies.new_device(device(type_, details), TEAMS)["device"]
    assert isinstance(sent, dict)
    assert sent["details"]["type"] == name
    assert {type(value) for value in sent["details"].values()} <= {str, int, bool, type(None)}
    assert "None" not in sent["details"].values()


def test_in_the_older_api_details_are_flat_and_there_are_only_instances() -> None:
    sent = bodies.new_device(device(ResourceKind.SERVER, InstanceDetails("1.1.1.1")), USERS)["device"]
    assert isinstance(sent, dict)
    assert (sent["public_ips"], sent["volume_details"]) == ("1.1.1.1", {})
    assert not {"type", "details"} & sent.keys()
    with pytest.raises(Refused, match="older API does not support a volume"):
        bodies.new_device(device(ResourceKind.VOLUME, VolumeDetails()), USERS)


def test_a_changed_device_sends_only_the_changed_details() -> None:
    changes = {"status": "STOPPED", "details": {"public_ips": "2.2.2.2", "volume_details": None}}
    details = {"public_ips": "2.2.2.2", "volume_details": []}
    assert bodies.changed_device(changes, TEAMS) == {"device": {"status": "STOPPED", "details": details}}
    assert bodies.changed_device(changes, USERS) == {"device": {"status": "STOPPED", **details, "volume_details": {}}}


@pytest.mark.parametrize("field", ["type", "rack_id", "location", "template_id", "id", "cost"])
def test_what_would_harm_a_device_is_never_sent(field: str) -> None:
    with pytest.raises(ValueError, match=field):
        bodies.changed_device({field: "x"}, TEAMS)


def test_a_templates_height_and_a_racks_owner_are_never_sent() -> None:
    with pytest.raises(ValueError, match="height"):
        bodies.changed_template({"height": 2})
    with pytest.raises(ValueError, match="owner_id"):
        bodies.changed_rack({"owner_id": "x"})


def test_read_only_mappings_are_objects_and_what_json_has_not_is_an_error() -> None:
    assert encoded({"a": MappingProxyType({"b": (1,)})}) == b'{"a": {"b": [1]}}'
    with pytest.raises(ValueError, match="Out of range"):
        encoded({"a": float("nan")})
    with pytest.raises(TypeError, match="object"):
        encoded({"a": object()})
