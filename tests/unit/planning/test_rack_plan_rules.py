"""The plan of one rack, of templates and of names across racks: which actions, in which order, with which notices."""

from __future__ import annotations

from dataclasses import replace

import pytest
from builders import (
    DEFAULTS,
    LARGE,
    SMALL,
    TEMPLATES,
    cloud,
    concertim,
    device,
    foreign,
    plan,
    rack,
    reasons,
    server,
    stack,
    unread,
    words,
)

from cos_update.model.concertim import Actual, ApiFlavour, Location, Rack, Template
from cos_update.model.kinds import ResourceKind
from cos_update.model.openstack import Flavor, Inventory
from cos_update.planning.deletions import Scope
from cos_update.planning.desired import desired_state
from cos_update.planning.plan import Plan, Verb
from cos_update.planning.planner import Rules, make_plan

EMPTY = concertim()
T_LARGE = Template("t-large", "m1.large", 4, "large", 8, 8192, 80)
BOTH = (SMALL, LARGE)


def row(says: str, cloud_: Inventory, concertim_: Actual, *does: str, why: str = "") -> object:
    return pytest.param(cloud_, concertim_, list(does), why, id=says)


RACKS = [
    row("a new stack: its rack, then its devices from the bottom, networks from the top",
        cloud(stack("s1", "i2", "i1", "v1", "n1")), EMPTY,
        "create rack s1 42U", "create instance i1 U1", "create instance i2 U2", "create volume v1 U3-4",
        "create network n1 U42"),
    row("a server of a flavor that nobody knows is not shown yet",
        cloud(stack("s1", server(flavor_id="x"))), EMPTY, "create rack s1 42U",
        why="not-shown: its flavor x is unknown"),
    row("a volume is not shown where Concertim has no template for it",
        cloud(stack("s1", "v1")), concertim(templates=TEMPLATES[:2]),
        "create rack s1 42U", why="not-shown: Concertim has no template with the tag 'volume'"),
    row("a server of a new flavor: first the template",
        cloud(stack("s1", server(flavor_id="large")), flavors=BOTH), EMPTY,
        "create template m1.large", "create rack s1 42U", "create instance i1 U1-4"),
    row("a server whose flavor is deleted appears by what it remembers of it",
        cloud(stack("s1", server(flavor_id="large", flavor=LARGE))), EMPTY,
        "create template m1.large", "create rack s1 42U", "create instance i1 U1-4"),
    row("a rack too small grows before its devices come",
        cloud(stack("s1", "i1", "v1")), concertim(rack("s1", foreign("x"), height=1)),
        "update rack s1: height", "create instance i1 U2", "create volume v1 U3-4"),
    row("a rack that is full and as tall as can be leaves the rest out",
        cloud(stack("s1", "i1", "v1")), concertim(rack("s1", foreign("x", location=Location(1, 71)), height=72)),
        "create instance i1 U72", why="unplaced: needs 2U, 0U free in 72U: not placed"),
    row("a resized server is recreated in its place",
        cloud(stack("s1", "i1", "i2")), concertim(T_LARGE, rack("s1", "i1", device("i2", template_id="t-large"))),
        "remove instance i2", "create instance i2 U2", "remove template m1.large", why="of another flavor now"),
    row("a resized server that has no room keeps what it has",
        cloud(stack("s1", server(flavor_id="large")), flavors=BOTH),
        concertim(T_LARGE, rack("s1", "i1", foreign("x", location=Location(2, 72)), height=72)),
        why="unplaced: needs 4U, 0U free in 72U"),
    row("a device of the wrong type is recreated",
        cloud(stack("s1", "i1")), concertim(rack("s1", device("i1", kind=ResourceKind.VOLUME))),
        "remove volume i1", "create instance i1 U1", why="of the wrong type; recreated"),
    row("where a person moved a device to it stays",
        cloud(stack("s1", "i1")), concertim(rack("s1", device("i1", location=Location(30, 30))))),
    row("a server that moves between stacks leaves one rack and enters the other",
        cloud(stack("s1"), stack("s2", "i1")), concertim(rack("s1", "i1"), rack("s2")),
        "remove instance i1", "create instance i1 U1", why="now in another stack"),
    row("an object in two stacks is shown once, in the older one",
        cloud(stack("s2", "i1", created="2"), stack("s1", "i1", created="3")), EMPTY,
        "create rack s1 42U", "create rack s2 42U", "create instance i1 U1"),
    row("names of devices that change places: one moves out of the way",
        cloud(stack("s1", server("i1", name="b"), server("i2", name="a"))),
        concertim(rack("s1", device("i1", name="a"), device("i2", name="b"))),
        "update instance a: name", "update instance b: name", "update instance a: name"),
    row("names of racks that change places: one moves out of the way before all",
        cloud(stack("s1", name="b"), stack("s2", name="a")),
        concertim(rack("s1", name="a"), rack("s2", name="b")),
        "update rack a: name", "update rack b: name", "update rack a: name"),
    row("a rack's name that another team has is free",
        cloud(stack("s1", name="x")), concertim(rack("", id="r-x", name="x", owner_id="o-b")), "create rack x 42U"),
    row("a rack's name that its team has is set apart",
        cloud(stack("s1", name="x")), concertim(rack("", id="r-x", name="x")), "create rack x-s1 42U"),
    row("a stack that was not read keeps its rack, its servers are still followed",
        cloud(unread(ResourceKind.STACK), server("i1", vm_state="stopped")), concertim(rack("s1", "i1")),
        "update instance i1: status", why="unread: Heat could not be read (HTTP 503): stacks of project project a"),
    row("stacks of a project without a team are reported",
        cloud(stack("s1", "i1")), concertim(owners=()),
        why="no-owner: no team of Concertim has the project id p-a: 1 stacks"),
    row("the older API supports only instances",
        cloud(stack("s1", "i1", "v1", "n1")), concertim(flavour=ApiFlavour.USERS),
        "create rack s1 42U", "create instance i1 U1",
        why="not-shown: this Concertim's API supports only instances: 1 volumes and 1 networks are not shown"),
    row("a user who sees only its own teams is reported",
        cloud(), concertim(is_narrowed=True), why="unread: concertim.concertim_username is not a root user"),
    row("a state that the tables do not know is reported once",
        cloud(server("i1", vm_state="odd"), server("i2", vm_state="odd")), EMPTY,
        why="unknown-state: the state 'odd' of instance i1 is unknown to cos-update"),
    row("a service that the cloud does not have is no trouble",
        cloud(unread(ResourceKind.VOLUME, None, absent=True)), EMPTY,
        why="absent: the cloud has no Cinder: volumes are left alone"),
]  # fmt: skip

