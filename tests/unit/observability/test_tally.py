"""Of many events of one kind the first is logged in full, and the others are counted."""

from __future__ import annotations

import logging

import pytest

from cos_update.observability.tally import Tally

log = logging.getLogger("cos_update.test")


class Clock:
    now = 1000.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def tally(clock: Clock) -> Tally:
    return Tally(log, "messages", clock)


def logged(caplog: pytest.LogCaptureFixture) -> list[str]:
    found = [record.getMessage() for record in caplog.records if record.levelno >= logging.WARNING]
    caplog.clear()
    return found


def test_the_first_of_each_kind_and_then_counts(tally: Tally, clock: Clock, caplog: pytest.LogCaptureFixture) -> None:
    for number in range(5000):
        tally.note("no JSON" if number % 2 else "no type", "message %d is bad", number)
        tally.report()
    assert logged(caplog) == ["message 0 is bad", "message 1 is bad"]
    clock.now += Tally.FIRST_PAUSE
    tally.report()
    assert logged(caplog) == ["4998 more messages: 2499 of them: no type; 2499 of them: no JSON"]
    tally.report()
    assert logged(caplog) == []


def test_what_goes_on_is_told_less_and_less_often_and_what_comes_back_soon(
    tally: Tally, clock: Clock, caplog: pytest.LogCaptureFixture
) -> None:
    for _ in range(24 * 3600):
        tally.note("no JSON", "bad")
        clock.now += 1
        tally.report()
    assert 20 < len(logged(caplog)) < 40
    for _ in range(2):
        clock.now += Tally.LONGEST_PAUSE
        tally.report()
    caplog.clear()
    tally.note("no JSON", "bad")
    clock.now += Tally.FIRST_PAUSE
    tally.report()
    assert logged(caplog) == ["1 more messages: 1 of them: no JSON"]


def test_kinds_without_number_are_told_apart_up_to_a_bound(tally: Tally, caplog: pytest.LogCaptureFixture) -> None:
    for number in range(500):
        tally.note(f"kind {number}", "kind %d", number)
    assert len(logged(caplog)) == Tally.MOST + 1
    tally.report(at_once=True)
    assert logged(caplog) == [f"{500 - Tally.MOST - 1} more messages: {500 - Tally.MOST - 1} of them: others"]


def test_what_is_over_is_told_at_the_end(tally: Tally, caplog: pytest.LogCaptureFixture) -> None:
    tally.note("no JSON", "bad")
    tally.report(at_once=True)
    tally.note("no JSON", "bad")
    tally.report(at_once=True)
    assert logged(caplog) == ["bad", "1 more messages: 1 of them: no JSON"]
