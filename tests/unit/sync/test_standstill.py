"""The plan is made again as soon as anything differs that it is made from."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from math import inf
from typing import Any

import pytest

from cos_update.model.cloud_memory import CloudMemory
from cos_update.model.concertim import Actual, ApiFlavour, Device, InstanceDetails, Location, Owner, Rack, Template
from cos_update.model.kinds import ResourceKind
from cos_update.model.openstack import Flavor, Gap, Inventory, Project, RememberedStack, Server, Stack, StackContent
from cos_update.model.shards import Shards
from cos_update.planning.deletions import Scope
from cos_update.planning.plan import Action, Notice, NoticeKind, Plan, RackPlan, Verb
from cos_update.planning.planner import Rules
from cos_update.store import JournalEntry, View, from_plain, to_plain, with_journal_entries
from cos_update.sync.standstill import options_text, plan_of, still

SERVER = Server("s1", "node0", "p1", "ACTIVE")
STACK = Stack("k1", "rack", "p1", "CREATE_COMPLETE")
DEVICE = Device("d1", "node0", ResourceKind.SERVER, "r1", "t1", "ACTIVE", Location(1, 2), InstanceDetails())
RACK = Rack("r1", "rack", "o1", 42, "ACTIVE")
CONTENT = StackContent(("s1",), (), (), (), whole=True)
BUILDING = Stack("k2", "growing", "p1", "CREATE_IN_PROGRESS")
EMPTY = StackContent((), (), (), (), whole=True)
INVENTORY = Inventory(
    1.0,
    {"p1": Project("p1", "team")},
    {"f1": Flavor("f1", "small", 1, 2, 3)},
    {"k1": STACK},
    {"k1": CONTENT},
    {"s1": SERVER},
)
ACTUAL = Actual(
    1.0,
    owners={"o1": Owner("o1", "team", "p1")},
    templates={"t1": Template("t1", "small", 1, "f1", 1, 2, 3)},
    racks={"r1": RACK},
    devices={"d1": DEVICE},
)
PAST = View(
    ACTUAL,
    stacks={"k1": RememberedStack("CREATE_COMPLETE", None, CONTENT)},
    cloud=CloudMemory(servers={"s1": SERVER}),
)
UNPLACED = Notice(NoticeKind.UNPLACED, "instance", "node9", "s9", "needs 4U, 2U free in 42U: not placed")
NOTICED = RackPlan("k1", "p1", "o1", "team", "rack", "ACTIVE", "r1", notices=(UNPLACED,))
PLAN = Plan(
    rack_plans=(NOTICED,),
    notices=(Notice(NoticeKind.DISABLED, "project", "old", "p2", "the project is disabled"),),
    in_step=2,
)
IDLE = RackPlan("k2", "p1", "o1", "team", "other", "ACTIVE", "r2")


@dataclass(frozen=True)
class Inputs:
    """What a plan is made from."""

    inventory: Inventory = INVENTORY
    actual: Actual = ACTUAL
    options: str = options_text(Rules(), Scope(), "stack_id", dated=False)


def _read(**what: Any) -> Callable[[Inputs], Inputs]:
    return lambda inputs: replace(inputs, inventory=replace(inputs.inventory, **what))


def _shown(**what: Any) -> Callable[[Inputs], Inputs]:
    return lambda inputs: replace(inputs, actual=replace(inputs.actual, **what))


def _under(rules: Rules = Rules(), scope: Scope = Scope(), order_id: str = "stack_id", dated: bool = False) -> Any:  # noqa: B008
    return lambda inputs: replace(inputs, options=options_text(rules, scope, order_id, dated=dated))


SAME: dict[str, Callable[[Inputs], Inputs]] = {
    "nothing": lambda inputs: inputs,
    "when it was read": lambda inputs: _shown(began=9.0)(_read(began=9.0)(inputs)),
    "equal records": lambda inputs: _shown(devices={"d1": replace(DEVICE)})(
        _read(servers={"s1": replace(SERVER)}, contents={"k1": replace(CONTENT)})(inputs)
    ),
    "what was charged": _shown(costs={"d1": "2.00"}, devices={"d1": replace(DEVICE, cost="2.00")}),
}
OTHER: dict[str, Callable[[Inputs], Inputs]] = {
    "a server": _read(servers={"s1": replace(SERVER, name="other")}),
    "a new server": _read(servers={"s1": SERVER, "s2": replace(SERVER, id="s2")}),
    "a server gone": _read(servers={}),
    "a stack": _read(stacks={"k1": replace(STACK, name="other")}),
    "what a stack holds": _read(contents={"k1": replace(CONTENT, servers=())}),
    "a stack that is not remembered": _read(
        stacks={"k1": STACK, "k2": BUILDING}, contents={"k1": CONTENT, "k2": CONTENT}
    ),
    "a stack whose members are unknown": _read(contents={}),
    "a flavor": _read(flavors={}),
    "a project": _read(projects={}),
    "a disabled project": _read(disabled={"p2": Project("p2", "old")}),
    "the projects that are read": _read(chosen=frozenset({"p1"})),
    "a gap": _read(gaps=(Gap(ResourceKind.VOLUME, "down"),)),
    "a device": _shown(devices={"d1": replace(DEVICE, status="FAILED")}),
    "a device gone": _shown(devices={}),
    "what a device is known as": _shown(devices={"d1": replace(DEVICE, known_as="s1")}),
    "a rack": _shown(racks={"r1": replace(RACK, status="FAILED")}),
    "what a rack is known as": _shown(racks={"r1": replace(RACK, known_as="k1")}),
    "a template": _shown(templates={}),
    "an owner": _shown(owners={}),
    "the API": _shown(flavour=ApiFlavour.CREDITS),
    "what may be seen": _shown(is_narrowed=True),
    "the rules": _under(Rules(allow_deletes=True)),
    "the shards": _under(scope=Scope(shards=Shards(frozenset({0}), 2))),
    "where order ids come from": _under(order_id="tag:order"),
    "for whom the view is": _under(dated=True),
}


def view(inputs: Inputs = Inputs(), plan: Plan = PLAN) -> View:
    """The view after a pass with this plan, as another process loads it."""
    past = replace(PAST, actual=inputs.actual)
    return from_plain(to_plain(replace(past, still=still(plan, inputs.inventory, inputs.actual, past, inputs.options))))


def known_plan(past: View, inputs: Inputs) -> Plan | None:
    return plan_of(past, inputs.inventory, inputs.actual, inputs.options)


def test_a_stack_in_progress_stands_still_as_long_as_it_holds_the_same() -> None:
    inputs = _read(stacks={"k1": STACK, "k2": BUILDING}, contents={"k1": CONTENT, "k2": EMPTY})(Inputs())
    assert known_plan(view(inputs), inputs) == PLAN
    grown = replace(EMPTY, servers=("s2",))
    assert known_plan(view(inputs), _read(contents={"k1": CONTENT, "k2": grown})(inputs)) is None


@pytest.mark.parametrize("change", SAME)
def test_what_makes_no_difference(change: str) -> None:
    assert known_plan(view(), SAME[change](Inputs())) == PLAN


@pytest.mark.parametrize("change", OTHER)
def test_what_makes_a_difference(change: str) -> None:
    assert known_plan(view(), OTHER[change](Inputs())) is None


def test_racks_without_notices_are_left_out() -> None:
    assert known_plan(view(plan=replace(PLAN, rack_plans=(IDLE, NOTICED))), Inputs()) == PLAN


def test_a_plan_that_changes_or_holds_back_something_is_not_kept() -> None:
    action = Action(Verb.REMOVE, DEVICE)
    assert known_plan(view(plan=replace(PLAN, first=(action,))), Inputs()) is None
    assert known_plan(view(plan=replace(PLAN, held=(action,))), Inputs()) is None


def test_a_plan_that_was_made_from_another_view_is_not_kept() -> None:
    former = replace(PAST, actual=replace(ACTUAL, devices={}))
    assert not still(PLAN, INVENTORY, ACTUAL, former, Inputs().options)


def test_what_others_have_posted_ends_it() -> None:
    entry = JournalEntry(1, "listen", 0.0, 1.0, "k1", racks={"r1": replace(RACK, status="FAILED")})
    assert not with_journal_entries(view(), [entry]).still


@pytest.mark.parametrize(
    "damage", [{"racks": [["r1"]]}, {"notices": [5]}, {"in_step": "x"}, {"in_step": inf}, {"inputs": None}]
)
def test_what_makes_no_sense_is_not_used(damage: dict[str, object]) -> None:
    past = view()
    assert known_plan(replace(past, still={**past.still, **damage}), Inputs()) is None
    assert known_plan(replace(past, still={}), Inputs()) is None