TEMPLATE_ROWS = [
    row("a flavor of more than four vCPUs is 4U tall", cloud(flavors=BOTH), EMPTY, "create template m1.large"),
    row("a flavor that got other figures changes its template",
        cloud(flavors=(replace(SMALL, ram=1024, disk=0),)), EMPTY, "update template m1.small: ram, disk"),
    row("a flavor that needs another height gets another template; the old one gives up its name",
        cloud(flavors=(replace(SMALL, vcpus=2),)), EMPTY,
        "update template m1.small: name", "create template m1.small", "remove template m1.small"),
    row("names of flavors that change places: one moves out of the way",
        cloud(flavors=(replace(SMALL, name="m1.large"), replace(LARGE, name="m1.small"))), concertim(T_LARGE),
        "update template m1.large: name", "update template m1.small: name", "update template m1.large: name"),
    row("a flavor does not take the name of Concertim's own template",
        cloud(flavors=(SMALL, replace(LARGE, name="network"))), EMPTY, "create template network-large"),
    row("a flavor does not take the app's hidden name",
        cloud(flavors=(SMALL, replace(LARGE, name="rack"))), EMPTY, "create template rack-large"),
]  # fmt: skip


def done(plan_: Plan) -> list[str]:
    found = []
    for action in plan_.actions:
        place = action.device.location if action.device else None
        units = f" U{place.start_u}" + (f"-{place.end_u}" if place.height > 1 else "") if place else ""
        height = f" {action.record.height}U" if isinstance(action.record, Rack) else ""
        found.append(words(action) + (units + height if action.verb is Verb.CREATE else ""))
    return found


def completed(inventory: Inventory, actual: Actual) -> Actual:
    """The metadata and details of what is there filled in, as a pass would have left them."""
    found = actual
    for action in plan(inventory, actual).actions:
        if action.verb is not Verb.UPDATE:
            continue
        payload = {k: v for k, v in action.payload.items() if k in {"metadata", "network_details", "creation_output"}}
        if isinstance(action.record, Rack):
            made = replace(found.racks[action.concertim_id], **payload)
            found = replace(found, racks={**found.racks, made.id: made})
        elif action.device:
            there = found.devices[action.device.id]
            details = replace(there.details, **action.payload.get("details", {}))  # type: ignore[arg-type]
            made_ = replace(there, details=details, **payload)
            found = replace(found, devices={**found.devices, made_.id: made_})
    return found


