"""How many shards each machine should hold."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cos_update.coordination.shares import quota, surplus


@pytest.mark.parametrize(
    ("held", "shards", "quotas"),
    [
        ({"a": 0}, 1, {"a": 1}),
        ({"a": 0, "b": 0}, 1, {"a": 1, "b": 0}),
        ({"a": 0, "b": 1}, 1, {"a": 0, "b": 1}),  # nothing moves because somebody with an earlier name joins
        ({"a": 6, "b": 0}, 6, {"a": 3, "b": 3}),
        ({"a": 2, "b": 2, "c": 2, "d": 0}, 6, {"a": 2, "b": 2, "c": 1, "d": 1}),
        ({"a": 0, "b": 0, "c": 0}, 2, {"a": 1, "b": 1, "c": 0}),
        ({"a": 3, "b": 1, "c": 0}, 4, {"a": 2, "b": 1, "c": 1}),
    ],
)
def test_shares_are_fair_and_no_lease_moves_without_need(
    held: dict[str, int], shards: int, quotas: dict[str, int]
) -> None:
    assert {site: quota(held, site, shards) for site in held} == quotas


@given(st.dictionaries(st.sampled_from("abcdef"), st.integers(0, 9), min_size=1), st.integers(1, 20))
def test_whatever_is_held_the_quotas_add_up_and_differ_by_one_at_most(held: dict[str, int], shards: int) -> None:
    quotas = [quota(held, site, shards) for site in held]
    assert sum(quotas) == shards
    assert max(quotas) - min(quotas) <= 1


def test_a_site_that_takes_no_part_should_hold_nothing() -> None:
    assert quota({"a": 1}, "b", 6) == 0


def test_what_a_site_gives_up_is_what_it_holds_too_many() -> None:
    assert surplus({0, 2, 5}, 1) == {2, 5}
    assert surplus({0}, 3) == set()
