"""What remains of a plan for only some racks or devices, and whether a saved plan is still current."""

from __future__ import annotations

import json
from dataclasses import replace

import pytest
from builders import LARGE, SMALL, cloud, concertim, plan, rack, server, stack, words

from cos_update.model.errors import CosUpdateError
from cos_update.model.openstack import Project
from cos_update.planning.plan import Plan
from cos_update.planning.saved_plan import SavedPlan, digest, saved_plan_document, saved_plan_from
from cos_update.planning.selection import only_devices, only_racks, unknown_racks
from cos_update.planning.summary import in_short, sections

PROJECTS = {"p-a": Project("p-a", "project a")}
TWO = plan(
    cloud(
        stack("s1", server("i1", flavor_id="large"), "v1"),
        stack("s2", server("i2", vm_state="error")),
        flavors=(SMALL, LARGE),
    ),
    concertim(rack("s2", "i2", "i3")),
)
CIRCLE = plan(
    cloud(stack("s1", name="b"), stack("s2", name="a"), stack("s3")),
    concertim(rack("s1", name="a"), rack("s2", name="b"), rack("s3", name="old")),
)
HELD = plan(cloud(), concertim(rack("s1", *(f"i{n}" for n in range(12)))))


def done(given: Plan) -> list[str]:
    return [words(action) for action in given.actions]


def test_all_of_the_plan_is_larger_than_its_parts() -> None:
    parts = {name: done(only_racks(TWO, [name])) for name in ("s1", "s2")}
    assert sorted(parts["s1"] + parts["s2"]) == sorted(done(TWO))
    assert parts["s1"]
    assert parts["s2"]


@pytest.mark.parametrize("name", ["s2", "r-s2"])
def test_a_rack_goes_by_its_name_its_id_and_its_stack(name: str) -> None:
    assert done(only_racks(TWO, [name])) == done(only_racks(TWO, ["s2"]))


def test_a_template_is_made_with_the_rack_that_needs_it_only() -> None:
    assert [action.name for action in only_racks(TWO, ["s1"]).templates] == ["m1.large"]
    assert only_racks(TWO, ["s2"]).templates == ()


def test_racks_that_must_give_up_their_names_come_along() -> None:
    assert {rack_plan.rack_name for rack_plan in only_racks(CIRCLE, ["r-s1"]).rack_plans} == {"a", "b"}
    assert {rack_plan.rack_name for rack_plan in only_racks(CIRCLE, ["r-s2"]).rack_plans} == {"a", "b"}
    assert only_racks(CIRCLE, ["r-s1"]).first == CIRCLE.first
    alone = only_racks(CIRCLE, ["s3"])
    assert ([rack_plan.rack_name for rack_plan in alone.rack_plans], alone.first) == (["s3"], ())


def test_what_is_held_back_of_other_racks_is_left_out() -> None:
    assert only_racks(HELD, ["r-s1"]).held == HELD.held != ()
    assert only_racks(HELD, []).held == ()


def test_names_that_no_rack_has() -> None:
    assert unknown_racks(TWO, ["s1", "s9", "r-s2"]) == ("s9",)


@pytest.mark.parametrize(
    ("statuses", "types", "names"),
    [
        ((), ("volume",), ["v1"]),
        (("failed",), (), ["i2"]),
        (("failed",), ("volume",), []),
        (("active",), ("instance",), ["i1", "i2", "i3"]),
    ],
)
def test_devices_by_status_and_type(statuses: tuple[str, ...], types: tuple[str, ...], names: list[str]) -> None:
    assert sorted(action.name for action in only_devices(TWO, statuses, types).actions) == names


def test_in_short_every_rack_is_a_line_of_counts() -> None:
    (project, templates) = in_short(sections(TWO, PROJECTS))
    assert [(rack.title, rack.aside, rack.lines) for rack in project.sections] == [
        ("rack s1", "+3", ()),
        ("rack s2", "~2  -1", ()),
    ]
    assert (templates.title, templates.aside) == ("templates", "+1")


def test_the_digest_is_that_of_the_actions() -> None:
    assert digest(TWO) == digest(replace(TWO, in_step=99, notices=()))
    assert digest(TWO) != digest(only_racks(TWO, ["s1"])) != digest(HELD)


@pytest.mark.parametrize("field", ["cost", "created"])
def test_what_others_charge_meanwhile_changes_no_digest(field: str) -> None:
    later = concertim(rack("s2", "i2", "i3", **{field: "12.50"}))
    now = concertim(rack("s2", "i2", "i3"))
    assert digest(plan(cloud(stack("s2", "i2")), now)) == digest(plan(cloud(stack("s2", "i2")), later))


SAVED = SavedPlan(digest(TWO), "https://keystone", "https://concertim", ("one",), ("s1", "s2"), allow_deletes=True)


def test_a_saved_plan_comes_back_as_it_was() -> None:
    text = json.dumps(saved_plan_document(SAVED, TWO, PROJECTS), default=str)
    assert saved_plan_from(json.loads(text)) == SAVED


@pytest.mark.parametrize("change", [{"saved_plan": 2}, {"digest": None}, {"racks": "s1"}, {"allow_deletes": "yes"}])
def test_a_file_that_is_no_saved_plan_is_refused(change: dict[str, object]) -> None:
    with pytest.raises(CosUpdateError, match="not a plan saved"):
        saved_plan_from(saved_plan_document(SAVED, TWO, PROJECTS) | change)
