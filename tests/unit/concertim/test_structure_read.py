"""The structure read: all text, and one child looks different from two."""

from __future__ import annotations

import copy
import json
from typing import Any

import pytest
from captures import FIXTURES

from cos_update.concertim import structure
from cos_update.concertim.structure import StructureDevice
from cos_update.model.errors import Unavailable
from cos_update.model.racks import ApiFlavour, DeviceType

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
            type=DeviceType.VOLUME,
            start_u=9,
            end_u=10,
            facing="f",
            template_id="b4f127ea-f803-4f0c-a962-6bf70ff95e40",
        ),
    )
    assert [(d.name, d.type, d.start_u, d.facing) for d in two.devices] == [
        ("node-0", DeviceType.INSTANCE, 1, "f"),
        ("net-0", DeviceType.NETWORK, 10, "b"),
    ]


def test_in_the_older_api_every_machine_is_an_instance() -> None:
    answer = copy.deepcopy(ANSWER)
    del answer["Racks"]["Rack"][1]["Chassis"]["Slots"]["Machine"]["type"]
    assert structure.racks(answer, ApiFlavour.USERS)[1].devices[0].type is DeviceType.INSTANCE
    assert structure.racks(answer, TEAMS)[1].devices[0].type is None


def test_a_chassis_without_a_machine_is_no_device() -> None:
    answer = copy.deepcopy(ANSWER)
    del answer["Racks"]["Rack"][1]["Chassis"]["Slots"]["Machine"]
    assert structure.racks(answer, TEAMS)[1].devices == ()


def test_no_racks_at_all() -> None:
    assert structure.racks({"Racks": {"Rack": []}}, TEAMS) == ()


@pytest.mark.parametrize("answer", [None, [], {}, {"Racks": None}, {"Racks": {}}, {"Racks": {"Rack": "x"}}])
def test_another_shape_is_an_error_and_never_no_racks(answer: object) -> None:
    with pytest.raises(Unavailable, match="unknown shape"):
        structure.racks(answer, TEAMS)


@pytest.mark.parametrize(("part", "key"), [("Machine", "id"), ("Machine", "name"), ("Chassis", "uStart")])
def test_a_device_that_is_not_understood_is_an_error_and_never_left_out(part: str, key: str) -> None:
    answer = copy.deepcopy(ANSWER)
    chassis = answer["Racks"]["Rack"][1]["Chassis"]
    (chassis if part == "Chassis" else chassis["Slots"]["Machine"])[key] = "" if key != "uStart" else "nine"
    with pytest.raises(Unavailable, match="unknown shape"):
        structure.racks(answer, TEAMS)
