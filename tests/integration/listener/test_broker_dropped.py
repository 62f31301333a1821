"""Messages that a broker dropped while we were away leave no trace: a loss is reported after the reconnect, once."""

from __future__ import annotations

import contextlib

import pika.exceptions
import pytest
from rabbit import Proxy, wait_for

pytestmark = [pytest.mark.broker, pytest.mark.parametrize("queue_type", ["classic", "quorum"])]

LOST = "the connection was lost"
STARTED = "the listener started"
NUMBERS = [b"%d" % number for number in range(6)]


@pytest.fixture
def proxy(broker):
    with Proxy(broker.port) as proxy:
        yield proxy


@pytest.fixture
def away(services, listen, proxy, queue_type):
    """A disconnected listener with some unacknowledged messages: `away()`, and `away(held=0)` with none."""
    services.declare("nova")

    def begin(held=6):
        listener = listen(port=proxy.port, queue_type=queue_type, acking=False).ready()
        services.publish(*NUMBERS)
        listener.wait_bodies(NUMBERS)
        listener.consumer.ack(delivery.delivery_tag for delivery in listener.deliveries[: len(NUMBERS) - held])
        wait_for(lambda: listener.consumer.status().unacked == held)
        proxy.accepting = False
        proxy.cut()
        listener.wait_error("")
        wait_for(lambda: listener.consumer.status().host is None)
        return listener

    return begin


@pytest.fixture
def policy(broker, settings):
    """Sets an operator's policy on our queue, for this test."""

    def put(definition):
        broker.ctl("set_policy", "operator", f"^{settings.queue}$", definition, "--apply-to", "queues")

    yield put
    broker.ctl("clear_policy", "operator")


def back(listener, proxy):
    proxy.accepting = True
    return listener.ready()


def ready(broker, queue):
    """How many messages wait in the queue."""
    with broker.channel() as channel:
        return channel.queue_declare(queue, passive=True).method.message_count


def test_messages_that_expired_by_a_policy_are_told(broker, services, proxy, away, policy, settings):
    policy('{"message-ttl": 50}')
    listener = away()
    wait_for(lambda: ready(broker, settings.queue) == 0, what="the messages' end")
    services.publish(b"after")
    back(listener, proxy)
    listener.wait_gap(LOST)
    assert listener.gaps == [STARTED, next(gap for gap in listener.gaps if LOST in gap)]


def test_the_oldest_messages_beyond_a_policys_length_are_told(broker, services, proxy, away, policy, settings):
    policy('{"max-length": 4}')
    listener = away(held=2)
    services.publish(b"six", b"seven", b"eight")
    wait_for(lambda: ready(broker, settings.queue) == 4)
    back(listener, proxy)
    listener.wait_gap(LOST)
    assert listener.gaps.count(STARTED) == 1
    assert len(listener.gaps) == 2


def test_messages_that_came_and_expired_while_nothing_was_in_hand_are_told(
    broker, services, proxy, away, policy, settings
):
    policy('{"message-ttl": 50}')
    listener = away(held=0)
    services.publish(b"unseen")
    wait_for(lambda: ready(broker, settings.queue) == 0)
    back(listener, proxy)
    listener.wait_gap(LOST)


def test_a_queue_that_was_purged_meanwhile_is_told(broker, services, proxy, away, settings):
    listener = away()
    wait_for(lambda: ready(broker, settings.queue) == len(NUMBERS))
    with broker.channel() as channel:
        channel.queue_purge(settings.queue)
    services.publish(b"after")
    back(listener, proxy)
    listener.wait_gap(LOST)


def test_a_queue_that_somebody_else_made_anew_is_told(broker, listen, proxy, away, settings, queue_type):
    listener = away()
    with broker.channel() as channel:
        channel.queue_delete(settings.queue)
    other = listen(queue_type=queue_type).ready()
    assert other.consumer.stop(10)
    back(listener, proxy)
    listener.wait_gap(LOST)


def test_a_queue_that_is_gone_is_told(broker, proxy, away, settings):
    listener = away()
    with broker.channel() as channel:
        channel.queue_delete(settings.queue)
    back(listener, proxy)
    listener.wait_gap("was gone")
    assert len(listener.gaps) == 2


def test_what_comes_again_is_proof_where_the_oldest_goes_first(broker, services, listen, proxy, queue_type):
    services.declare("nova")
    listener = listen(port=proxy.port, queue_type=queue_type, acking=False).ready()
    services.publish(*NUMBERS)
    listener.wait_bodies(NUMBERS)
    for times in range(2, 6):
        proxy.cut()
        wait_for(lambda times=times: len(listener.deliveries) == times * len(NUMBERS))
    services.publish(b"after")
    wait_for(lambda: listener.bodies()[-1] == b"after")
    listener.acking = True
    listener.consumer.ack(delivery.delivery_tag for delivery in listener.deliveries)
    wait_for(listener.consumer.drained)
    # Of a quorum queue nobody can tell whether it refused what was new meanwhile.
    assert len(listener.gaps) == (1 if queue_type == "classic" else 2)


def test_a_connection_that_comes_and_goes_is_reported_once(services, listen, proxy, queue_type):
    services.declare("nova")
    listener = listen(port=proxy.port, queue_type=queue_type).ready()
    for times in range(1, 6):
        proxy.cut()
        wait_for(lambda times=times: listener.consumer.status().reconnects == times)
    listener.ready().wait_gap(LOST)
    wait_for(listener.consumer.drained)
    assert len(listener.gaps) == 2


def test_messages_that_were_refused_because_of_a_policy_are_told(
    broker, services, proxy, away, policy, queue_type, settings
):
    """A policy's overflow behaviour holds for a quorum queue; a classic one keeps that which it was declared with."""
    policy('{"max-length": 6, "overflow": "reject-publish"}')
    listener = away()
    wait_for(lambda: ready(broker, settings.queue) == len(NUMBERS))
    with contextlib.suppress(pika.exceptions.NackError):
        services.publish(*[b"more"] * 50)
    back(listener, proxy)
    listener.wait_gap(LOST)
    assert (b"0" not in listener.bodies()[len(NUMBERS) :]) == (queue_type == "classic")
