"""A plan and its outcome, for programs (documents), for people (sections) and for the caller (exit code)."""

from __future__ import annotations

import json
from dataclasses import replace

import pytest
from builders import LARGE, SMALL, TEMPLATES, cloud, concertim, device, foreign, plan, rack, server, stack, unread

from cos_update.model.concertim import Location, Rack, Template
from cos_update.model.kinds import ResourceKind
from cos_update.model.openstack import Project
from cos_update.planning.document import plan_document, report_document
from cos_update.planning.outcome import Applied, Outcome, Result
from cos_update.planning.plan import RACK, SERVICE, Action, Change, Notice, NoticeKind, Plan, Verb
from cos_update.planning.report import Report, after, describe, first_words, forecast, merged, plan_exit_code, report
from cos_update.planning.summary import Section, change_text, sections, value_text

PROJECTS = {"p-a": Project("p-a", "project a")}
NEW = plan(cloud(stack("s1", server(flavor_id="large", flavor=LARGE), "v1")), concertim())
GONE = plan(cloud(), concertim(rack("s1", "i1")))
HELD = plan(cloud(), concertim(rack("s1", *(f"i{n}" for n in range(12)))))
UNREAD = plan(cloud(unread(ResourceKind.VOLUME)), concertim())
SWAP = plan(cloud(stack("s1", name="b"), stack("s2", name="a")), concertim(rack("s1", name="a"), rack("s2", name="b")))
FULL = plan(cloud(stack("s1", "i1")), concertim(rack("s1", foreign("x", location=Location(1, 72)), height=72)))
CHANGED = plan(cloud(flavors=(replace(SMALL, ram=1024, disk=0),)), concertim())
NOTHING = plan(cloud(), concertim())


def drawn(found: tuple[Section, ...], depth: int = 0) -> list[str]:
    lines = []
    for section in found:
        lines.append(" " * depth + " | ".join(filter(None, (section.title, section.aside))))
        lines += [" " * depth + " ".join((x.mark, x.kind, x.name, *x.cells, *x.rows)) for x in section.lines]
        lines += drawn(section.sections, depth + 1)
    return lines


@pytest.mark.parametrize(
    ("given", "lines"),
    [
        pytest.param(
            NEW,
            [
                "project a | team team a",
                " rack s1 | stack s1 · new",
                " + rack s1 42U ACTIVE",
                " + instance i1 U1-U4 m1.large ACTIVE",
                " + volume v1 U5-U6 5 GiB ACTIVE",
                "templates",
                "+ template m1.large 4U 8 vCPU 8 GiB 80 GB",
            ],
            id="what is made: by project and rack, with its place and size",
        ),
        pytest.param(
            GONE,
            [
                "project a | team team a",
                " rack s1 | stack s1 · ACTIVE",
                " - instance i1 its stack is gone from Heat (404)",
                " - rack s1 its stack is gone from Heat (404)",
            ],
            id="what is removed: with why",
        ),
        pytest.param(
            UNREAD,
            [
                "cloud",
                "! service project a Cinder could not be read (HTTP 503): volumes of project project a left alone",
            ],
            id="what is left alone: with why",
        ),
        pytest.param(
            CHANGED,
            ["templates", "~ template m1.small ram  512 -> 1024 disk  10 -> -"],
            id="what is changed: each field, old and new",
        ),
        pytest.param(NOTHING, [], id="nothing: no lines"),
    ],
)
def test_a_plan_for_people(given: Plan, lines: list[str]) -> None:
    assert drawn(sections(given, PROJECTS)) == lines


def test_held_back_removals_have_a_section_of_their_own() -> None:
    *_, held = sections(HELD, PROJECTS)
    assert held.title == "held back"
    assert len(held.lines) == 13
    assert held.lines[0].rows == ("in s1: its stack is gone from Heat (404)",)
    assert held.lines[-1].rows == ("its stack is gone from Heat (404)",)


def test_without_a_project_the_team_names_the_section() -> None:
    owner = plan(cloud(stack("s1")), concertim())
    nobody = plan(cloud(), concertim(rack("s1"), owners=()))
    assert [s.title for s in sections(owner, {})] == ["team a"]
    assert [s.title for s in sections(nobody, {})] == ["(no project)"]


@pytest.mark.parametrize(
    ("result", "line"),
    [
        pytest.param(Result.DONE, "- instance i1 its stack is gone from Heat (404)", id="done: as it was planned"),
        pytest.param(
            Result.REFUSED, "! instance i1 not removed, refused: HTTP 422", id="refused: with Concertim's reason"
        ),
        pytest.param(Result.SKIPPED, "! instance i1 not removed: HTTP 422", id="not done: with why"),
    ],
)
def test_what_became_of_a_plan_for_people(result: Result, line: str) -> None:
    outcomes = [Outcome(GONE.actions[0], result, "HTTP 422")]
    assert line in [text.strip() for text in drawn(sections(GONE, PROJECTS, outcomes))]


