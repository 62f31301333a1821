"""Who created the racks of a deployment, and what prevents replacing its handlers."""

from __future__ import annotations

from dataclasses import replace

import pytest

from cos_update.model.concertim import (
    STACK_ID,
    Actual,
    ApiFlavour,
    Device,
    InstanceDetails,
    Location,
    Owner,
    Rack,
    Record,
    Template,
)
from cos_update.model.kinds import ResourceKind
from cos_update.planning.plan import Action, Notice, NoticeKind, Plan, RackPlan, Verb
from cos_update.planning.takeover import Author, author_of, changed_between, racks_found, reasons_of_plan

TEAM = Owner("7", "CM_a", "project-a")
RACK = Rack("1", "cluster", "7", 42, "ACTIVE", {STACK_ID: "stack-1", "openstack_stack_owner_id": "project-a"},
            order_id="order-1")  # fmt: skip
DEVICE = Device("2", "node", ResourceKind.SERVER, "1", "3", "ACTIVE", Location(1, 1), InstanceDetails(),
                metadata={"openstack_instance_id": "server-1"})  # fmt: skip
TEMPLATE = Template("3", "m1", 2, "flavor-1", vcpus=3)
ACTUAL = Actual(0.0, owners={"7": TEAM}, templates={"3": TEMPLATE}, racks={"1": RACK}, devices={"2": DEVICE})
UNREAD = Notice(NoticeKind.UNREAD, "service", "Nova", "", "the servers could not be read")


@pytest.mark.parametrize(
    ("metadata", "order_id", "flavour", "author"),
    [
        ({STACK_ID: "s", "openstack_stack_owner_id": "heat-users"}, "bundle", ApiFlavour.USERS, Author.FIRST),
        ({STACK_ID: "s", "openstack_stack_owner_id": "heat-users"}, "bundle", ApiFlavour.TEAMS, Author.FIRST),
        ({STACK_ID: "s", "openstack_stack_owner_id": "heat-users"}, "", ApiFlavour.TEAMS, Author.FIRST),
        ({STACK_ID: "s", "openstack_stack_owner_id": "project-a"}, "subscr", ApiFlavour.TEAMS, Author.SECOND),
        ({STACK_ID: "s", "openstack_stack_owner_id": "project-a"}, "", ApiFlavour.TEAMS, Author.SECOND),
        ({STACK_ID: "s", "openstack_stack_owner_id": "project-a"}, "s", ApiFlavour.TEAMS, Author.OURS),
        ({STACK_ID: "s", "openstack_stack_owner_id": "project-a"}, "bundle", ApiFlavour.USERS, Author.OURS),
        ({STACK_ID: "s"}, "bundle", ApiFlavour.TEAMS, Author.UNKNOWN),
        ({STACK_ID: "s", "openstack_stack_owner_id": ["odd"]}, "bundle", ApiFlavour.TEAMS, Author.UNKNOWN),
        ({"note": "mine"}, "paper-7", ApiFlavour.TEAMS, Author.PERSON),
        ({}, "", ApiFlavour.USERS, Author.PERSON),
    ],
)
def test_a_rack_tells_its_author(
    metadata: dict[str, object], order_id: str, flavour: ApiFlavour, author: Author
) -> None:
    assert author_of(replace(RACK, metadata=metadata, order_id=order_id), TEAM, flavour) is author


def test_a_rack_without_an_owner_that_is_known_has_no_author_that_is_known() -> None:
    assert author_of(RACK, None, ApiFlavour.TEAMS) is Author.UNKNOWN


def test_the_racks_are_counted_by_author() -> None:
    hand = replace(RACK, id="4", metadata={}, order_id="paper")
    found = racks_found(replace(ACTUAL, racks={"1": RACK, "4": hand}))
    assert found.authors == {Author.SECOND: 1, Author.PERSON: 1}
    assert (found.with_order_id, found.templates_of_other_height) == (1, 1)


@pytest.mark.parametrize(
    ("plan", "subjects"),
    [
        (Plan(), []),
        (Plan(templates=(Action(Verb.CREATE, replace(TEMPLATE, id="", foreign_id="flavor-new")),)), []),
        (Plan(templates=(Action(Verb.CREATE, replace(TEMPLATE, id="")),)), ["creates"]),
        (Plan(rack_plans=(RackPlan("stack-1", "p", "7", "t", "r", "ACTIVE", actions=(
            Action(Verb.UPDATE, DEVICE, {"status": "FAILED"}),)),)), []),
        (Plan(rack_plans=(RackPlan("stack-1", "p", "7", "t", "r", "ACTIVE", actions=(
            Action(Verb.REMOVE, DEVICE, why="its template is another"),
            Action(Verb.CREATE, replace(DEVICE, id="")),)),)),
         ["removes", "creates"]),
        (Plan(last=(Action(Verb.REMOVE, TEMPLATE),)), ["removes"]),
        (Plan(held=(Action(Verb.REMOVE, RACK),)), ["removes"]),
        (Plan(notices=(UNREAD,)), ["unread"]),
        (Plan(notices=(replace(UNREAD, kind=NoticeKind.NO_OWNER),)), []),
    ],
)  # fmt: skip
def test_only_a_first_pass_that_adopts_all_is_safe(plan: Plan, subjects: list[str]) -> None:
    assert [reason.subject for reason in reasons_of_plan(plan, ACTUAL)] == subjects


def test_a_reason_names_the_object_and_why() -> None:
    action = Action(Verb.REMOVE, DEVICE, why="OpenStack has none of this id", rack_name="cluster")
    (reason,) = reasons_of_plan(Plan(last=(action,)), ACTUAL)
    assert "instance node in cluster (server-1): OpenStack has none of this id" in reason.text
    assert reason.fix


@pytest.mark.parametrize(
    ("side", "now", "text"),
    [
        ("devices", replace(DEVICE, status="FAILED"), "instance node in cluster was changed (status)"),
        ("devices", None, "instance node in cluster was removed"),
        ("racks", replace(RACK, metadata={}), "rack cluster was changed (metadata)"),
        ("templates", replace(TEMPLATE, ram=7), "template m1 was changed (ram)"),
    ],
)
def test_what_others_have_written_is_told(side: str, now: Record | None, text: str) -> None:
    records = {key: now for key in getattr(ACTUAL, side) if now is not None}
    assert changed_between(ACTUAL, replace(ACTUAL, **{side: records})) == (text,)


def test_what_was_made_is_told() -> None:
    assert changed_between(replace(ACTUAL, devices={}), ACTUAL) == ("instance node in cluster was created",)


def test_costs_are_no_handlers_writing() -> None:
    charged = replace(ACTUAL, devices={"2": replace(DEVICE, cost="9.00")}, racks={"1": replace(RACK, cost="9.00")})
    assert changed_between(ACTUAL, charged) == ()
