"""The listener's status in its heartbeat, and its figures in the metrics."""

from __future__ import annotations

import json

import pytest

from cos_update.listener.broker_status import BrokerStatus
from cos_update.listener.status import ListenerStatus
from cos_update.listener.watchdog import Check
from cos_update.listener.workqueue import QueueStats
from cos_update.observability.metrics import FIGURES

CONNECTED = BrokerStatus("cos-update", host="rmq-1:5672", connected_since=0.0, depth=7, unacked=3, reconnects=1)


class Clock:
    now = 0.0

    def __call__(self) -> float:
        return self.now


def status_of(status: BrokerStatus, *checks: Check) -> ListenerStatus:
    return ListenerStatus(lambda: status, lambda: QueueStats(2, 1, 4, 9.0), lambda: 5, checks or (idle_check(0.0),))


def idle_check(idle: float, stuck_after: float = 100.0) -> Check:
    """One that saw no movement for `idle` seconds."""
    clock = Clock()
    check = Check("worker", lambda: True, stuck_after, clock)
    while clock.now < idle:
        clock.now = min(idle, clock.now + stuck_after / 4)
        check.look()
    return check


def test_it_says_where_it_consumes_and_what_is_to_do() -> None:
    text = status_of(CONNECTED).collect().text
    assert text == "consuming cos-update of rmq-1:5672 since 1970-01-01T00:00:00Z; 3 keys to do, 4 waiting"


def test_without_a_connection_it_says_why_and_is_not_stuck() -> None:
    status = status_of(BrokerStatus("cos-update", error="rmq-1:5672: connection refused")).collect()
    assert "no connection: rmq-1:5672: connection refused" in status.text
    assert status.idle == 0.0


def test_it_is_as_idle_as_the_worst_check() -> None:
    status = status_of(CONNECTED, idle_check(50.0, stuck_after=1000.0), idle_check(30.0, stuck_after=60.0)).collect()
    assert (status.idle, status.stuck_after) == (30.0, 60.0)


def test_events_and_effects_are_told_with_their_time() -> None:
    status = status_of(CONNECTED)
    assert status.collect().details["last_effect"] is None
    status.event("compute.instance.update", keys=1)
    status.effect(lag=0.1)
    found = status.collect()
    assert found.details["last_event"]
    assert found.details["last_effect"]
    assert "last effect at" in found.text
    json.dumps(dict(found.details))


@pytest.mark.parametrize("depth", [None, 7])
def test_its_figures_are_those_that_metrics_know(depth: int | None) -> None:
    figures = status_of(BrokerStatus("cos-update", depth=depth)).figures()
    missing = {"queue_messages"} if depth is None else set()
    of_several_machines = {"leases", "takeovers", "fenced"}
    assert set(figures) == FIGURES.keys() - missing - of_several_machines
