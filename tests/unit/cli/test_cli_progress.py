"""The progress display of a pass, moment by moment."""

from __future__ import annotations

import io

import pytest
from hypothesis import given
from hypothesis import strategies as st
from rich.console import Console

from cos_update.cli.output.progress import SIDES, ProgressDisplay
from cos_update.model.concertim import Rack
from cos_update.model.progress import Progress
from cos_update.planning.outcome import Outcome, Result
from cos_update.planning.plan import Action, Verb

OUTCOME = Outcome(Action(Verb.REMOVE, Rack("r", "x", "", 42, "ACTIVE")), Result.DONE)


class Watch:
    """A display with a clock of its own, and what it draws."""

    def __init__(self, columns: int = 80, encoding: str = "utf-8") -> None:
        self.now = 0.0
        self.display = ProgressDisplay(lambda: self.now)
        self._bytes = io.BytesIO()
        file = io.TextIOWrapper(self._bytes, encoding, write_through=True)
        self._console = Console(file=file, width=columns, height=25, force_terminal=True, no_color=True, markup=False)

    @property
    def drawn(self) -> list[str]:
        self._bytes.seek(0)
        self._bytes.truncate()
        self._console.print(self.display.drawn(self._console))
        return self._bytes.getvalue().decode().rstrip("\n").splitlines()

    def read_all(self) -> None:
        for number, side in enumerate(SIDES):
            self.display.reading(Progress(side, number * 10, is_over=True))

    def post(self, done: int, of: int, seconds: float) -> None:
        self.display.planned(of)
        for _ in range(done):
            self.display.outcome(OUTCOME)
        self.now += seconds


def test_the_sides_are_named_before_anything_is_known_of_them() -> None:
    assert Watch().drawn == ["reading   Keystone …  Nova …  Heat …  Cinder …  Neutron …  Concertim …  0 s"]


def test_sides_are_under_way_whole_or_with_gaps() -> None:
    watch = Watch()
    watch.now = 3.4
    watch.display.reading(Progress("Keystone", 2, is_over=True))
    watch.display.reading(Progress("Heat", 12, 38))
    watch.display.reading(Progress("Cinder", 7, is_over=True, has_gaps=True))
    assert watch.drawn == [
        "reading   Keystone ✓ 2  Nova …  Heat 12/38…  Cinder ✗ 7  Neutron …  Concertim …",
        "          3 s",
    ]


def test_what_is_over_stays_over_when_a_few_stacks_are_asked_again() -> None:
    watch = Watch()
    watch.read_all()
    watch.display.reading(Progress("Heat", 1, 3))
    assert watch.drawn == [
        "reading   Keystone ✓ 0  Nova ✓ 10  Heat ✓ 20  Cinder ✓ 30  Neutron ✓ 40",
        "          Concertim ✓ 50",
        "comparing 0 s",
    ]


def test_posting_tells_how_much_how_fast_and_how_long() -> None:
    watch = Watch()
    watch.read_all()
    watch.post(61, of=97, seconds=3.4)
    assert watch.drawn == ["posting   ━━━━━━━━━━━━━━━━━━╸             61 / 97  18/s  0:00:02 left"]


@pytest.mark.parametrize(
    ("done", "of", "seconds", "end"),
    [
        (0, 500, 30, "0 / 500"),
        (1, 500, 0.5, "1 / 500"),
        (3, 500, 10, "3 / 500  0.3/s  0:27:37 left"),
        (100, 50_000, 10, "100 / 50000  10/s  1:23:10 left"),
        (5, 5, 2, "5 / 5  2.5/s  0:00:00 left"),
    ],
)
def test_no_guess_before_there_is_something_to_go_by(done: int, of: int, seconds: float, end: str) -> None:
    watch = Watch()
    watch.post(done, of, seconds)
    assert watch.drawn[0].endswith(f"  {end}")


def test_after_ctrl_c_it_says_that_it_comes_to_an_end() -> None:
    watch = Watch()
    watch.post(1, of=3, seconds=0)
    watch.display.finish()
    assert watch.drawn[0].startswith("finishing ━")


def test_racks_that_were_busy_are_read_and_posted_once_more() -> None:
    watch = Watch()
    watch.read_all()
    watch.post(5, of=5, seconds=1)
    watch.display.reading(Progress("Keystone", 2, is_over=True))
    assert watch.drawn[0].startswith("reading   Keystone ✓ 2  Nova …")
    watch.post(1, of=2, seconds=0)
    assert watch.drawn[0].endswith("1 / 2")


def test_nothing_to_post_is_no_division_by_nothing() -> None:
    watch = Watch()
    watch.post(0, of=0, seconds=2)
    assert watch.drawn[0].endswith("0 / 0")


@given(
    columns=st.integers(24, 200),
    counts=st.lists(st.integers(0, 10**6), min_size=len(SIDES), max_size=len(SIDES)),
    total=st.integers(0, 10**5),
    done=st.integers(0, 50),
    seconds=st.floats(0, 10**5),
    encoding=st.sampled_from(["utf-8", "ascii", "latin-1"]),
)
def test_it_fits_every_terminal_and_every_encoding(
    columns: int, counts: list[int], total: int, done: int, seconds: float, encoding: str
) -> None:
    watch = Watch(columns, encoding)
    watch.now = seconds
    for side, count in zip(SIDES, counts, strict=True):
        watch.display.reading(Progress(side, count, count + 1))
        assert max(map(len, watch.drawn)) <= columns
    watch.post(done, total, seconds)
    assert max(map(len, watch.drawn)) <= columns
