"""A persistent failure is logged once, then counted, and its end is logged."""

from __future__ import annotations

import logging

import pytest

from cos_update.observability.repeats import RepeatSuppressor


class Clock:
    def __init__(self) -> None:
        self.now = 1_795_399_544.0  # 2026-11-23 02:05:44 UTC

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def repeats(clock: Clock, caplog: pytest.LogCaptureFixture) -> RepeatSuppressor:
    caplog.set_level(logging.INFO)
    return RepeatSuppressor(logging.getLogger("test"), clock)


def test_it_is_reported_once_and_then_at_growing_intervals(
    repeats: RepeatSuppressor, clock: Clock, caplog: pytest.LogCaptureFixture
) -> None:
    logged = []
    for turn in range(300):
        caplog.clear()
        repeats.failed("cinder", "Cinder could not be read (503)")
        logged += [(turn, message) for message in caplog.messages]
        clock.now += 60
    assert [turn for turn, _ in logged] == [0, 10, 30, 70, 130, 190, 250]
    assert logged[0][1] == "Cinder could not be read (503)"
    assert logged[1][1] == "Cinder could not be read (503) (still so, 11 times since 02:05)"


def test_another_day_is_named(repeats: RepeatSuppressor, clock: Clock, caplog: pytest.LogCaptureFixture) -> None:
    repeats.failed("a", "x")
    clock.now += 86_400
    repeats.failed("a", "x")
    assert caplog.messages[-1] == "x (still so, 2 times since 2026-11-23 02:05)"


def test_its_end_is_reported_with_how_often_it_was(repeats: RepeatSuppressor, caplog: pytest.LogCaptureFixture) -> None:
    for _ in range(3):
        repeats.failed("a", "x")
    repeats.over("a", "Cinder could not be read")
    assert caplog.messages[1:] == ["Cinder could not be read: over after 3 times"]
    caplog.clear()
    repeats.over("a", "Cinder could not be read")
    assert caplog.messages == []
    repeats.failed("a", "x")
    assert caplog.messages == ["x"]


def test_what_is_new_about_it_is_reported_at_once(repeats: RepeatSuppressor, caplog: pytest.LogCaptureFixture) -> None:
    for message in ("503 after 4 tries", "500 after 4 tries", "503 after 4 tries", "500 after 4 tries"):
        repeats.failed("cinder", message)
    assert caplog.messages == ["503 after 4 tries", "500 after 4 tries"]
    repeats.over("cinder", "Cinder")
    assert caplog.messages[-1] == "Cinder: over after 4 times"


def test_other_ids_and_seconds_are_nothing_new(repeats: RepeatSuppressor, caplog: pytest.LogCaptureFixture) -> None:
    repeats.failed("a", "late by 3.1 s (req-7f3a1111-2222-4333-8444-555555555555)")
    repeats.failed("a", "late by 14.0 s (req-aaaa1111-bbbb-4ccc-8ddd-eeeeeeeeeeee)")
    assert len(caplog.messages) == 1


def test_every_time_is_in_the_log_of_those_who_want_everything(
    repeats: RepeatSuppressor, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG)
    repeats.failed("a", "x")
    repeats.failed("a", "x")
    assert [(r.levelname, r.message) for r in caplog.records] == [("WARNING", "x"), ("DEBUG", "x (still so)")]


def test_failures_do_not_hide_each_other(repeats: RepeatSuppressor, caplog: pytest.LogCaptureFixture) -> None:
    repeats.failed("a", "x")
    repeats.failed("b", "y")
    assert caplog.messages == ["x", "y"]


def test_their_number_is_bounded(repeats: RepeatSuppressor, caplog: pytest.LogCaptureFixture) -> None:
    for number in range(RepeatSuppressor.MOST + 1):
        repeats.failed(str(number), "x")
    caplog.clear()
    repeats.failed(str(RepeatSuppressor.MOST), "x")
    assert caplog.messages == []
    repeats.failed("0", "x")
    assert caplog.messages == ["x"]