@pytest.mark.parametrize(
    ("value", "text"),
    [
        pytest.param(None, "-", id="nothing"),
        pytest.param([], "-", id="an empty list"),
        pytest.param(0, "0", id="zero is something"),
        pytest.param({"a": "é"}, '{"a": "é"}', id="an object as JSON"),
        pytest.param("a\x1b[31m", "a?[31m", id="nothing that moves a terminal"),
        pytest.param("x" * 61, "x" * 59 + "…", id="a long one is cut"),
    ],
)
def test_a_value_on_a_line(value: object, text: str) -> None:
    assert value_text(value) == text


@pytest.mark.parametrize(
    ("change", "text"),
    [
        pytest.param(Change("status", "FAILED", "ACTIVE"), "status  FAILED -> ACTIVE", id="old and new"),
        pytest.param(
            Change("creation_output", "password=a", "password=b"), "creation_output  (changed)", id="no outputs"
        ),
        pytest.param(
            Change("metadata.openstack_stack_output", {"password": "a"}, {}),
            "metadata.openstack_stack_output  (changed)",
            id="no outputs of the metadata",
        ),
    ],
)
def test_a_change_in_words_without_what_may_be_secret(change: Change, text: str) -> None:
    assert change_text(change) == text


@pytest.mark.parametrize(
    ("template", "cells"),
    [
        pytest.param(
            Template("", "x", 1, ram=512), ("1U", "0 vCPU", "512 MiB", "no disk"), id="less than a GiB, no disk"
        ),
        pytest.param(Template("", "x", 3, vcpus=3, ram=1536, disk=9), ("3U", "3 vCPU", "1.5 GiB", "9 GB"), id="more"),
    ],
)
def test_a_new_template_on_a_line(template: Template, cells: tuple[str, ...]) -> None:
    action = Action(Verb.CREATE, template)
    (section,) = sections(Plan(templates=(action,)), {})
    assert section.lines[0].cells == cells


@pytest.mark.parametrize(
    ("given", "totals", "line", "code"),
    [
        pytest.param(NEW, "4 0 0 0 0 0", "4 to create, 0 to change, 0 to remove; 0 in step.", 0, id="all new"),
        pytest.param(GONE, "0 0 2 0 0 0", "0 to create, 0 to change, 2 to remove; 0 in step.", 0, id="all gone"),
        pytest.param(
            HELD,
            "0 0 0 13 0 0",
            "0 to create, 0 to change, 0 to remove, 13 removals held back; 0 in step.",
            4,
            id="held back",
        ),
        pytest.param(
            UNREAD, "0 0 0 0 1 0", "0 to create, 0 to change, 0 to remove, 1 left alone; 0 in step.", 3, id="left alone"
        ),
    ],
)
def test_totals_and_exit_code_of_a_plan(given: Plan, totals: str, line: str, code: int) -> None:
    found = plan_document(given, PROJECTS)["totals"]
    keys = ("create", "update", "remove", "held_back", "left_alone", "in_step")
    assert found == dict(zip(keys, map(int, totals.split()), strict=True))
    assert forecast(given) == line
    assert plan_exit_code(given) == code


def test_a_plan_for_machines() -> None:
    document = json.loads(json.dumps(plan_document(NEW, PROJECTS)))
    assert set(document) == {"schema", "templates", "racks", "notices", "held_back", "totals"}
    (found,) = document["racks"]
    del found["actions"][0], found["actions"][1:]
    assert found == {
        "rack": "s1",
        "concertim_id": None,
        "stack_id": "s1",
        "project_id": "p-a",
        "project": "project a",
        "owner": "team a",
        "status": "ACTIVE",
        "new": True,
        "notices": [],
        "actions": [
            {
                "action": "create",
                "kind": "instance",
                "name": "i1",
                "rack": "s1",
                "openstack_id": "i1",
                "concertim_id": None,
                "changes": [],
                "units": [1, 4],
                "why": None,
            }
        ],
    }


def test_a_rack_that_moves_out_of_the_way_shows_it_first() -> None:
    racks = plan_document(SWAP, {})["racks"]
    assert isinstance(racks, list)
    names = [[c["new"] for a in found["actions"] for c in a["changes"] if c["field"] == "name"] for found in racks]
    assert sorted(names) == [["a"], ["a-moving-rs1", "b"]]


def test_a_notice_for_machines() -> None:
    (found,) = plan_document(FULL, {})["racks"]  # type: ignore[misc]
    assert found["notices"] == [
        {
            "notice": "unplaced",
            "kind": "instance",
            "name": "i1",
            "openstack_id": "i1",
            "text": "needs 1U, 0U free in 72U: not placed",
        }
    ]


