"""Racks drawn as text."""

from __future__ import annotations

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st
from racks_drawn import actual, device
from rich.cells import cell_len

from cos_update.cli.output.rack_diagram import draw
from cos_update.model.concertim import Actual, Device, Location
from cos_update.model.kinds import DEVICES, ResourceKind

LEGEND = 2


def drawn(found: Actual, width: int = 37, *, unicode: bool = True) -> list[str]:
    """The lines without their styles."""
    return ["".join(text for text, _ in line) for line in draw(found, width, unicode=unicode)]


def test_a_rack_from_the_front() -> None:
    devices = [
        device("login", 1, 2),
        device("node-0", 3, 3, "STOPPED"),
        device("node-1", 4, 4, "FAILED"),
        device("home", 6, 7, "AVAILABLE", ResourceKind.VOLUME),
        device("net-0", 10, 10, "ACTIVE", ResourceKind.NETWORK),
    ]
    assert drawn(actual(devices))[:13] == [
        "cluster-1  ACTIVE  CM_team_a",
        "┌────┬──────────────────────────────┐",
        "│ 10 │ ≈ net-0               ACTIVE │",
        "│ ·· │                              │",
        "│  7 │ ▤ home             AVAILABLE │",
        "│  6 │ ▤                            │",
        "│  5 │                              │",
        "│  4 │ ✗ node-1              FAILED │",
        "│  3 │ ░ node-0             STOPPED │",
        "│  2 │ █ login               ACTIVE │",
        "│  1 │ █                            │",
        "└────┴──────────────────────────────┘",
        "7U of 10U used · 5 devices",
    ]


def test_a_terminal_without_unicode() -> None:
    lines = drawn(actual([device("n\u00f6de\u30ce", 1, 2, "IN_PROGRESS")], "r\u00e4ck", height=4), unicode=False)
    assert lines[:7] == [
        "r?ck  ACTIVE  CM_team_a",
        "+----+------------------------------+",
        "| .. |                              |",
        "|  2 | % n?de?          IN_PROGRESS |",
        "|  1 | %                            |",
        "+----+------------------------------+",
        "2U of 4U used - 1 device",
    ]
    assert all(line.isascii() for line in lines)


def test_the_meaning_of_the_signs_comes_last() -> None:
    assert drawn(actual([]), 80)[-1].startswith("█ instance  ▤ volume  ≈ network  ░ stopped")
    assert max(map(len, drawn(actual([]), 30)[-3:])) <= 30


@pytest.mark.parametrize(("width", "abreast"), [(30, 1), (70, 1), (71, 2), (80, 2), (108, 3), (200, 3)])
def test_racks_stand_side_by_side_as_the_width_allows(width: int, abreast: int) -> None:
    lines = drawn(actual([], "a", "b", "c"), width)
    assert sum(name in lines[0].split() for name in "abc") == abreast


def test_racks_of_different_heights_side_by_side() -> None:
    found = actual(
        [device("x", 1, 1), *(device("y", unit, unit, rack="2") for unit in range(1, 6))], "a", "b", height=5
    )
    lines = drawn(found, 80)
    assert lines[0].split() == ["a", "ACTIVE", "CM_team_a", "b", "ACTIVE", "CM_team_a"]
    assert lines[5].startswith("1U of 5U used · 1 device")
    assert lines[5].index("│") == lines[6].index("│") == lines[1].rindex("┌")


def test_racks_come_by_owner_and_name() -> None:
    lines = drawn(actual([], "b", "c", "a"), 30)
    assert [line.split()[0] for line in lines if "CM_team_a" in line] == ["a", "b", "c"]


def test_a_long_name_is_cut_and_the_state_stays() -> None:
    line = drawn(actual([device("a" * 50, 1, 1)], height=1))[2]
    assert line == "│  1 │ █ aaaaaaaaaaaaaaaaaa… ACTIVE │"


def test_wide_characters_count_twice() -> None:
    lines = drawn(actual([device("\u30ce\u30fc\u30c9" * 9, 1, 1)], "\u30ce" * 40, height=1))
    assert {cell_len(line) for line in lines[1:4]} == {37}
    assert cell_len(lines[0]) <= 37


def test_in_a_narrow_terminal_the_sign_speaks_for_the_state() -> None:
    line = drawn(actual([device("node-0", 1, 1, "IN_PROGRESS")], height=1), 22)[2]
    assert line == "│  1 │ ▒ node-0      │"


def test_devices_in_one_unit_are_all_shown() -> None:
    lines = drawn(actual([device("a", 1, 2), device("b", 2, 2)], height=2))
    assert [line.split()[1] for line in lines[2:5]] == ["2", "2", "1"]
    assert {line.split()[4] for line in lines[2:4]} == {"a", "b"}
    assert "2U of 2U used · 2 devices" in lines


def test_devices_above_the_rack_are_shown_and_absurd_places_cost_nothing() -> None:
    lines = drawn(actual([device("a", 12, 12), device("b", -(10**9), 10**9)], height=2))
    assert any(" 12 " in line and " a " in line for line in lines)
    assert len(lines) < 90


def test_a_name_cannot_steer_the_terminal() -> None:
    found = actual([device("x\x1b[31m\n\u202ey", 1, 1)], "r\x07", height=1)
    found = replace(found, devices={key: replace(item, status="A\x1bB") for key, item in found.devices.items()})
    assert all(line.isprintable() for line in drawn(found))


def test_no_racks_at_all() -> None:
    assert drawn(Actual(began=0.0)) == ["There are no racks."]


def test_a_state_is_coloured_and_said() -> None:
    lines = list(draw(actual([device("a", 1, 1, "FAILED")], height=1), 37))
    assert ("✗", "bold red") in lines[2]
    assert any("FAILED" in text for text, _ in lines[2])


devices = st.builds(
    device,
    name=st.text(min_size=1, max_size=40),
    start=st.integers(-5, 80),
    end=st.integers(-5, 80),
    status=st.sampled_from(["ACTIVE", "FAILED", "IN_PROGRESS", "?", ""]) | st.text(max_size=30),
    kind=st.sampled_from(DEVICES),
    rack=st.sampled_from(["1", "2"]),
)


@given(
    found=st.lists(devices, max_size=6), names=st.lists(st.text(max_size=60), min_size=2, max_size=2),
    width=st.integers(1, 200), unicode=st.booleans(),
)  # fmt: skip
def test_whatever_is_drawn_fits_and_lines_up(found: list[Device], names: list[str], width: int, unicode: bool) -> None:
    picture = actual(found, *names)
    lines = drawn(picture, width, unicode=unicode)
    assert all(cell_len(line) <= max(width, 22) for line in lines)
    assert all(line.isprintable() for line in lines)
    if width < 71:  # one above the other
        sides = tuple("┌│└" if unicode else "+|")
        edges = [line for line in lines if line.startswith(sides) and line.endswith(("┐", "│", "┘", "+", "|"))]
        assert len({cell_len(line) for line in edges}) == 1


def test_location_of_a_device_is_where_it_is_drawn() -> None:
    place = Location(3, 5)
    lines = drawn(actual([device("a", place.start_u, place.end_u)], height=6))
    assert [line.split()[1] for line in lines if "█" in line and "instance" not in line] == ["5", "4", "3"]
