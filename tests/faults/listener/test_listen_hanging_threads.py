"""Whichever thread of the listener hangs, and wherever: a signal ends it in time, and no change is lost."""

from __future__ import annotations

import random
import signal
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from deployment import Deploy, Deployment
from listening import Listener, drain
from rabbit import wait_for

pytestmark = pytest.mark.broker

HANGING = Path(__file__).parents[1] / "hanging.py"
TIMEOUT = 2.0
"""The shutdown timeout of these tests, in seconds."""
MARGIN = 6.0
"""Seconds for a busy machine."""
AT_START = [("MainThread:_aside", 1), ("learner", 3), ("object", 1), ("openstack-call", 6), ("heartbeat", 3)]
AT_WORK = [
    ("broker:_on_delivery", 3),
    ("broker:_send_acks", 6),
    ("worker-0:_attempt", 1),
    ("worker:_settle", 1),
    ("object", 40),
    ("rack:attempt", 1),
    ("rack:record", 1),
    ("keeper", 6),
    ("watchdog", 3),
]


@pytest.fixture
def deployment(deploy: Deploy) -> Deployment:
    return deploy(shutdown_timeout=TIMEOUT)


@pytest.fixture
def listeners() -> Iterator[list[Listener]]:
    started: list[Listener] = []
    yield started
    for listener in started:
        listener.kill()


def begin(deployment: Deployment, started: list[Listener], name: str, calls: int, *arguments: str) -> Listener:
    mark = deployment.world.folder / "hangs"
    program = (str(HANGING), name, str(calls), str(mark))
    started.append(Listener(deployment.world, *arguments, program=program))
    wait_for(lambda: mark.exists() or started[-1].process.poll() is not None, timeout=30, what="the thread that hangs")
    assert mark.exists(), started[-1].said()
    return started[-1]


def end(listener: Listener, number: signal.Signals) -> int:
    began = time.monotonic()
    code = listener.end(number)
    assert time.monotonic() - began < TIMEOUT + MARGIN
    return code


@pytest.mark.parametrize(("name", "calls"), AT_START)
def test_at_its_start(deployment: Deployment, listeners: list[Listener], name: str, calls: int) -> None:
    number = signal.SIGINT if calls % 2 else signal.SIGTERM
    assert end(begin(deployment, listeners, name, calls), number) in (0, 70)


@pytest.mark.parametrize(("name", "calls"), AT_WORK)
def test_at_its_work(deployment: Deployment, listeners: list[Listener], name: str, calls: int) -> None:
    number = signal.SIGINT if calls % 2 else signal.SIGTERM
    drain(deployment.world)
    deployment.tell(deployment.change(12, random.Random(name)))
    listener = begin(deployment, listeners, name, calls)
    assert end(listener, number) in (0, 70)
    drain(deployment.world)
    deployment.check()


@pytest.mark.parametrize(("name", "calls"), [("MainThread:_aside", 1), ("learner", 3), ("object", 1), ("rack", 9)])
def test_a_drain_that_hangs_is_not_done(
    deployment: Deployment, listeners: list[Listener], name: str, calls: int
) -> None:
    drain(deployment.world)
    deployment.tell(deployment.change(12, random.Random(name)))
    assert end(begin(deployment, listeners, name, calls, "--drain"), signal.SIGTERM) in (3, 70, 143)
    drain(deployment.world)
    deployment.check()
