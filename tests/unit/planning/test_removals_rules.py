"""What may be removed from Concertim, what is kept, what is checked first, and why: when in doubt, nothing is removed.

Each row: what OpenStack shows, what Concertim shows, how the services answer when asked for a missing object by its
id, what is then removed, and the words that tell why.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import pytest
from builders import (
    DEFAULTS,
    LARGE,
    asked,
    cloud,
    concertim,
    device,
    foreign,
    plan,
    rack,
    reasons,
    removed,
    server,
    stack,
    unread,
    words,
)

from cos_update.model.absence import Presence
from cos_update.model.concertim import OBJECT_ID, Actual, Owner, Template
from cos_update.model.kinds import ResourceKind
from cos_update.model.openstack import Inventory
from cos_update.planning.deletions import Scope
from cos_update.planning.plan import NoticeKind, Plan
from cos_update.planning.planner import EVERYTHING, Rules

GONE, EXISTS, UNKNOWN = Presence.GONE, Presence.EXISTS, Presence.UNKNOWN
PRUNE = Rules(prune_unwatched=True)


@dataclass(frozen=True)
class Given:
    cloud: Inventory
    concertim: Actual
    answer: Presence | None = GONE
    rules: Rules = DEFAULTS
    scope: Scope = EVERYTHING

    def plan(self) -> Plan:
        return plan(self.cloud, self.concertim, self.rules, self.scope, answer=self.answer, reason="HTTP 503")

    def asked(self) -> set[str]:
        return asked(self.cloud, self.concertim, self.rules, self.scope)


def row(
    says: str,
    cloud_: Inventory,
    concertim_: Actual,
    *removed_: str,
    why: str = "",
    answer: Presence | None = GONE,
    asks: str = "",
    rules: Rules = DEFAULTS,
    scope: Scope = EVERYTHING,
) -> object:
    given = Given(cloud_, concertim_, answer, rules, scope)
    return pytest.param(given, set(asks.split()), list(removed_), why, id=says)


ONE_OF_EACH = concertim(rack("s1", "i1", "v1", "n1"))
NOT_I1 = cloud(stack("s1", "v1", "n1"))
MISSING = "unconfirmed: missing from Nova's listing"

DEVICES = [
    row("a server that Nova does not know any more goes",
        NOT_I1, ONE_OF_EACH, "instance i1", why="gone from Nova (404)", asks="i1"),
    row("a volume that Cinder does not know any more goes",
        cloud(stack("s1", "i1", "n1")), ONE_OF_EACH, "volume v1", why="gone from Cinder (404)", asks="v1"),
    row("a network that Neutron does not know any more goes",
        cloud(stack("s1", "i1", "v1")), ONE_OF_EACH, "network n1", why="gone from Neutron (404)", asks="n1"),
    row("a server that is there when asked by id stays",
        NOT_I1, ONE_OF_EACH, why=MISSING + ", but Nova still returns it by id", answer=EXISTS, asks="i1"),
    row("a server that could not be asked for stays",
        NOT_I1, ONE_OF_EACH, why=MISSING + ", but not proven gone (HTTP 503)", answer=UNKNOWN, asks="i1"),
    row("a server that nobody asked for stays",
        NOT_I1, ONE_OF_EACH, why="not proven gone (it was not checked)", answer=None, asks="i1"),
    row("servers not read in the project: the server stays",
        cloud(stack("s1", "v1", "n1"), unread(ResourceKind.SERVER)), ONE_OF_EACH, why="unread: Nova could not be read"),
    row("servers not read anywhere: the server stays",
        cloud(stack("s1", "v1", "n1"), unread(ResourceKind.SERVER, None)), ONE_OF_EACH, why="unread: Nova"),
    row("servers not read in another project: the server goes",
        cloud(stack("s1", "v1", "n1"), unread(ResourceKind.SERVER, "p-b")), ONE_OF_EACH, "instance i1", asks="i1"),
    row("servers not read: a volume that is gone still goes",
        cloud(stack("s1", "n1"), unread(ResourceKind.SERVER)), ONE_OF_EACH, "volume v1", asks="v1"),
    row("stacks not read in the project: the server stays",
        cloud(unread(ResourceKind.STACK)), ONE_OF_EACH, why="unread: Heat could not be read"),
    row("resources of the stack not read: the server stays",
        cloud(stack("s1", "v1", "n1"), unread(ResourceKind.RESOURCE, "p-a", "s1")), ONE_OF_EACH,
        why="resources of stack s1 left alone"),
    row("resources of another stack not read: the server goes",
        cloud(stack("s1", "v1", "n1"), stack("s2"), unread(ResourceKind.RESOURCE, "p-a", "s2")), ONE_OF_EACH,
        "instance i1", asks="i1"),
    row("a server that left its stack goes, unasked",
        cloud(stack("s1"), server("i1")), concertim(rack("s1", "i1")), "instance i1", why="no longer in its stack"),
    row("a server that seems to have left a stack in progress stays",
        cloud(stack("s1", status="UPDATE_IN_PROGRESS"), server("i1")), concertim(rack("s1", "i1"))),
    row("a server missing from resources that may have been cut stays",
        cloud(stack("s1", whole=False), server("i1")), concertim(rack("s1", "i1"))),
    row("a server of a stack whose resources were never read stays",
        cloud(stack("s1", read=False), server("i1")), concertim(rack("s1", "i1"))),
    row("a server gone from a stack whose resources were never read goes",
        cloud(stack("s1", read=False)), concertim(rack("s1", "i1")), "instance i1", asks="i1"),
    row("a server now in another stack leaves the rack of the first",
        cloud(stack("s1"), stack("s2", "i1")), concertim(rack("s1", "i1"), rack("s2")), "instance i1",
        why="now in another stack"),
    row("a device that we do not manage stays", cloud(stack("s1")), concertim(rack("s1", foreign("switch")))),
    row("a device whose id is no text is not ours and stays",
        cloud(stack("s1")), concertim(rack("s1", device("i1", metadata={OBJECT_ID: 7})))),
]  # fmt: skip

ALONE = concertim(rack("s1", "i1"))
EMPTY = cloud()
BOTH = ("instance i1", "rack s1")
RACKS = [
    row("a stack that Heat does not know any more: its devices go, then its rack",
        EMPTY, ALONE, *BOTH, why="its stack is gone from Heat (404)", asks="s1"),
    row("a stack that is there when asked by id: all stays",
        EMPTY, ALONE, why="unconfirmed: missing from Heat's listing, but Heat still returns it by id", answer=EXISTS,
        asks="s1"),
    row("a stack that could not be asked for: all stays",
        EMPTY, ALONE, why="not proven gone (HTTP 503)", answer=UNKNOWN, asks="s1"),
    row("stacks not read: a gone server goes only with its stack",
        cloud(unread(ResourceKind.STACK)), ALONE, why="unread: Heat"),
    row("servers not read: the rack of a gone stack with a server in it stays",
        cloud(unread(ResourceKind.SERVER)), ALONE,
        why="unconfirmed: its stack is no longer listed, but Nova could not be read: kept"),
    row("volumes not read: the rack of a gone stack without volumes goes",
        cloud(unread(ResourceKind.VOLUME)), ALONE, *BOTH, asks="s1"),
    row("a device that is not ours keeps the rack, ours go",
        EMPTY, concertim(rack("s1", "i1", foreign("switch"))), "instance i1",
        why="shared-rack: its stack is gone from Heat (404), but it holds devices that are not ours (switch)",
        asks="s1"),
    row("a rack that is not ours stays", EMPTY, concertim(rack("", foreign("switch"), id="r-x", name="theirs"))),
    row("a rack without a stack keeps a device of ours that has no other",
        cloud(stack("s1", "i1")), concertim(rack("", "i1", id="r-x", name="theirs"))),
    row("a rack without a stack loses a device that its stack's rack has too",
        cloud(stack("s1", "i1")),
        concertim(rack("s1", "i1"), rack("", device("i1", id="d-double", name="double"), id="r-x", name="theirs")),
        "instance double", why="duplicate: device i1 in rack s1 is of the same instance"),
]  # fmt: skip

UNWATCHED = cloud(watched=("p-b",))
NO_PROJECT = concertim(rack("s1", "i1"), owners=(Owner("o-a", "team a", ""),))
NO_TEAM = concertim(rack("s1", "i1"), owners=())
ORPHANED = "orphaned: its project is no longer watched: kept (bulk --prune-unwatched removes it)"
NO_STAND = "orphaned: its team has no project id: kept"
PROJECTS = [
    row("a project not watched any more: its racks stay, orphaned", UNWATCHED, ALONE, why=ORPHANED),
    row("a project not watched any more: its racks go when that is allowed",
        UNWATCHED, ALONE, *BOTH, why="its project is no longer watched", rules=PRUNE),
    row("projects not read: nothing is pruned, nothing is called orphaned",
        cloud(unread(ResourceKind.PROJECT, None), watched=()), ALONE, why="unread: Keystone", rules=PRUNE),
    row("no project watched at all: nothing is pruned", cloud(watched=()), ALONE, why=ORPHANED, rules=PRUNE),
    row("a team without a project: its racks stay, orphaned", EMPTY, NO_PROJECT, why=NO_STAND),
    row("a team without a project: its racks go when that is allowed",
        EMPTY, NO_PROJECT, *BOTH, why="its team has no project id", rules=PRUNE),
    row("a team without a project, some stacks not read: nothing is pruned",
        cloud(unread(ResourceKind.STACK, "p-b")), NO_PROJECT, why=NO_STAND, rules=PRUNE),
    row("a team that is not there: its racks stay, orphaned", EMPTY, NO_TEAM, why=NO_STAND),
    row("a team that lost its project: what its stack still has stays",
        cloud(stack("s1", "i1")), NO_PROJECT,
        why="other-owner: its stack is not in the project of the team that rack s1 belongs to", rules=PRUNE),
    row("a stack now in another team's project: its rack stays, reported",
        cloud(stack("s1", "i1", project_id="p-b")), ALONE,
        why="other-owner: belongs to another team than team b, which Concertim cannot change"),
    row("a pass over other projects does not look at it", EMPTY, ALONE, scope=Scope(projects=frozenset({"p-b"}))),
    row("a pass over other stacks does not look at it", EMPTY, ALONE, scope=Scope(stacks=frozenset({"s2"}))),
    row("a pass over this project does", EMPTY, ALONE, *BOTH, scope=Scope(projects=frozenset({"p-a"})), asks="s1"),
]  # fmt: skip

T_LARGE = Template("t-large", "m1.large", 4, "large", 8, 8192, 80)
HAS_LARGE = concertim(T_LARGE)
USES_LARGE = concertim(T_LARGE, rack("s1", device("i1", template_id="t-large")))
RESIZED = cloud(stack("s1", "i1"))
FLAVORS = [
    row("a flavor that Nova does not know any more: its template goes",
        EMPTY, HAS_LARGE, "template m1.large", why="its flavor is gone from Nova (404)", asks="large"),
    row("a flavor that is there when asked by id: its template stays", EMPTY, HAS_LARGE, answer=EXISTS, asks="large"),
    row("a flavor that could not be asked for: its template stays", EMPTY, HAS_LARGE, answer=UNKNOWN, asks="large"),
    row("flavors not read: templates stay",
        cloud(unread(ResourceKind.FLAVOR, None), flavors=()), HAS_LARGE, why="unread: Nova"),
    row("a flavor that a server still remembers: its template stays, unasked",
        cloud(server("i1", flavor_id="large", flavor=LARGE)), HAS_LARGE),
    row("a template still used stays until the last device is gone",
        cloud(unread(ResourceKind.STACK)), USES_LARGE,
        why="in-use: its flavor is gone from Nova (404), but devices still use it", asks="large"),
    row("a template goes with its last device", EMPTY, USES_LARGE, *BOTH, "template m1.large", asks="s1 large"),
    row("a template goes when its last device gets another",
        RESIZED, USES_LARGE, "instance i1", "template m1.large", why="of another flavor now; recreated in its place",
        asks="large"),
    row("Concertim's own templates stay, though they carry a flavor's id",
        EMPTY, concertim(replace(T_LARGE, tag="network"))),
    row("templates without a flavor's id stay", EMPTY, concertim(replace(T_LARGE, foreign_id=""))),
    row("a pass over one project leaves templates alone", EMPTY, HAS_LARGE, scope=Scope(projects=frozenset({"p-a"}))),
]  # fmt: skip

DOUBLE = device("i1", id="d-x", name="double")
FULL = rack("s1", "i1", "i2", foreign("x"), id="r-1")
TWO = [device("i1"), DOUBLE]
DUPLICATES = [
    row("of two racks the one of the project's own team stays",
        cloud(stack("s1")), concertim(rack("s1", id="r-1", name="wrong", owner_id="o-b"), rack("s1", id="r-2")),
        "rack wrong", why="rack s1 (r-2) is of the same stack"),
    row("of two racks the fuller one stays, devices of the other go",
        cloud(stack("s1", "i1", "i2")),
        concertim(rack("s1", "i1", id="r-1", name="one"), rack("s1", DOUBLE, "i2", id="r-2", name="two")),
        "instance i1", "rack one", why="duplicate"),
    row("of two equal racks the smaller id stays",
        cloud(stack("s1")), concertim(rack("s1", id="r-1", name="one"), rack("s1", id="r-2", name="two")),
        "rack two"),
    row("a doubled rack with a device that is not ours stays, without ours",
        cloud(stack("s1", "i1", "i2")),
        concertim(FULL, rack("s1", DOUBLE, foreign("y"), id="r-2", name="r2")),
        "instance double", why="duplicate"),
    row("doubled racks of a stack that was not read stay",
        cloud(unread(ResourceKind.STACK)),
        concertim(rack("s1", id="r-1", name="one"), rack("s1", id="r-2", name="two"))),
    row("of two devices in one rack the smaller id stays",
        cloud(stack("s1", "i1")), concertim(rack("s1", *TWO)), "instance double",
        why="duplicate: device i1 is of the same instance"),
    row("of two devices the one with the flavor's template stays",
        cloud(stack("s1", "i1")),
        concertim(T_LARGE, rack("s1", device("i1", id="d-a", name="double", template_id="t-large"), TWO[0])),
        "instance double", "template m1.large", asks="large"),
    row("of two devices the one of the right type stays",
        cloud(stack("s1", "i1")),
        concertim(rack("s1", device("i1", id="d-a", name="double", kind=ResourceKind.VOLUME), TWO[0])),
        "volume double"),
    row("of two devices of a server that is gone both go",
        cloud(stack("s1")), concertim(rack("s1", *TWO)), "instance i1", "instance double", asks="i1"),
    row("of two devices the one in its stack's rack stays",
        cloud(stack("s1", "i1"), stack("s2")),
        concertim(rack("s2", device("i1", id="d-a", name="double")), rack("s1", "i1")), "instance double"),
    row("of two templates the one in use stays",
        cloud(stack("s1", "i1")), concertim(Template("t-a", "double", 1, "small", 1, 512, 10), rack("s1", "i1")),
        "template double", why="another template is used for its flavor"),
    row("of two templates the one of the flavor's height stays",
        cloud(), concertim(Template("t-a", "double", 2, "small", 1, 512, 10)), "template double"),
    row("doubled templates stay in a pass over one project",
        cloud(), concertim(Template("t-z", "double", 1, "small", 1, 512, 10)),
        scope=Scope(projects=frozenset({"p-a"}))),
]  # fmt: skip


@pytest.mark.parametrize(("given", "asks", "goes", "why"), [*DEVICES, *RACKS, *PROJECTS, *FLAVORS, *DUPLICATES])
def test_what_goes_and_why(given: Given, asks: set[str], goes: list[str], why: str) -> None:
    plan_ = given.plan()
    assert removed(plan_) == goes
    assert why in reasons(plan_)
    assert plan_.held == ()
    assert given.asked() == asks


def servers(count: int, start: int = 1) -> list[str]:
    return [f"i{number}" for number in range(start, start + count)]


def fleet(gone: int, of: int) -> tuple[Inventory, Actual]:
    """`of` managed objects: one rack and one template among them; `gone` of its servers are gone."""
    items = servers(of - 2)
    return cloud(stack("s1", *items[gone:])), concertim(rack("s1", *items))


THIRTY = "11 of 36 managed objects would be removed (31 %, more than max_deletes: 30): all removals held back"


@pytest.mark.parametrize(
    ("gone", "of", "rules", "held", "text"),
    [
        pytest.param(10, 12, Rules(), 0, "", id="ten are never too many"),
        pytest.param(11, 36, Rules(), 11, THIRTY, id="eleven, and more than 30 percent: all are held back"),
        pytest.param(11, 37, Rules(), 0, "", id="eleven, and less than 30 percent: they go"),
        pytest.param(12, 40, Rules(), 0, "", id="exactly 30 percent: they go"),
        pytest.param(11, 36, Rules(allow_deletes=True), 0, "", id="when all are allowed they go"),
        pytest.param(11, 36, Rules(max_deletes=31), 0, "", id="when more percent are allowed they go"),
        pytest.param(11, 36, Rules(out_of=1000), 0, "", id="of a part the percentage is that of all that is managed"),
        pytest.param(11, 1000, Rules(max_deletes=0), 11, "more than max_deletes: 0", id="with 0 percent eleven stay"),
    ],
)  # fmt: skip
def test_too_many_removals_are_held_back(gone: int, of: int, rules: Rules, held: int, text: str) -> None:
    plan_ = plan(*fleet(gone, of), rules)
    assert (len(plan_.held), len(removed(plan_))) == ((held, 0) if held else (0, gone))
    assert [n.kind for n in plan_.notices] == ([NoticeKind.HELD_BACK] if held else [])
    assert text in reasons(plan_)


def test_what_is_held_back_are_devices_racks_and_templates_and_everything_else_is_done() -> None:
    actual = concertim(T_LARGE, rack("s1", *servers(12)), rack("s2"))
    plan_ = plan(cloud(stack("s2", "v1")), actual)
    devices = sorted(f"remove instance {item}" for item in servers(12))
    assert [words(action) for action in plan_.held] == [*devices, "remove rack s1", "remove template m1.large"]
    assert {action.rack_name for action in plan_.held if action.device} == {"s1"}
    assert removed(plan_) == []
    assert "create volume v1" in map(words, plan_.actions)


def test_of_a_pass_over_one_project_only_its_own_objects_count() -> None:
    actual = concertim(rack("s1", *servers(11)), rack("s9", *servers(99, 100), owner_id="o-b"))
    scope = Scope(projects=frozenset({"p-a"}))
    assert len(plan(cloud(), actual, scope=scope).held) == 12
