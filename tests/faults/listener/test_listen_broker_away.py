"""The broker is killed, wiped, cut off, or deletes our queue: what survives is processed, a loss causes a resync."""

from __future__ import annotations

import random

import pytest
from bus import Bus
from deployment import Deploy, Deployment
from listening import QUEUE
from rabbit import Proxy, RabbitNode, wait_for

pytestmark = pytest.mark.broker


def under_way(deployment: Deployment, seed: int) -> None:
    """Changes and their events, some of which are already processed."""
    deployment.world.concertim.wire.latency = 0.05
    chance = random.Random(seed)
    deployment.tell(deployment.change(30, chance), times=10, chance=chance)
    wait_for(deployment.world.writes, what="the first change")


def still_follows(deployment: Deployment) -> None:
    """What changes from now on is brought over as ever."""
    deployment.world.concertim.wire.latency = 0.0
    deployment.tell(deployment.change(5, random.Random(99)))
    deployment.settle()
    deployment.check()


def test_a_broker_that_is_killed_loses_nothing_that_it_has_confirmed(deploy: Deploy, broker: RabbitNode) -> None:
    """The services reconnect before us, so that only their lost exchanges show it."""
    with Proxy(broker.port) as proxy:
        deployment = deploy(rmq_port=proxy.port)
        deployment.consume()
        under_way(deployment, 1)
        proxy.accepting = False
        broker.kill()
        broker.start()
        broker.lose_exchanges(f"{QUEUE}.witness")
        deployment.bus = Bus(broker)
        proxy.accepting = True
        deployment.settle()
        wait_for(deployment.resync, what="the request for a resync")
        assert "lost its exchanges" in deployment.log()
        still_follows(deployment)


def test_a_wiped_broker_whose_services_return_after_us_costs_one_pass(deployment: Deployment) -> None:
    deployment.consume(impatient=True)
    under_way(deployment, 2)
    deployment.broker.restart(wiped=True)
    wait_for(lambda: "was gone" in deployment.log(), timeout=60, what="the request for a resync")
    deployment.forget_resync()
    deployment.change(10, random.Random(3))
    deployment.bus = Bus(deployment.broker)
    wait_for(deployment.resync, timeout=45, what="the request for a resync as the exchanges are back")
    deployment.world.bulk()
    still_follows(deployment)


def test_a_deleted_queue_costs_one_pass(deployment: Deployment) -> None:
    deployment.consume()
    under_way(deployment, 4)
    with deployment.broker.channel() as channel:
        channel.queue_delete(QUEUE)
    wait_for(deployment.resync, what="the request for a resync")
    deployment.world.bulk()
    still_follows(deployment)


def test_a_queue_that_overflows_costs_one_pass(deploy: Deploy) -> None:
    deployment = deploy(prefetch=50, max_length=200)
    deployment.consume(impatient=True)
    deployment.concertim.stop()
    chance = random.Random(5)
    deployment.tell(deployment.change(30, chance), times=20, chance=chance)
    assert deployment.ready() == 200
    wait_for(deployment.resync, timeout=30, what="the request for a resync")
    deployment.concertim.start()
    deployment.world.bulk()
    deployment.wait_acked()
    still_follows(deployment)


def test_connections_that_break_in_the_middle_of_messages_lose_nothing(deploy: Deploy, broker: RabbitNode) -> None:
    with Proxy(broker.port) as proxy:
        deployment = deploy(rmq_port=proxy.port, prefetch=300)
        deployment.consume()
        deployment.world.concertim.wire.latency = 0.05
        chance = random.Random(6)
        changed = deployment.change(40, chance)
        for _ in range(3):
            connections = proxy.connections
            proxy.cut_after(chance.randrange(1_000, 200_000))
            deployment.tell(changed, times=3, chance=chance)
            wait_for(lambda known=connections: proxy.connections > known, timeout=30, what="the next connection")
        deployment.settle()
        deployment.check()


@pytest.mark.parametrize("policy", ['{"message-ttl": 50}', '{"max-length": 3}'])
def test_messages_that_an_operators_policy_dropped_cost_one_pass(
    deploy: Deploy, broker: RabbitNode, policy: str
) -> None:
    broker.ctl("set_policy", "operator", f"^{QUEUE}$", policy, "--apply-to", "queues")
    with Proxy(broker.port) as proxy:
        deployment = deploy(rmq_port=proxy.port)
        deployment.consume(impatient=True)
        chance = random.Random(7)
        for _ in range(3):
            connections = proxy.connections
            proxy.cut()
            wait_for(lambda known=connections: proxy.connections > known, what="the next connection")
        proxy.accepting = False
        proxy.cut()
        sent = deployment.tell(deployment.change(10, chance))
        wait_for(lambda: deployment.ready() < sent, what="the loss")
        proxy.accepting = True
        wait_for(deployment.resync, timeout=60, what="the request for a resync")
        assert deployment.log().count("requesting a resync: the connection was lost") == 1
        deployment.world.bulk()
        deployment.wait_acked()
        broker.ctl("clear_policy", "operator")
        still_follows(deployment)
