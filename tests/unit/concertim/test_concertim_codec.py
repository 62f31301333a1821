"""The app's responses as records of the model."""

from __future__ import annotations

from functools import partial
from typing import Any

import pytest
from captures import body
from hypothesis import given
from hypothesis import strategies as st

from cos_update.concertim import codec
from cos_update.concertim.codec import UnexpectedAnswer
from cos_update.model.concertim import (
    ApiFlavour,
    Device,
    InstanceDetails,
    Location,
    NetworkDetails,
    Owner,
    Rack,
    Template,
    VolumeDetails,
)
from cos_update.model.errors import Unavailable
from cos_update.model.kinds import ResourceKind

device = partial(codec.device, flavour=ApiFlavour.TEAMS)


def shown(case: str) -> Device:
    return codec.shown(body(case), "a device", device)


def test_an_instance() -> None:
    assert shown("devices.show instance") == Device(
        id="491922cf-121b-45d9-ac81-6497191800d7",
        name="inst-1",
        kind=ResourceKind.SERVER,
        rack_id="d04d8d60-ec3b-48bc-b5c8-5e106d5ff5b4",
        template_id="f913489e-b890-44de-b9f8-dc16606407df",
        status="ACTIVE",
        location=Location(1, 1, "f"),
        details=InstanceDetails("10.0.0.1", "192.168.0.4", "key", "centos", {"v1": {"size": 1}}),
        description="d",
        metadata={"openstack_instance_id": "i1"},
    )


def test_a_volume_and_a_network_have_details_of_their_own() -> None:
    volume, network = shown("devices.show volume"), shown("devices.show network")
    assert (volume.kind, volume.location) == (ResourceKind.VOLUME, Location(19, 20))
    assert volume.details == VolumeDetails("nova", True, False, False, 10, "lvm")
    assert (network.kind, network.status) == (ResourceKind.NETWORK, "ACTIVE")
    assert network.details == NetworkDetails(True, "x.", True, 1450, True, False, "")


def test_details_that_were_never_given_are_empty() -> None:
    assert shown("nodes.create instance, details {}").details == InstanceDetails()
    assert shown("nodes.create volume, details only type").details == VolumeDetails()


def test_a_rack_and_the_devices_it_is_shown_with() -> None:
    answer = body("racks.show with devices")
    rack = codec.shown(answer, "a rack", codec.rack)
    held = codec.listed(answer["devices"], "devices", device)
    assert (rack.name, rack.height, rack.creation_output) == ("nodes", 20, "")
    assert {item.rack_id for item in held} == {rack.id}
    assert [(item.location.start_u, item.location.end_u) for item in held][:1] == [(19, 20)]


def test_a_rack_as_it_was_created() -> None:
    assert codec.rack(body("racks.create normal full")) == Rack(
        id="d6c44eaf-7c95-44f0-8db8-1fa110bf878d",
        name="stack-1",
        owner_id="3ce88784-36a9-4bd9-9805-61c792359769",
        height=42,
        status="ACTIVE",
        metadata={"openstack_stack_id": "s1", "openstack_stack_owner": "alice"},
        network_details={"net": {"a": 1}},
        creation_output="some: output",
        order_id="o-1",
    )


def test_the_apps_own_templates_are_told_by_their_tags() -> None:
    templates = codec.listed(body("templates.index root"), "templates", codec.template)
    assert [(t.name, t.height, t.tag, t.foreign_id, t.disk) for t in templates] == [
        ("network", 1, "network", "", None),
        ("volume", 2, "volume", "", None),
    ]
    ours = codec.template(body("templates.create disk null"))
    assert ours == Template(ours.id, "n-disk null", 1, "x", 1, 2048, None, "flavor")


def test_a_team_without_a_project_stands_for_none() -> None:
    owners = codec.listed(body("teams.index root"), "teams", codec.owner)
    assert owners[0] == Owner("3ce88784-36a9-4bd9-9805-61c792359769", "t1", "a" * 32)
    assert [owner.project_id for owner in owners][-1] == ""


def test_the_current_user_says_whether_it_is_root() -> None:
    assert codec.user(body("users.current admin")).root
    assert not codec.user(body("users.current non-root")).root


def test_in_the_older_api_every_device_is_an_instance() -> None:
    found = codec.device({"id": "d", "public_ips": "1.1.1.1", "volume_details": []}, ApiFlavour.USERS)
    assert (found.kind, found.details) == (ResourceKind.SERVER, InstanceDetails("1.1.1.1"))


def test_a_device_of_unknown_type_takes_its_units_but_is_not_ours() -> None:
    metadata = {"openstack_instance_id": "i1", "colour": "red"}
    location = {"rack_id": "r", "start_u": 3, "end_u": 4}
    found = device({"id": "d", "type": "Router", "metadata": metadata, "location": location})
    assert (found.object_id, found.metadata) == ("", {"colour": "red"})
    assert (found.rack_id, found.location) == ("r", Location(3, 4))


def test_a_missing_highest_unit_follows_from_the_template() -> None:
    place = {"location": {"rack_id": "r", "start_u": 3}}
    of_index = {"id": "d", "type": "Instance", "template_id": "t", **place}
    alone = {"id": "d", "type": "Instance", "template": {"id": "t", "height": 4}, **place}
    assert device(of_index, heights={"t": 2}).location == Location(3, 4)
    assert device(alone).location == Location(3, 6)


@pytest.mark.parametrize("volumes", [None, [], {}, ""])
def test_all_ways_to_have_no_volumes_are_one(volumes: object) -> None:
    assert device({"id": "d", "type": "Instance", "volume_details": volumes}).details == InstanceDetails()


def test_a_metadata_that_is_no_object_counts_as_empty() -> None:
    assert codec.rack({"id": "r", "metadata": "text", "network_details": [1]}) == Rack("r", "", "", 42, "")


@pytest.mark.parametrize(
    "answer", [None, {}, {"racks": []}, "[]", 0, [None], [[]], [{}], [{"name": "r"}], [{"id": ""}]]
)
def test_a_listing_of_another_shape_is_an_error_and_never_empty(answer: object) -> None:
    with pytest.raises(Unavailable):
        codec.listed(answer, "racks", codec.rack)


ANY_VALUE = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=2) | st.dictionaries(st.text(max_size=3), inner, max_size=2),
    max_leaves=5,
)
FIELDS = ["id", "name", "type", "height", "u_height", "location", "template", "owner", "metadata", "size", "bootable"]
RECORDS = st.dictionaries(st.sampled_from(FIELDS), ANY_VALUE | st.sampled_from(["Volume", "Network", "12", "-1", "²"]))


@given(RECORDS)
def test_any_record_is_read_or_refused_with_words(record: dict[str, Any]) -> None:
    for decode in (codec.owner, codec.template, codec.rack, device):
        try:
            found: Any = codec.shown(record, "something", decode)
        except UnexpectedAnswer:
            has_id = isinstance(record.get("id"), str) and record["id"]
            assert not has_id or decode is codec.template
        else:
            assert isinstance(found.id, str)
            assert isinstance(found.name, str)
