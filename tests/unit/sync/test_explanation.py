"""The explanation of an object."""

from __future__ import annotations

from dataclasses import replace

import pytest
from builders import (
    SMALL,
    TEAM_A,
    TEAM_B,
    cloud,
    concertim,
    foreign,
    plan,
    rack,
    server,
    stack,
    unread,
)

from cos_update.model.kinds import ResourceKind
from cos_update.store import JournalEntry
from cos_update.sync.cache_policy import origins
from cos_update.sync.explanation import Picture, explain, near

INVENTORY = cloud(
    stack("s1", "i1", server("i2", vm_state="stopped"), name="web"),
    server("i9", name="lonely"),
    stack("s3", "i3", project_id="p-b"),
    flavors=(SMALL,),
)
ACTUAL = concertim(rack("s1", "i1", "i2", foreign("theirs"), name="web"), rack("", name="by hand"), owners=(TEAM_A,))


def picture(**changes: object) -> Picture:
    whole = Picture(
        ACTUAL,
        origins(INVENTORY),
        INVENTORY.projects,
        INVENTORY.flavors,
        plan(INVENTORY, ACTUAL),
        (JournalEntry(1, "listen", 1.0, 0.0, "s1", devices={"d-i1": ACTUAL.devices["d-i1"]}),),
        10.0,
        11.0,
    )
    return replace(whole, **changes)  # type: ignore[arg-type]


def explained(word: str, given: Picture) -> str:
    (found,) = explain(word, given)
    return "\n".join(f"{label}: {text}" for label, text in found.facts)


@pytest.mark.parametrize(
    ("word", "sentence"),
    [
        ("i1", "project: project a (p-a), watched; its team is team a"),
        ("i1", "stack: web (s1)"),
        ("i1", "rack: web, U1 to U1, template m1.small (1U)"),
        ("i1", "state: active in OpenStack, shown as ACTIVE"),
        ("i1", "read: OpenStack at 1970-01-01 00:00:10 UTC, Concertim at 1970-01-01 00:00:11 UTC"),
        ("i1", "written: at 1970-01-01 00:00:01 UTC by listen"),
        ("i2", "written: not recently"),
        ("i2", "next pass: ~ update instance: status  ACTIVE -> STOPPED"),
        ("web", "rack: web, 42U, 3 devices, of team a"),
        ("lonely", "stack: none. It is in no Heat stack"),
        ("lonely", "state: active in OpenStack, not shown"),
        ("i3", "it has no team in Concertim"),
        ("theirs", "managed: no: not created by us"),
        ("by hand", "managed: no: not created by us"),
        ("m1.small", "template: m1.small, 1U, used by 3 devices"),
        ("project b", "project: project b (p-b), watched; it has no team in Concertim"),
        ("project b", "left alone: "),
    ],
)
def test_every_kind_of_object_has_its_answers(word: str, sentence: str) -> None:
    assert sentence in explained(word, picture())


def test_what_is_as_it_should_be_says_so() -> None:
    assert "next pass: nothing to do" in explained("m1.small", picture())


def test_a_removal_that_is_held_back_says_what_lets_it_happen() -> None:
    actual = concertim(rack("s1", *(f"i{n}" for n in range(12))))
    held = picture(actual=actual, origins={}, plan=plan(cloud(), actual))
    assert "--allow-deletes" in explained("i3", held)
    assert "which the last reading of OpenStack did not contain" in explained("i3", held)


def test_what_an_unreadable_service_keeps_in_place() -> None:
    inventory, actual = cloud(stack("s1"), unread(ResourceKind.VOLUME)), concertim(rack("s1", "v1"))
    answer = explained("v1", picture(actual=actual, origins=origins(inventory), plan=plan(inventory, actual)))
    assert "managed: yes, for v1" in answer


def test_a_project_that_is_not_watched() -> None:
    assert "p-a, not watched" in explained("i1", picture(projects={}))


def test_from_the_view_alone_nothing_is_foretold() -> None:
    answer = explained("i2", picture(plan=None, gaps=("volumes: HTTP 503",)))
    assert "next pass" not in answer
    assert "not read: volumes: HTTP 503" in answer


def test_the_beginning_of_an_id_will_do_when_it_is_long_enough() -> None:
    actual = concertim(rack("s1", "i1", id="aaaabbbbcccc"))
    given = picture(actual=actual, origins={}, plan=None)
    assert [found.concertim_id for found in explain("aaaabb", given)] == ["aaaabbbbcccc"]
    assert explain("aaaa", given) == ()


def test_all_that_share_a_name_are_explained() -> None:
    actual = concertim(rack("s1", name="twin"), rack("s2", name="twin", owner_id="o-b"), owners=(TEAM_A, TEAM_B))
    given = picture(actual=actual, origins={}, plan=None)
    assert [found.openstack_id for found in explain("twin", given)] == ["s1", "s2"]


def test_names_for_suggestions() -> None:
    assert {"web", "lonely", "theirs", "project a"} <= set(near("webb", picture()))
