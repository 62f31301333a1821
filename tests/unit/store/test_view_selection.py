"""Which part of the view a filter selects."""

from __future__ import annotations

from dataclasses import replace

import pytest

from cos_update.model.concertim import (
    STACK_ID,
    Actual,
    Device,
    InstanceDetails,
    Location,
    Owner,
    Rack,
    Template,
)
from cos_update.model.errors import CosUpdateError
from cos_update.model.kinds import ResourceKind
from cos_update.model.openstack import Project
from cos_update.store import Selection, View, select


def _rack(key: str, owner: str, status: str) -> Rack:
    return Rack(key, f"rack-{key}", owner, 42, status, metadata={STACK_ID: f"stack-{key}"})


def _device(key: str, rack: str, status: str, kind: ResourceKind = ResourceKind.SERVER) -> Device:
    return Device(key, f"dev-{key}", kind, rack, f"of-{key}", status, Location(1, 1), InstanceDetails())


RACKS = [_rack("a", "o1", "ACTIVE"), _rack("b", "o1", "FAILED"), _rack("c", "o2", "ACTIVE")]
DEVICES = [
    _device("1", "a", "ACTIVE"),
    _device("2", "a", "FAILED"),
    _device("3", "b", "ACTIVE", ResourceKind.VOLUME),
    _device("4", "c", "FAILED", ResourceKind.NETWORK),
]
VIEW = View(
    Actual(
        0.0,
        owners={"o1": Owner("o1", "team one", "p1"), "o2": Owner("o2", "team two", "p2")},
        templates={f"of-{n}": Template(f"of-{n}", f"t{n}", 1) for n in "1234"},
        racks={rack.id: rack for rack in RACKS},
        devices={device.id: device for device in DEVICES},
    ),
    projects={"p1": Project("p1", "one"), "p2": Project("p2", "two"), "p3": Project("p3", "without a team")},
)


@pytest.mark.parametrize(
    ("selection", "racks", "devices"),
    [
        (Selection(), "abc", "1234"),
        (Selection(projects=("one",)), "ab", "123"),
        (Selection(projects=("p2", "one")), "abc", "1234"),
        (Selection(projects=("without a team",)), "", ""),
        (Selection(racks=("rack-a",)), "a", "12"),
        (Selection(racks=("b", "stack-c")), "bc", "34"),
        (Selection(projects=("two",), racks=("rack-a",)), "", ""),
        (Selection(statuses=("failed",)), "abc", "24"),
        (Selection(statuses=("ACTIVE", "FAILED")), "abc", "1234"),
        (Selection(types=("volume",)), "b", "3"),
        (Selection(types=("volume",), statuses=("FAILED",)), "", ""),
    ],
)
def test_what_is_left(selection: Selection, racks: str, devices: str) -> None:
    found = select(VIEW, selection).actual
    assert ("".join(found.racks), "".join(found.devices)) == (racks, devices)


def test_owners_and_templates_go_with_what_needs_them() -> None:
    found = select(VIEW, Selection(racks=("rack-b",))).actual
    assert (list(found.owners), list(found.templates)) == (["o1"], ["of-3"])


def test_everything_else_of_the_view_stays() -> None:
    found = select(VIEW, Selection(racks=("rack-b",)))
    assert replace(found, actual=VIEW.actual) == VIEW


@pytest.mark.parametrize(
    ("selection", "message", "hint"),
    [
        (Selection(racks=("rack-x",)), "no rack 'rack-x'", "Did you mean rack-"),
        (Selection(projects=("tow",)), "no project 'tow'", "Did you mean two"),
        (Selection(projects=("zzzzzz",)), "no project 'zzzzzz'", "view dump"),
    ],
)
def test_a_name_that_is_not_there_is_an_error(selection: Selection, message: str, hint: str) -> None:
    with pytest.raises(CosUpdateError, match=message) as caught:
        select(VIEW, selection)
    assert hint in caught.value.hint
