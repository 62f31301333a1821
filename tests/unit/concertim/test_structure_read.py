"""The structure read: all text, and one child looks different from two."""

from __future__ import annotations

import copy
import dataclasses
import json
from typing import Any

import pytest
from captures import FIXTURES

from cos_update.concertim import structure
from cos_update.concertim.structure import StructureDevice
from cos_update.model.concertim import ApiFlavour, Device, InstanceDetails, Location
from cos_update.model.errors import Unavailable
from cos_update.model.kinds import ResourceKind

TEAMS = ApiFlavour.TEAMS
ANSWER: Any = json.loads((FIXTURES / "concertim_wire_structure.json").read_text())


def test_racks_with_none_one_and_several_devices() -> None:
    none, one, two = structure.racks(ANSWER, TEAMS)
    assert (none.name, none.height, none.status, none.devices) == ("empty", 42, "ACTIVE", ())
    assert none.owner_id == "3ce88784-36a9-4bd9-9805-61c792359769"
    assert one.devices == (
        StructureDevice(
            id="9c000000-0000-4000-8000-000000000001",
            name="home",
            status="AVAILABLE",
            kind=ResourceKind.VOLUME,
            start_u=9,
            end_u=10,
            facing="f",
            template_id="b4f127ea-f803-4f0c-a962-6bf70ff95e40",
            cost="$0.00",
        ),
    )
    assert [(d.name, d.kind, d.start_u, d.facing) for d in two.devices] == [
        ("node-0", ResourceKind.SERVER, 1, "f"),
        ("net-0", ResourceKind.NETWORK, 10, "b"),
    ]


@pytest.mark.parametrize(
    ("shown", "cost"),
    [("$1.50", "1.50"), ("$1,234,567.80", "1234567.80"), ("0.00", "0.00"), ("1,50 EUR", None), ("", None), (3, None)],
)
def test_what_devices_cost_is_text_for_people(shown: object, cost: str | None) -> None:
    answer = copy.deepcopy(ANSWER)
    machine = answer["Racks"]["Rack"][1]["Chassis"]["Slots"]["Machine"]
    machine["cost"] = shown
    assert structure.costs(structure.racks(answer, TEAMS)).get(machine["id"]) == cost


def test_in_the_older_api_every_machine_is_an_instance() -> None:
    answer = copy.deepcopy(ANSWER)
    del answer["Racks"]["Rack"][1]["Chassis"]["Slots"]["Machine"]["type"]
    assert structure.racks(answer, ApiFlavour.USERS)[1].devices[0].kind is ResourceKind.SERVER
    assert structure.racks(answer, TEAMS)[1].devices[0].kind is None


def test_a_chassis_without_a_machine_is_no_device() -> None:
    answer = copy.deepcopy(ANSWER)
    del answer["Racks"]["Rack"][1]["Chassis"]["Slots"]["Machine"]
    assert structure.racks(answer, TEAMS)[1].devices == ()


def test_no_racks_at_all() -> None:
    assert structure.racks({"Racks": {"Rack": []}}, TEAMS) == ()


@pytest.mark.parametrize("answer", [None, [], {}, {"Racks": None}, {"Racks": {}}, {"Racks": {"Rack": "x"}}])
def test_another_shape_is_an_error_and_never_no_racks(answer: object) -> None:
    with pytest.raises(Unavailable, match="unknown format"):
        structure.racks(answer, TEAMS)


@pytest.mark.parametrize(("part", "key"), [("Machine", "id"), ("Machine", "name"), ("Chassis", "uStart")])
def test_a_device_that_is_not_understood_is_an_error_and_never_left_out(part: str, key: str) -> None:
    answer = copy.deepcopy(ANSWER)
    chassis = answer["Racks"]["Rack"][1]["Chassis"]
    (chassis if part == "Chassis" else chassis["Slots"]["Machine"])[key] = "" if key != "uStart" else "nine"
    with pytest.raises(Unavailable, match="unknown format"):
        structure.racks(answer, TEAMS)


NODE = "9c000000-0000-4000-8000-000000000002"
RACK = "7c1e5b0a-0000-4000-8000-000000000003"


def remembered(**changes: Any) -> Device:
    """The instance of the rack with two devices, as it was read before."""
    place = Location(1, 1)
    template_id = "f913489e-b890-44de-b9f8-dc16606407df"
    node = Device(NODE, "node-0", ResourceKind.SERVER, RACK, template_id, "ACTIVE", place, InstanceDetails())
    return dataclasses.replace(node, **changes)


def sorted_out(answer: object, past: Device, needs_reread: tuple[str, ...] = ()) -> tuple[list[str], list[str]]:
    known, rest = structure.sort_out(structure.racks(answer, TEAMS), {past.id: past}, needs_reread, {past.rack_id})
    return list(known), [item for item in rest if item in (NODE, "gone")]


def test_a_device_that_is_shown_as_it_is_remembered_is_known() -> None:
    assert sorted_out(ANSWER, remembered(description="not shown")) == ([NODE], [])


@pytest.mark.parametrize(
    "changes",
    [
        {"name": "other"},
        {"status": "FAILED"},
        {"kind": ResourceKind.VOLUME},
        {"rack_id": "other"},
        {"template_id": "other"},
        {"location": Location(2, 2)},
        {"location": Location(1, 2)},
        {"location": Location(1, 1, "b")},
    ],
)
def test_a_device_that_is_shown_otherwise_must_be_read(changes: dict[str, Any]) -> None:
    assert sorted_out(ANSWER, remembered(**changes)) == ([], [NODE])


def test_so_must_one_that_is_not_sure_and_one_that_is_not_shown_in_its_rack() -> None:
    assert sorted_out(ANSWER, remembered(), (NODE,)) == ([], [NODE])
    assert sorted_out(ANSWER, remembered(id="gone")) == ([], [NODE, "gone"])


def test_a_device_of_an_unknown_type_is_known_when_it_was_not_ours() -> None:
    answer = copy.deepcopy(ANSWER)
    answer["Racks"]["Rack"][2]["Chassis"][0]["Slots"]["Machine"]["type"] = "Sensor"
    assert sorted_out(answer, remembered()) == ([NODE], [])
    assert sorted_out(answer, remembered(metadata={"openstack_instance_id": "i1"})) == ([], [NODE])


def test_racks_that_were_folded_while_the_answer_was_decoded_are_the_same() -> None:
    folded = json.loads(json.dumps(ANSWER), object_hook=structure.object_hook_for(TEAMS))
    assert structure.racks(folded, TEAMS) == structure.racks(ANSWER, TEAMS)
