"""Concertim or OpenStack is unreachable for a while: no message is acknowledged meanwhile, and none is lost."""

from __future__ import annotations

import random
from collections.abc import Iterator
from contextlib import contextmanager

import pytest
from deployment import Deploy
from listening import messages
from rabbit import wait_for

from cos_update.fakes import Sandbox
from cos_update.fakes.wire import Fault, FaultKind, Wire

pytestmark = pytest.mark.broker

MB = 1024 * 1024
LOGGED_IN = "^(?!/identity/v3/?$)"
"""All that needs a login, and the login itself; Keystone tells its versions without one."""


@contextmanager
def stopped(side: Sandbox) -> Iterator[None]:
    """The side's port is closed; afterwards it is served on the same one."""
    side.stop()
    yield
    side.start()


@contextmanager
def answering(wire: Wire, code: int, path: str = "") -> Iterator[None]:
    """Every answer is this one."""
    fault = wire.faults.add(Fault(FaultKind.STATUS, code=code, path=path))
    yield
    wire.faults.remove(fault)


OUTAGES = {
    "Concertim is down": lambda d: stopped(d.concertim),
    "OpenStack answers 500": lambda d: answering(d.world.openstack.wire, 500),
    "OpenStack answers 401": lambda d: answering(d.world.openstack.wire, 401, path=LOGGED_IN),
}


@pytest.mark.parametrize("outage", OUTAGES)
def test_messages_wait_with_the_broker_until_both_sides_are_there(deploy: Deploy, outage: str) -> None:
    deployment = deploy(prefetch=500)
    listener = deployment.consume()
    before = listener.resident()
    with OUTAGES[outage](deployment):
        published = deployment.tell(deployment.change(20, random.Random(0)), times=150)
        wait_for(lambda: deployment.heartbeat()["oldest_key_seconds"] > 3, timeout=30, what="keys that wait")
        assert messages(deployment.broker) == published
        assert deployment.ready() == published - 500
        assert listener.resident() - before < 25 * MB
        assert " waits: " in deployment.log()
    deployment.settle()
    assert ") proceed: over after" in deployment.log()
    assert deployment.resync() is None
    deployment.check()
