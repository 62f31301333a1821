"""Which problems of a pass are logged, which are only counted, and when they are over."""

from __future__ import annotations

import logging

import pytest

from cos_update.model.concertim import OBJECT_ID, Device, InstanceDetails, Location
from cos_update.model.errors import CosUpdateError
from cos_update.model.kinds import ResourceKind
from cos_update.observability.observer import Observer, ObserverGroup
from cos_update.observability.run_log import RunLog
from cos_update.planning.outcome import Outcome, Result
from cos_update.planning.plan import SERVICE, Action, Notice, NoticeKind, Verb
from cos_update.planning.report import Report

GAP = Notice(NoticeKind.UNREAD, SERVICE, "Cinder", "p1", "could not be read (503)")
UNPLACED = Notice(NoticeKind.UNPLACED, ResourceKind.SERVER.label, "big", "s1", "needs 4U, 2U free")
NODE = Device(
    "", "node", ResourceKind.SERVER, "r", "t", "ACTIVE", Location(1, 1), InstanceDetails(), metadata={OBJECT_ID: "s2"}
)


def outcome(result: Result, reason: str = "") -> Outcome:
    return Outcome(Action(Verb.CREATE, NODE), result, reason)


def one_pass(log: RunLog, *notices: Notice, outcomes: tuple[Outcome, ...] = (), stopped: str = "") -> None:
    log.pass_begins()
    for item in outcomes:
        log.outcome(item)
    log.pass_ends(Report(outcomes, notices, held=0, in_step=0, seconds=0.1, stopped=stopped))


@pytest.fixture
def logged(caplog: pytest.LogCaptureFixture) -> pytest.LogCaptureFixture:
    caplog.set_level(logging.WARNING)
    return caplog


def test_a_notice_is_reported_once_until_it_is_over(logged: pytest.LogCaptureFixture) -> None:
    log = RunLog()
    for _ in range(3):
        one_pass(log, UNPLACED)
    one_pass(log)
    one_pass(log, UNPLACED)
    text = "instance big: needs 4U, 2U free"
    assert logged.messages == [text, f"{text}: over after 3 times", text]


def test_nothing_is_over_while_something_could_not_be_read(logged: pytest.LogCaptureFixture) -> None:
    log = RunLog()
    one_pass(log, UNPLACED, GAP)
    logged.clear()
    one_pass(log, GAP)
    assert logged.messages == []
    one_pass(log)
    assert len(logged.messages) == 2


def test_a_gap_is_over_although_there_is_another(logged: pytest.LogCaptureFixture) -> None:
    log = RunLog()
    other = Notice(NoticeKind.UNREAD, SERVICE, "Nova", "p1", "could not be read (503)")
    one_pass(log, GAP, other)
    logged.clear()
    one_pass(log, other)
    assert logged.messages == ["service Cinder: could not be read (503): over after once"]


def test_nothing_is_over_because_a_pass_was_stopped(logged: pytest.LogCaptureFixture) -> None:
    log = RunLog()
    one_pass(log, UNPLACED)
    logged.clear()
    one_pass(log, stopped="told to stop")
    assert logged.messages == []


def test_a_refusal_is_over_when_it_was_done(logged: pytest.LogCaptureFixture) -> None:
    log = RunLog()
    for _ in range(2):
        one_pass(log, outcomes=(outcome(Result.REFUSED, "start_u is occupied"),))
    one_pass(log, outcomes=(outcome(Result.DONE),))
    assert len(logged.messages) == 2
    assert "start_u is occupied" in logged.messages[0]
    assert logged.messages[1] == "instance node not created: over after 2 times"


def test_what_was_not_tried_is_neither_said_nor_over(logged: pytest.LogCaptureFixture) -> None:
    log = RunLog()
    one_pass(log, outcomes=(outcome(Result.REFUSED, "start_u is occupied"),))
    logged.clear()
    one_pass(log, outcomes=(outcome(Result.SKIPPED, "no rack"),))
    assert logged.messages == []


def test_a_failed_pass_ends_no_trouble(logged: pytest.LogCaptureFixture) -> None:
    log = RunLog()
    one_pass(log, UNPLACED)
    for _ in range(3):
        log.pass_begins()
        log.pass_failed(CosUpdateError("no Keystone.", "Look."))
    one_pass(log, UNPLACED)
    assert logged.messages[1:] == ["pass failed: no Keystone. Look.", "passes that failed: over after 3 times"]


def test_a_watcher_that_fails_stops_neither_the_others_nor_the_work(logged: pytest.LogCaptureFixture) -> None:
    class Broken(Observer):
        def outcome(self, outcome: Outcome) -> None:
            raise RuntimeError("a bug")

    ObserverGroup(Broken(), RunLog()).outcome(outcome(Result.REFUSED, "no"))
    assert "Broken failed to handle" in logged.messages[0]
    assert "not created (refused) node: no" in logged.messages[1]
