"""Names that Concertim accepts: what becomes of each, which object keeps the clean one, and the order of renames."""

from __future__ import annotations

from collections.abc import Mapping

import pytest

from cos_update.model.concertim import ApiFlavour
from cos_update.planning.names import (
    DEVICE_NAME,
    RACK_NAME,
    TEMPLATE_NAME,
    NameRule,
    Rename,
    Wish,
    assign,
    in_order,
    natural,
)

DEVICE, OLD_DEVICE = DEVICE_NAME[ApiFlavour.TEAMS], DEVICE_NAME[ApiFlavour.USERS]
ID = "0123456789abcdef"


@pytest.mark.parametrize(
    ("rule", "name", "legal"),
    [
        pytest.param(DEVICE, "web-1.example", "web-1.example", id="a legal name stays"),
        pytest.param(DEVICE, "web_1 (old)", "web-1-old", id="what is illegal becomes one hyphen, none at the ends"),
        pytest.param(DEVICE, "-web-", "-web-", id="hyphens that were there stay"),
        pytest.param(DEVICE, "café", "cafe", id="an accent is dropped, the letter stays"),
        pytest.param(DEVICE, "日本", "01234567", id="nothing legal: a piece of the id"),
        pytest.param(DEVICE, "", "01234567", id="no name: a piece of the id"),
        pytest.param(DEVICE, "a\0b", "ab", id="NUL vanishes"),
        pytest.param(DEVICE, "x" * 151, "x" * 150, id="a device's name is cut to 150"),
        pytest.param(OLD_DEVICE, "web.1", "web-1", id="the older API takes no dot"),
        pytest.param(RACK_NAME, "my_stack.v2", "my_stack-v2", id="a rack takes underscores, no dots"),
        pytest.param(RACK_NAME, "x" * 111, "x" * 110, id="a rack's name is cut to 110"),
        pytest.param(TEMPLATE_NAME, "m1.tiny (日本)", "m1.tiny (日本)", id="a template takes any text"),
        pytest.param(TEMPLATE_NAME, "  ", "01234567", id="a template's name is no white space"),
        pytest.param(TEMPLATE_NAME, "x" * 110, "x" * 109, id="a template's name is cut to 109"),
    ],
)
def test_a_name_is_made_legal_and_stays_as_close_as_can_be(rule: NameRule, name: str, legal: str) -> None:
    assert rule.clean(name, ID) == legal
    assert rule.clean(legal, ID) == legal


def test_an_id_without_a_legal_character_still_gives_a_name() -> None:
    assert TEMPLATE_NAME.clean("", "\0") == "x"


@pytest.mark.parametrize(
    ("wishes", "taken", "names"),
    [
        pytest.param([Wish("a", "web")], [], {"a": "web"}, id="nobody else wants it: the clean name"),
        pytest.param([Wish("a", "web")], ["web"], {"a": "web-a"}, id="taken by what is not ours: set apart by its id"),
        pytest.param(
            [Wish("b", "web"), Wish("a", "web")], [], {"a": "web", "b": "web-b"}, id="of two the smaller id keeps it"
        ),
        pytest.param(
            [Wish("a", "web 1"), Wish("b", "web-1")],
            [],
            {"a": "web-1-a", "b": "web-1"},
            id="whoever is really called so keeps it, whatever the ids",
        ),
        pytest.param(
            [Wish("a", "web", rank=1), Wish("b", "web")], [], {"a": "web-a", "b": "web"}, id="a lower rank goes first"
        ),
        pytest.param(
            [Wish("a", "web"), Wish("b", "web"), Wish("c", "web-b")],
            [],
            {"a": "web", "b": "web-b-2", "c": "web-b"},
            id="a name that sets apart is not taken from whoever is called so",
        ),
        pytest.param(
            [Wish("123456789abcdef", "web")],
            ["web", "web-12345678"],
            {"123456789abcdef": "web-123456789abc"},
            id="a piece of the id that is taken grows",
        ),
        pytest.param(
            [Wish("a", "web")],
            ["web", "web-a", "web-a-2"],
            {"a": "web-a-3"},
            id="an id that is taken altogether is numbered",
        ),
        pytest.param(
            [Wish("123456789", "x" * 150)],
            ["x" * 150],
            {"123456789": "x" * 141 + "-12345678"},
            id="a long name set apart stays within the limit",
        ),
    ],
)
def test_names_are_unique_and_do_not_depend_on_order(
    wishes: list[Wish], taken: list[str], names: Mapping[str, str]
) -> None:
    assert assign(wishes, taken, DEVICE) == names
    assert assign(reversed(wishes), taken, DEVICE) == names


@pytest.mark.parametrize(
    ("renames", "order"),
    [
        pytest.param("1:a>b", "1:a>b", id="one goes at once"),
        pytest.param("1:a>b 2:b>c", "2:b>c 1:a>b", id="a name is freed before it is taken"),
        pytest.param("1:a>b 2:b>c 3:c>d", "3:c>d 2:b>c 1:a>b", id="a chain from its free end"),
        pytest.param("1:a>b 2:b>a", "1:a>a-moving-1 2:b>a 1:a-moving-1>b", id="of a circle one moves out of the way"),
        pytest.param(
            "1:a>b 2:b>a 3:c>d 4:d>c",
            "1:a>a-moving-1 3:c>c-moving-3 2:b>a 1:a-moving-1>b 4:d>c 3:c-moving-3>d",
            id="one of each circle",
        ),
    ],
)
def test_no_name_is_there_twice_while_names_change(renames: str, order: str) -> None:
    def read(text: str) -> list[Rename]:
        return [Rename(item[0], *item[2:].split(">")) for item in text.split()]

    first, then = in_order(read(renames))
    assert [*first, *then] == read(order)
    assert all("-moving-" in rename.new for rename in first)


@pytest.mark.parametrize(
    ("names", "ordered"),
    [
        pytest.param("node-10 node-9 node-2", "node-2 node-9 node-10", id="numbers by their value"),
        pytest.param("b2 a10", "a10 b2", id="letters first"),
        pytest.param("node² node2", "node2 node²", id="a superscript is no number"),
    ],
)
def test_names_are_ordered_as_people_count(names: str, ordered: str) -> None:
    assert sorted(names.split(), key=natural) == ordered.split()
