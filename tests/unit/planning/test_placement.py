"""Positions of devices: never overlapping, and one call does what repeated calls would."""

from __future__ import annotations

from hypothesis import given, settings
from hypothesis import strategies as st

from cos_update.planning.placement import Item, Placement, place

LIMIT = 72


@st.composite
def tasks(draw: st.DrawFn) -> tuple[int, frozenset[int], list[Item]]:
    """A rack, often nearly full, and the devices to place in it."""
    height = draw(st.integers(1, LIMIT))
    full_up_to = draw(st.integers(0, height))
    holes = draw(st.sets(st.integers(1, height), max_size=6))
    occupied = frozenset(range(1, full_up_to + 1)) - holes
    heights = draw(st.lists(st.integers(1, 4), max_size=12))
    items = [
        Item(f"i{number}", wanted, draw(st.booleans()), draw(st.none() | st.integers(1, height)))
        for number, wanted in enumerate(heights)
    ]
    return height, occupied, items


def units(items: list[Item], placement: Placement) -> list[int]:
    return [
        unit
        for item in items
        if (start := placement.starts.get(item.key))
        for unit in range(start, start + item.height)
    ]


@settings(max_examples=1000)
@given(tasks())
def test_placing_the_rest_again_changes_nothing(task: tuple[int, frozenset[int], list[Item]]) -> None:
    height, occupied, items = task
    placement = place(height, occupied, items)
    rest = [item for item in items if item.key in placement.unplaced]
    again = place(placement.height, occupied.union(units(items, placement)), rest)
    assert (again.height, again.starts, again.free) == (placement.height, {}, placement.free)


@settings(max_examples=300)
@given(tasks())
def test_every_item_is_placed_once_or_left_out_and_none_overlaps(task: tuple[int, frozenset[int], list[Item]]) -> None:
    height, occupied, items = task
    placement = place(height, occupied, items)
    assert sorted([*placement.starts, *placement.unplaced]) == sorted(item.key for item in items)
    taken = units(items, placement)
    assert len(taken) == len(set(taken))
    assert occupied.isdisjoint(taken)
    assert set(taken) <= set(range(1, placement.height + 1))
    assert height <= placement.height <= LIMIT
    assert placement.free == placement.height - len(occupied.union(taken))


def test_a_rack_that_grew_for_small_devices_takes_further_ones_in_the_same_call() -> None:
    items = [Item("a", 4), Item("b", 1), Item("c", 2), Item("d", 2)]
    placement = place(66, range(1, 67), items)
    assert (placement.height, placement.starts, placement.unplaced) == (71, {"b": 67, "c": 68, "d": 70}, ("a",))


def test_a_rack_grows_no_more_than_its_devices_need() -> None:
    assert place(42, range(1, 43), [Item("a", 2)]).height == 44
    assert place(42, range(1, 41), [Item("a", 2)]).height == 42


def test_what_can_stay_where_it_is_does() -> None:
    assert place(42, {1, 2}, [Item("a", 1), Item("b", 2, preferred=10)]).starts == {"a": 3, "b": 10}
