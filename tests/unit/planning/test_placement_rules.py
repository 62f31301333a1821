"""Positions of devices in a rack, given its height, occupied units, and the devices to place."""

from __future__ import annotations

from collections.abc import Mapping

import pytest

from cos_update.planning.placement import Item, place


def items(text: str) -> list[Item]:
    """`a1` needs one unit from the bottom, `a1^` from the top, `a1@5` prefers unit 5."""
    found = []
    for word in text.split():
        size, _, preferred = word.rstrip("^")[1:].partition("@")
        found.append(Item(word[0], int(size), word.endswith("^"), int(preferred) if preferred else None))
    return found


@pytest.mark.parametrize(
    ("height", "occupied", "wanted", "starts"),
    [
        pytest.param(10, (), "a1 b2 c1", {"a": 1, "b": 2, "c": 4}, id="from the bottom, in the order given"),
        pytest.param(10, (), "n1^ m1^", {"n": 10, "m": 9}, id="networks from the top"),
        pytest.param(10, (), "n2^", {"n": 9}, id="a tall one from the top ends at the top"),
        pytest.param(10, (1, 2, 5), "a1 b1 c1", {"a": 3, "b": 4, "c": 6}, id="never over an occupied unit"),
        pytest.param(10, (2,), "a2 b1", {"a": 3, "b": 1}, id="a tall one never covers its neighbor; gaps are filled"),
        pytest.param(10, (10,), "n1^", {"n": 9}, id="an occupied top is passed over"),
        pytest.param(10, (), "a1 b2@5", {"a": 1, "b": 5}, id="one that stood somewhere stays there"),
        pytest.param(10, (), "a4 b1@2", {"a": 3, "b": 2}, id="those that keep their place come first"),
        pytest.param(10, (6,), "b2@5", {"b": 1}, id="a place that is too small is left for the first that fits"),
        pytest.param(10, (), "b2@10", {"b": 1}, id="a place that the top cuts is left"),
        pytest.param(10, (), "b2@0", {"b": 1}, id="a place below the rack is left"),
    ],
)
def test_where_each_device_stands(
    height: int, occupied: tuple[int, ...], wanted: str, starts: Mapping[str, int]
) -> None:
    placement = place(height, occupied, items(wanted))
    assert (placement.starts, placement.height, placement.unplaced) == (starts, height, ())


@pytest.mark.parametrize(
    ("height", "occupied", "wanted", "grown", "unplaced", "free"),
    [
        pytest.param(3, (), "a3", 3, "", 0, id="just large enough: it stays"),
        pytest.param(3, (), "a3 b2", 5, "", 0, id="too small: it grows to what is needed"),
        pytest.param(3, (2,), "a2", 4, "", 1, id="too broken up: it grows, and the gap stays free"),
        pytest.param(70, range(1, 71), "a1 b1 c1", 72, "c", 0, id="to the limit and no further; the rest is left out"),
        pytest.param(72, range(1, 73), "a1", 72, "a", 0, id="at the limit it does not grow"),
        pytest.param(80, range(1, 81), "a1", 80, "a", 0, id="beyond the limit it does not shrink"),
        pytest.param(42, range(1, 43), "a40", 42, "a", 0, id="what would not fit either way does not make it grow"),
    ],
)
def test_a_rack_grows_only_when_that_places_more(
    height: int, occupied: range, wanted: str, grown: int, unplaced: str, free: int
) -> None:
    placement = place(height, occupied, items(wanted))
    assert (placement.height, "".join(placement.unplaced), placement.free) == (grown, unplaced, free)
