"""The plan is made again as soon as anything differs that it is made from."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest

from cos_update.model.concertim import Actual, ApiFlavour, Device, InstanceDetails, Location, Owner, Rack, Template
from cos_update.model.kinds import ResourceKind
from cos_update.model.openstack import Flavor, Gap, Inventory, Project, Server, Stack, StackContent
from cos_update.planning.plan import Action, Plan, Verb
from cos_update.planning.planner import Rules
from cos_update.store import Origin, View
from cos_update.sync.standstill import Basis, Standstill

SERVER = Server("s1", "node0", "p1", "ACTIVE")
STACK = Stack("k1", "rack", "p1", "CREATE_COMPLETE")
DEVICE = Device("d1", "node0", ResourceKind.SERVER, "r1", "t1", "ACTIVE", Location(1, 2), InstanceDetails())
RACK = Rack("r1", "rack", "o1", 42, "ACTIVE")
INVENTORY = Inventory(
    1.0, {"p1": Project("p1", "team")}, {"f1": Flavor("f1", "small", 1, 2, 3)}, {"k1": STACK}, {}, {"s1": SERVER}
)
ACTUAL = Actual(
    1.0,
    owners={"o1": Owner("o1", "team", "p1")},
    templates={"t1": Template("t1", "small", 1, "f1", 1, 2, 3)},
    racks={"r1": RACK},
    devices={"d1": DEVICE},
)
BASIS = Basis(INVENTORY, ACTUAL, View(ACTUAL), (Rules(), False))
ORIGINS = {"s1": Origin(ResourceKind.SERVER, "node0", "ACTIVE", "p1")}
PLAN = Plan((), (), (), ())
GAP = (Gap(ResourceKind.VOLUME, "down"),)


def _read(**what: Any) -> Callable[[Basis], Basis]:
    return lambda basis: replace(basis, inventory=replace(basis.inventory, **what))


def _shown(**what: Any) -> Callable[[Basis], Basis]:
    return lambda basis: replace(basis, actual=replace(basis.actual, **what))


def _known(**what: Any) -> Callable[[Basis], Basis]:
    return lambda basis: replace(basis, past=replace(basis.past, **what))


SAME: dict[str, Callable[[Basis], Basis]] = {
    "nothing": lambda basis: basis,
    "when it was read": lambda basis: _shown(began=9.0)(_read(began=9.0)(basis)),
    "equal records": lambda basis: _shown(devices={"d1": replace(DEVICE)})(
        _read(servers={"s1": replace(SERVER)})(basis)
    ),
    "what was charged": _shown(costs={"d1": "2.00"}, devices={"d1": replace(DEVICE, cost="2.00")}),
    "when it was known": _known(cloud_read_at=9.0, passes_since_full=3, last_read="r1"),
}
OTHER: dict[str, Callable[[Basis], Basis]] = {
    "a server": _read(servers={"s1": replace(SERVER, name="other")}),
    "a stack": _read(stacks={"k1": replace(STACK, name="other")}),
    "what a stack holds": _read(contents={"k1": StackContent(("s1",), (), (), (), whole=True)}),
    "a flavor": _read(flavors={}),
    "a project": _read(projects={}),
    "a gap": _read(gaps=GAP),
    "a device": _shown(devices={"d1": replace(DEVICE, status="FAILED")}),
    "a device gone": _shown(devices={}),
    "what a device is known as": _shown(devices={"d1": replace(DEVICE, known_as="s1")}),
    "a rack": _shown(racks={"r1": replace(RACK, status="FAILED")}),
    "what a rack is known as": _shown(racks={"r1": replace(RACK, known_as="k1")}),
    "a template": _shown(templates={}),
    "an owner": _shown(owners={}),
    "the API": _shown(flavour=ApiFlavour.CREDITS),
    "what may be seen": _shown(is_narrowed=True),
    "Concertim as it was": _known(actual=replace(ACTUAL, devices={})),
    "a former device": _known(former={"s2": DEVICE}),
    "what is not stored": _known(dropped={"d1": {"name": ("a", "b")}}),
    "the rules": lambda basis: replace(basis, options=(Rules(allow_deletes=True), False)),
}


def standstill(basis: Basis = BASIS, plan: Plan = PLAN) -> Standstill:
    found = Standstill()
    found.keep(basis, plan, ORIGINS)
    return found


@pytest.mark.parametrize("change", SAME)
def test_what_makes_no_difference(change: str) -> None:
    assert standstill().of(SAME[change](BASIS)) == (PLAN, ORIGINS)


@pytest.mark.parametrize("change", OTHER)
def test_what_makes_a_difference(change: str) -> None:
    last = standstill()
    assert last.of(OTHER[change](BASIS)) is None
    assert last.of(BASIS) == (PLAN, ORIGINS)


def test_what_could_not_be_read_is_what_was_known_of_it() -> None:
    basis = _read(gaps=GAP)(BASIS)
    assert standstill(basis).of(basis)
    assert standstill(basis).of(_known(origins=ORIGINS)(basis)) is None


def test_a_plan_that_changes_or_holds_back_something_is_not_kept() -> None:
    action = Action(Verb.REMOVE, DEVICE)
    assert standstill(plan=replace(PLAN, first=(action,))).of(BASIS) is None
    assert standstill(plan=replace(PLAN, held=(action,))).of(BASIS) is None


def test_nothing_is_known_at_first_or_when_it_was_forgotten() -> None:
    assert Standstill().of(BASIS) is None
    last = standstill()
    last.forget()
    assert last.of(BASIS) is None