ACT = GONE.actions[0]
DONE, REFUSED, SKIPPED = (Outcome(ACT, result, "no") for result in (Result.DONE, Result.REFUSED, Result.SKIPPED))
IN_DOUBT = Notice(NoticeKind.UNCONFIRMED, RACK, "s1", "s1", "kept")
TOO_MANY = Notice(NoticeKind.HELD_BACK, SERVICE, "removals", "", "too many")
NONE = Report((), (), 0, 0, 1.0)


@pytest.mark.parametrize(
    ("given", "code", "text", "first"),
    [
        pytest.param(NONE, 0, "0 posted, 0 refused, in 1.0 s", "", id="nothing to do"),
        pytest.param(replace(NONE, outcomes=(DONE,)), 0, "1 posted (1 removed), 0 refused, in 1.0 s", "", id="done"),
        pytest.param(
            replace(NONE, outcomes=(DONE, REFUSED)),
            3,
            "1 posted (1 removed), 1 refused, in 1.0 s",
            "instance i1 in s1 (no)",
            id="one refused: in part",
        ),
        pytest.param(
            replace(NONE, outcomes=(SKIPPED,)),
            3,
            "0 posted, 0 refused, 1 not done, in 1.0 s",
            "instance i1 in s1 (no)",
            id="one not done: in part",
        ),
        pytest.param(
            replace(NONE, notices=(IN_DOUBT,)),
            3,
            "0 posted, 0 refused, 1 left alone, in 1.0 s",
            "rack s1: kept",
            id="something left alone: in part",
        ),
        pytest.param(replace(NONE, stopped="away"), 3, "0 posted, 0 refused, in 1.0 s", "", id="stopped: in part"),
        pytest.param(
            replace(NONE, stale=2), 3, "0 posted, 0 refused, 2 racks left to another process, in 1.0 s", "", id="stale"
        ),
        pytest.param(
            replace(NONE, held=11, notices=(TOO_MANY,), outcomes=(DONE,)),
            4,
            "1 posted (1 removed), 0 refused, 11 removals held back, in 1.0 s",
            "service removals: too many",
            id="held back goes before in part",
        ),
    ],
)
def test_a_report_its_line_and_its_exit_code(given: Report, code: int, text: str, first: str) -> None:
    assert (given.exit_code, str(given), first_words(given)) == (code, text, first)
    assert given.is_quiet is (given == NONE)
    assert report_document(given)["exit_code"] == code


def test_a_report_for_machines() -> None:
    made = Outcome(NEW.actions[0], Result.DONE, record=Template("t-9", "m1.large", 4))
    document = json.loads(json.dumps(report_document(replace(NONE, outcomes=(made, REFUSED), notices=(IN_DOUBT,)))))
    assert [(o["concertim_id"], o["result"], o["reason"]) for o in document["outcomes"]] == [
        ("t-9", "done", None),
        ("d-i1", "refused", "no"),
    ]
    assert document["totals"] == {
        "created": 1,
        "changed": 0,
        "removed": 0,
        "refused": 1,
        "not_done": 0,
        "held_back": 0,
        "left_alone": 1,
        "in_step": 0,
        "without_owner": 0,
        "in_other_team": 0,
    }


def test_a_report_tells_of_the_plan_and_what_was_applied() -> None:
    found = report(HELD, Applied((DONE,), frozenset({"r-1"}), "away"), 2.0)
    assert (found.held, found.stale, found.stopped, found.outcomes) == (13, 1, "away", (DONE,))
    assert [notice.kind for notice in found.notices] == [NoticeKind.HELD_BACK]


HERE = concertim(rack("s1", "i1"))
STALE = Outcome(ACT, Result.STALE)


@pytest.mark.parametrize(
    ("outcome", "racks", "devices", "templates"),
    [
        pytest.param(DONE, 1, 0, 3, id="removed: it is not there"),
        pytest.param(REFUSED, 1, 1, 3, id="refused: it is"),
        pytest.param(STALE, 1, 0, 3, id="found gone or changed: it is not known"),
        pytest.param(Outcome(ACT, Result.DONE, record=Rack("r-2", "x", "o-a", 42, "")), 2, 1, 3, id="a rack made"),
        pytest.param(Outcome(ACT, Result.DONE, record=device("i2")), 1, 2, 3, id="a device made"),
        pytest.param(Outcome(ACT, Result.DONE, record=replace(TEMPLATES[0], id="t")), 1, 1, 4, id="a template made"),
    ],
)
def test_concertim_as_it_is_afterwards(outcome: Outcome, racks: int, devices: int, templates: int) -> None:
    found = after(HERE, [outcome])
    assert (len(found.racks), len(found.devices), len(found.templates)) == (racks, devices, templates)


def test_what_was_stale_is_what_the_second_look_made_of_it() -> None:
    first = Applied((STALE, REFUSED), frozenset({"r-1"}), "")
    assert merged(first, Applied((DONE,), frozenset(), "away")) == Applied((REFUSED, DONE), frozenset(), "away")


def test_a_device_is_named_with_its_rack() -> None:
    assert [describe(action) for action in GONE.actions] == ["instance i1 in s1", "rack s1"]
