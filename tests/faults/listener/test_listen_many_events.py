"""Thousands of events about hundreds of servers, shuffled and repeated; `EVENTS=10000 SERVERS=500` for more."""

from __future__ import annotations

import os
import random
import signal
import time

import pytest
from deployment import Deploy, Deployment
from listening import messages

pytestmark = pytest.mark.broker

EVENTS = int(os.environ.get("EVENTS", "2000"))
SERVERS = int(os.environ.get("SERVERS", "100"))


def notified(deployment: Deployment, lost: float = 0.0) -> tuple[int, int]:
    """Changes every second server in two steps, with so many events about them all in all.

    Returns how many are to be shown otherwise than before, and how many changes there were.
    """
    chance = random.Random(0)
    before = {server.id: server.vm_state for server in deployment.servers}
    changed = deployment.change(SERVERS // 2, chance)
    events = deployment.events(changed, EVENTS // len(changed))
    chance.shuffle(events)
    half = len(events) // 2
    deployment.bus.publish_all(event for event in events[:half] if chance.random() >= lost)
    for server in changed[::2]:
        deployment.cloud.set_server_state(server, "error" if server.vm_state != "error" else "active")
    deployment.bus.publish_all(event for event in events[half:] if chance.random() >= lost)
    return sum(server.vm_state != before[server.id] for server in changed), len(changed) + len(changed[::2])


def figures(deployment: Deployment, seconds: float) -> tuple[int, int, int]:
    """Writes, reads of Nova, and all requests to OpenStack, which are also printed for manual runs."""
    asked = [request for request in deployment.world.openstack.wire.requests if request.service != "keystone"]
    reads = [request for request in asked if request.service == "nova"]
    writes = len(deployment.world.writes())
    print(f"{EVENTS} events, {SERVERS} servers: {seconds:.1f} s, {writes} writes, {len(reads)}/{len(asked)} reads")
    return writes, len(reads), len(asked)


def test_many_events_cost_a_write_a_change_and_few_reads(deploy: Deploy) -> None:
    deployment = deploy(SERVERS)
    listener = deployment.consume()
    began = time.monotonic()
    # All are there before any is looked at, however busy the machine that publishes them is.
    listener.process.send_signal(signal.SIGSTOP)
    least, most = notified(deployment)
    listener.process.send_signal(signal.SIGCONT)
    deployment.settle(300)
    writes, _, asked = figures(deployment, time.monotonic() - began)
    assert least <= writes <= most
    assert asked < EVENTS / 10
    assert listener.end() == 0
    assert messages(deployment.broker) == 0
    deployment.check()


def test_what_lost_events_were_about_is_right_after_one_pass(deploy: Deploy) -> None:
    deployment = deploy(SERVERS)
    listener = deployment.consume()
    notified(deployment, lost=0.05)
    deployment.change(SERVERS // 20, random.Random(1))
    deployment.wait_acked(300)
    assert listener.end() == 0
    deployment.world.bulk()
    deployment.check()