@pytest.mark.parametrize(("cloud_", "concertim_", "does", "why"), [*RACKS, *TEMPLATE_ROWS])
def test_what_is_done_in_which_order(cloud_: Inventory, concertim_: Actual, does: list[str], why: str) -> None:
    plan_ = plan(cloud_, completed(cloud_, concertim_))
    assert done(plan_) == does
    assert why in reasons(plan_)


@pytest.mark.parametrize(
    ("setting", "tags", "taken", "order_id"),
    [
        pytest.param("stack_id", ("order=7",), (), "s1", id="the stack's id"),
        pytest.param("tag:order", ("x", "order=7"), (), "7", id="what the tag says"),
        pytest.param("tag:order", ("order= ",), (), "s1", id="an empty tag: the stack's id"),
        pytest.param("tag:order", (), (), "s1", id="no tag: the stack's id"),
        pytest.param("tag:order", ("order=7",), ("7",), "s1", id="taken: the stack's id"),
        pytest.param("stack_id", (), ("s1",), "s1-2", id="the stack's id is taken too: numbered"),
    ],
)
def test_the_order_id_of_a_new_rack(setting: str, tags: tuple[str, ...], taken: tuple[str, ...], order_id: str) -> None:
    inventory = cloud(stack("s1", tags=tags))
    actual = concertim(*(rack("", id=f"r-{o}", name=f"x{o}", order_id=o) for o in taken))
    plan_ = make_plan(desired_state(inventory, actual, setting), actual, inventory, {}, DEFAULTS)
    assert [a.record.order_id for a in plan_.actions if isinstance(a.record, Rack)] == [order_id]


@pytest.mark.parametrize(("asked", "height"), [(0, 1), (42, 42), (100, 72)], ids=["at least 1", "as set", "at most 72"])
def test_the_height_of_a_new_rack(asked: int, height: int) -> None:
    plan_ = plan(cloud(stack("s1")), EMPTY, Rules(default_rack_height=asked))
    assert [a.record.height for a in plan_.actions if isinstance(a.record, Rack)] == [height]


@pytest.mark.parametrize(
    ("vcpus", "height"), [(0, 1), (1, 1), (2, 2), (3, 3), (4, 3), (5, 4), (64, 4)], ids=lambda v: str(v)
)
def test_the_height_of_a_template(vcpus: int, height: int) -> None:
    plan_ = plan(cloud(flavors=(SMALL, Flavor("x", "x", vcpus, 1, 1))), EMPTY)
    made = [a.record for a in plan_.actions if isinstance(a.record, Template)]
    assert [(template.height, template.vcpus) for template in made] == [(height, vcpus or None)]


@pytest.mark.parametrize(
    ("inventory", "actual", "waits"),
    [
        pytest.param(
            cloud(stack("s2", name="x")),
            concertim(rack("s1", name="x")),
            {"s2": "r-s1"},
            id="a new rack for one that goes",
        ),
        pytest.param(
            cloud(stack("s1", name="y"), stack("s2", name="x")),
            concertim(rack("s1", name="x"), rack("s2", name="z")),
            {"r-s2": "r-s1"},
            id="a renamed rack for one that gives the name up",
        ),
        pytest.param(cloud(stack("s1", name="y")), concertim(rack("s1", name="x")), {}, id="nothing for a free name"),
    ],
)
def test_racks_wait_for_the_one_that_frees_the_name(
    inventory: Inventory, actual: Actual, waits: dict[str, str]
) -> None:
    rack_plans = plan(inventory, actual, Rules(allow_deletes=True)).rack_plans
    assert {rack_plan.key: key for rack_plan in rack_plans for key in rack_plan.after} == waits


def test_a_pass_over_one_stack_leaves_the_others_alone() -> None:
    scope = Scope(stacks=frozenset({"s1"}))
    plan_ = plan(cloud(stack("s1"), stack("s2")), EMPTY, scope=scope)
    assert done(plan_) == ["create rack s1 42U"]


def test_what_is_as_it_should_be_is_counted() -> None:
    inventory = cloud(stack("s1", "i1", "v1"), stack("s2"))
    actual = completed(inventory, concertim(rack("s1", "i1"), rack("s2", status="FAILED")))
    assert plan(inventory, actual).in_step == 2
