"""A listener is stopped, killed or stalled during its work: the next one continues, and nothing is lost."""

from __future__ import annotations

import os
import random
import signal
import time

import pytest
from deployment import Deploy, Deployment
from listening import drain, messages
from rabbit import wait_for

from cos_update.fakes.openstack.records import Server
from cos_update.fakes.wire import Fault, FaultKind
from cos_update.model.exit_codes import ExitCode

pytestmark = pytest.mark.broker

KILLS = int(os.environ.get("KILLS", "2"))
TIMEOUT = 5.0
"""Seconds given for the shutdown, long before what hangs would give up by itself."""


def slow(deployment: Deployment, seconds: float) -> None:
    """Every answer of either side takes so long."""
    for side in (deployment.world.openstack, deployment.world.concertim):
        side.wire.latency = seconds


def test_sigterm_under_load_ends_in_time_and_the_next_listener_goes_on(deploy: Deploy) -> None:
    deployment = deploy(100, shutdown_timeout=TIMEOUT)
    slow(deployment, 0.2)
    listener = deployment.consume()
    chance = random.Random(0)
    # Held until all is published, or a quick listener would be done before the signal.
    listener.process.send_signal(signal.SIGSTOP)
    published = deployment.tell(deployment.change(80, chance), times=40, chance=chance)
    listener.process.send_signal(signal.SIGCONT)
    wait_for(lambda: len(deployment.world.writes()) > 5, what="the work")
    assert listener.end(timeout=30) == 0
    assert 0 < deployment.ready() <= published
    slow(deployment, 0.0)
    drain(deployment.world)
    deployment.check()


def test_sigterm_ends_a_listener_whose_requests_hang(deploy: Deploy) -> None:
    deployment = deploy(shutdown_timeout=TIMEOUT)
    faults = deployment.world.concertim.wire.faults
    listener = deployment.consume()
    hang = faults.add(Fault(FaultKind.HANG))
    published = deployment.tell(deployment.change(10, random.Random(1)))
    wait_for(lambda: faults.struck(hang) > 0, what="the request that hangs")
    assert listener.end(timeout=30) == 0
    assert deployment.ready() == published
    faults.clear()
    drain(deployment.world)
    deployment.check()


def test_sigterm_ends_a_listener_that_cannot_begin_yet(deploy: Deploy) -> None:
    deployment = deploy(shutdown_timeout=TIMEOUT)
    faults = deployment.world.openstack.wire.faults
    hang = faults.add(Fault(FaultKind.HANG))
    listener = deployment.listen()
    wait_for(lambda: faults.struck(hang) > 0, what="the request that hangs")
    assert listener.end(timeout=30) == 0


@pytest.mark.parametrize("seed", range(KILLS))
def test_a_listener_that_is_killed_again_and_again_ends_right(deployment: Deployment, seed: int) -> None:
    """States go to and fro, so that what was posted without a word to anybody can be what is to be undone."""
    chance = random.Random(seed)
    slow(deployment, 0.03)
    for _ in range(4):
        listener = deployment.listen().consuming(deployment.broker)
        deployment.tell(toggled(deployment, chance), times=3, chance=chance)
        time.sleep(chance.uniform(0.0, 1.0))
        listener.kill()
        deployment.tell(toggled(deployment, chance), times=2, chance=chance)
    slow(deployment, 0.0)
    drain(deployment.world)
    assert messages(deployment.broker) == 0
    deployment.check()


def toggled(deployment: Deployment, chance: random.Random) -> list[Server]:
    """Some servers that have gone from active to stopped, or back."""
    servers = chance.sample(deployment.servers, 25)
    for server in servers:
        deployment.cloud.set_server_state(server, "active" if server.vm_state != "active" else "stopped")
    return servers


def test_a_listener_whose_workers_hang_ends_itself_and_the_next_one_goes_on(deployment: Deployment) -> None:
    listener = deployment.consume(impatient=True)
    deployment.world.concertim.wire.faults.add(Fault(FaultKind.HANG))
    published = deployment.tell(deployment.change(10, random.Random(2)), times=5)
    assert listener.process.wait(60) == ExitCode.STALLED
    assert "work is due, but nothing has moved" in deployment.log()
    assert deployment.ready() == published
    deployment.world.concertim.wire.faults.clear()
    drain(deployment.world)
    deployment.check()
