"""Bursts of messages: what was processed in one waits for its end."""

from __future__ import annotations

import pytest

from cos_update.listener.bursts import LONGEST, POURING, WINDOW, Bursts


class Clock:
    """A clock that is moved by hand."""

    def __init__(self) -> None:
        self.now = 100.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def bursts(clock: Clock) -> Bursts[str]:
    return Bursts(clock)


def pour(bursts: Bursts[str], clock: Clock, seconds: float = WINDOW) -> None:
    for _ in range(round(2 * POURING * seconds / WINDOW)):
        clock.now += WINDOW / (2 * POURING)
        bursts.count()


def test_a_unit_is_processed_at_once_and_again_when_the_burst_is_over(bursts: Bursts[str], clock: Clock) -> None:
    pour(bursts, clock)
    assert not bursts.holds("a")
    bursts.begin(["a"])
    pour(bursts, clock)
    assert bursts.holds("a")
    assert not bursts.holds("b")
    clock.now += 2 * WINDOW
    assert not bursts.holds("a")


def test_nothing_waits_between_single_messages(bursts: Bursts[str], clock: Clock) -> None:
    for _ in range(5 * POURING):
        clock.now += WINDOW / (POURING / 2)
        bursts.count()
        assert not bursts.holds("a")
        bursts.begin(["a"])


def test_what_was_processed_before_a_burst_does_not_wait_for_it(bursts: Bursts[str], clock: Clock) -> None:
    bursts.count()
    bursts.begin(["a"])
    pour(bursts, clock)
    assert not bursts.holds("a")
    bursts.begin(["a"])
    clock.now += 2 * WINDOW
    pour(bursts, clock)
    assert not bursts.holds("a")


def test_messages_that_never_end_hold_no_unit_for_ever(bursts: Bursts[str], clock: Clock) -> None:
    pour(bursts, clock)
    bursts.begin(["a"])
    pour(bursts, clock, LONGEST)
    assert not bursts.holds("a")
    bursts.begin(["a"])
    assert bursts.holds("a")
