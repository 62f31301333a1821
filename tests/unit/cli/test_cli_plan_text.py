"""Plans and outcomes as lines on a terminal of any width."""

from __future__ import annotations

import io

import pytest
from hypothesis import given
from hypothesis import strategies as st
from rich.cells import cell_len
from rich.console import Console

from cos_update.cli.output.plan_text import lines, show
from cos_update.planning.summary import Line, Section

RACK = Section(
    "rack cluster-1",
    "stack 3d76f8f0 \u00b7 ACTIVE",
    (
        Line("+", "instance", "login", ("U1-U2", "bench.medium", "ACTIVE")),
        Line("~", "instance", "node-0", rows=("status  IN_PROGRESS -> ACTIVE", "private_ips  - -> net:10.0.0.11")),
        Line("!", "instance", "big-1", rows=("needs 4U, 2U free in 72U: not placed",)),
    ),
)
TEAM = Section("CM_team_a", "team team_a", sections=(RACK,))


def texts(section: Section, width: int) -> list[str]:
    return [line.text for line in lines([section], width)]


def test_at_80_columns_names_come_first_and_everything_is_aligned() -> None:
    assert texts(TEAM, 80) == [
        "CM_team_a                                            team team_a",
        "  rack cluster-1                                     stack 3d76f8f0 \u00b7 ACTIVE",
        "    + instance  login                U1-U2   bench.medium   ACTIVE",
        "    ~ instance  node-0               status  IN_PROGRESS -> ACTIVE",
        "                                     private_ips  - -> net:10.0.0.11",
        "    ! instance  big-1                needs 4U, 2U free in 72U: not placed",
    ]


def test_at_40_columns_it_is_read_from_top_to_bottom() -> None:
    assert texts(TEAM, 40) == [
        "CM_team_a                    team team_a",
        "  rack cluster-1",
        "      stack 3d76f8f0 \u00b7 ACTIVE",
        "    + instance  login",
        "        U1-U2   bench.medium   ACTIVE",
        "    ~ instance  node-0",
        "        status  IN_PROGRESS -> ACTIVE",
        "        private_ips  - -> net:10.0.0.11",
        "    ! instance  big-1",
        "        needs 4U, 2U free in 72U: not",
        "          placed",
    ]


@given(st.integers(40, 200), st.text(max_size=19))
def test_it_fits_whatever_a_name_is_written_with(width: int, name: str) -> None:
    section = Section(name, f"team {name}", (Line("+", "volume", name, ("U1-U4", "100000 GiB", "IN_PROGRESS")),))
    longest = max(width, cell_len(f"    + volume    {name}"))
    assert max(map(cell_len, texts(section, width))) <= longest


@pytest.mark.parametrize("name", ["node", "\u7bc0\u70b9", "\uff4e\uff4f\uff44\uff45"])
def test_wide_characters_take_two_columns(name: str) -> None:
    section = Section("x", lines=(Line("+", "volume", name, ("U1",)),))
    before, units, _ = texts(section, 80)[1].partition("U1")
    assert (units, cell_len(before)) == ("U1", 35)


@pytest.mark.parametrize("name", ["\x1b[2Jnode", "node\r\n- instance", "node\u202eedon", "\x9b2Jnode"])
def test_a_name_steers_no_terminal(name: str) -> None:
    file = io.StringIO()
    show(
        Console(file=file, width=80, markup=False),
        [Section("CM_team_a", lines=(Line("+", "instance", name, ("U1",)),))],
    )
    first, second, end = file.getvalue().split("\n")
    assert (first, end) == ("CM_team_a", "")
    assert second.isprintable()


@pytest.mark.parametrize("name", ["n" * 90, "\u4e2d\u6587" * 40, "\U0001f980" * 50, "e\u0301" * 120], ids=ascii)
def test_on_a_terminal_names_are_cut_to_its_width_unless_it_is_to_be_wide(name: str) -> None:
    sections = [Section(name, "team x", sections=(Section(f"rack {name}", lines=(Line("+", "instance", name),)),))]

    def shown(*, wide: bool) -> str:
        file = io.StringIO()
        show(Console(file=file, force_terminal=True, width=60, color_system=None), sections, wide=wide)
        return file.getvalue()

    assert max(map(cell_len, shown(wide=False).splitlines())) <= 60
    assert name not in shown(wide=False)
    assert shown(wide=True).count(name) == 3
