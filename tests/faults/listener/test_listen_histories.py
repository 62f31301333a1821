"""Whatever happens in the cloud and to the listener: once it is idle, Concertim matches the cloud.

Each history is made by its seed; `HISTORIES=50` runs as many, `HISTORY=7` that one alone.
"""

from __future__ import annotations

import os
import random
import time

import pytest
from deployment import Deploy
from history import History
from listening import drain, messages

pytestmark = pytest.mark.broker

SEEDS = [int(os.environ["HISTORY"])] if "HISTORY" in os.environ else range(int(os.environ.get("HISTORIES", "2")))


@pytest.mark.parametrize("seed", SEEDS)
def test_a_listener_alone_ends_right_after_any_history_and_kills(deploy: Deploy, seed: int) -> None:
    deployment = deploy(24, max_deletes=100)
    chance = random.Random(seed)
    history = History(deployment.cloud, chance)
    for side in (deployment.world.openstack, deployment.world.concertim):
        side.wire.latency = 0.01
    drain(deployment.world)
    for _ in range(3):
        listener = deployment.listen()
        for _ in range(chance.randrange(10, 30)):
            sent = history.step()
            again = chance.sample(sent, chance.randrange(2))
            deployment.bus.publish_all([*sent, *again])
            time.sleep(chance.random() * 0.08)
        time.sleep(chance.random() * 0.5)
        if chance.random() < 0.7:
            listener.kill()
        else:
            assert listener.end() == 0
    drain(deployment.world)
    assert messages(deployment.broker) == 0
    deployment.check()
