"""Faults of a broker and its connections: no message is lost without a report."""

from __future__ import annotations

import logging
import signal
import subprocess
import sys
import threading
import time
from dataclasses import replace

import pytest
from listener_probe import QUICK, Listener
from rabbit import Proxy, free_port, wait_for

from cos_update.listener.consumer import Timing
from cos_update.listener.delivery import DeliveryTag
from cos_update.retry import Backoff

pytestmark = pytest.mark.broker

NUMBERS = [b"%d" % number for number in range(10)]


@pytest.fixture
def proxy(broker):
    with Proxy(broker.port) as proxy:
        yield proxy


def test_a_consumer_whose_queue_is_deleted_declares_it_anew_and_that_is_a_gap(broker, services, listen, settings):
    services.declare("nova")
    listener = listen(timing=replace(QUICK, depth_poll=3600)).ready()
    with broker.channel() as channel:
        channel.queue_delete(settings.queue)
    listener.wait_gap("was gone")
    listener.ready().wait_bodies(services.publish(b"server"))
    assert listener.consumer.status().reconnects == 1


def test_a_cut_connection_is_no_gap_and_what_was_not_acked_comes_again(services, listen, proxy):
    services.declare("nova")
    listener = listen(port=proxy.port, acking=False).ready()
    services.publish(*NUMBERS)
    listener.wait_bodies(NUMBERS)
    listener.consumer.ack(delivery.delivery_tag for delivery in listener.deliveries[:4])
    wait_for(lambda: listener.consumer.status().unacked == 6)
    proxy.cut()
    wait_for(lambda: len(listener.deliveries) == 16)
    assert listener.bodies() == NUMBERS + NUMBERS[4:]
    assert listener.generations == {1, 2}
    assert [delivery.redelivered for delivery in listener.deliveries] == [False] * 10 + [True] * 6
    listener.consumer.ack(delivery.delivery_tag for delivery in listener.deliveries)
    wait_for(listener.consumer.drained)
    assert listener.gaps == ["the listener started"]


def test_receipts_of_a_lost_connection_are_worthless_and_harmless(services, listen, proxy):
    services.declare("nova")
    listener = listen(port=proxy.port, acking=False).ready()
    services.publish(*NUMBERS)
    listener.wait_bodies(NUMBERS)
    old = [delivery.delivery_tag for delivery in listener.deliveries]
    proxy.cut()
    wait_for(lambda: len(listener.deliveries) == 20)
    listener.consumer.ack(old)
    assert not listener.consumer.drained()
    assert listener.consumer.status().unacked == 10
    listener.consumer.ack(delivery.delivery_tag for delivery in listener.deliveries[10:])
    wait_for(listener.consumer.drained)
    assert listener.consumer.status().reconnects == 1


def test_a_connection_that_breaks_in_the_middle_of_a_message_delivers_it_whole_afterwards(services, listen, proxy):
    services.declare("nova")
    listener = listen(port=proxy.port).ready()
    large = b"x" * 5_000_000
    proxy.cut_after(2_000_000)
    services.publish(b"before", large, b"after")
    wait_for(lambda: b"after" in listener.bodies())
    assert proxy.connections == 2
    assert set(listener.bodies()) == {b"before", large, b"after"}


def test_a_channel_that_the_broker_closes_is_opened_anew(services, listen, caplog):
    services.declare("nova")
    listener = listen().ready()
    listener.consumer._pending.delivered(999)
    listener.consumer.ack([DeliveryTag(1, 999)])
    wait_for(lambda: listener.consumer.status().reconnects == 1)
    assert "PRECONDITION_FAILED - unknown delivery tag 999" in caplog.text
    listener.ready().wait_bodies(services.publish(b"server"))


def test_several_hosts_are_tried_in_turn(services, listen, proxy):
    services.declare("nova")
    with Proxy(proxy.target) as second:
        hosts = (f"127.0.0.1:{free_port()}", f"localhost:{proxy.port}", f"127.0.0.1:{second.port}")
        listener = listen(hosts=hosts).ready()
        assert listener.consumer.status().host == f"localhost:{proxy.port}"
        proxy.accepting = False
        proxy.cut()
        wait_for(lambda: listener.consumer.status().host == f"127.0.0.1:{second.port}")
        listener.ready().wait_bodies(services.publish(b"server"))


def test_after_a_restart_what_was_not_acked_is_delivered_again(broker, services, listen):
    services.declare("nova")
    listener = listen(acking=False).ready()
    services.publish(*NUMBERS)
    listener.wait_bodies(NUMBERS)
    # Not killed: a queue that was declared a moment before may not be on the disk yet.
    broker.stop()
    listener.wait_error("No connection to the broker: Connection refused")
    broker.start()
    listener.wait_gap("lost")
    listener.ready()
    wait_for(lambda: len(listener.deliveries) == 20, what="the durable queue's messages again")
    services.declare("nova")
    wait_for(lambda: "nova" not in listener.consumer.status().missing_exchanges, what="the binding")
    services.publish(b"after")
    wait_for(lambda: listener.bodies()[-1] == b"after")


def test_exchanges_that_a_restart_has_lost_are_waited_for(broker, services, listen, proxy, settings):
    services.declare("nova")
    listener = listen(port=proxy.port).ready()
    proxy.accepting = False
    broker.restart()
    broker.lose_exchanges(f"{settings.queue}.witness")
    proxy.accepting = True
    listener.wait_gap("lost its exchanges")
    assert "nova" in listener.ready().consumer.status().missing_exchanges
    services.declare("nova")
    listener.wait_gap("exchange nova appeared")
    listener.wait_bodies(services.publish(b"after"))


def test_a_wiped_broker_whose_services_are_back_before_us_is_a_gap(broker, services, listen, proxy):
    services.declare("nova")
    listener = listen(port=proxy.port).ready()
    proxy.accepting = False
    broker.restart(wiped=True)
    services.declare("nova")
    proxy.accepting = True
    listener.wait_gap("was gone")
    listener.ready().wait_bodies(services.publish(b"server"))


def test_bindings_that_were_lost_unseen_are_a_gap(broker, services, listen, proxy, settings):
    """A restarted broker whose services reconnected before us, detected by our witness exchange."""
    services.declare("nova")
    listener = listen(port=proxy.port).ready()
    proxy.accepting = False
    proxy.cut()
    with broker.channel() as channel:
        for exchange in ("nova", f"{settings.queue}.witness"):
            channel.exchange_delete(exchange)
    services.declare("nova")
    proxy.accepting = True
    listener.wait_gap("lost its exchanges")
    listener.ready().wait_bodies(services.publish(b"server"))


def test_a_refused_login_is_reported_once_without_the_password_and_tried_again(broker, listen, caplog):
    broker.ctl("add_user", "late", "first-secret")
    broker.ctl("set_permissions", "late", ".*", ".*", ".*")
    with caplog.at_level(logging.DEBUG):
        listener = listen(username="late", password="second-secret")
        listener.wait_error("refused the login of user 'late'")
        broker.ctl("change_password", "late", "second-secret")
        listener.ready()
    assert listener.consumer.status().error is None
    assert len([r for r in caplog.records if r.levelno >= logging.WARNING]) == 1
    assert "second-secret" not in caplog.text
    listener.consumer.stop(10)
    broker.ctl("delete_user", "late")


def test_a_virtual_host_that_is_not_there_is_told(listen):
    listener = listen(virtual_host="/nowhere")
    listener.wait_error("virtual host '/nowhere'")
    assert "rmq.rmq_path" in listener.consumer.status().error


def test_heartbeats_flow_while_the_workers_are_slow(services, listen):
    services.declare("nova")
    listener = listen(heartbeat=1, acking=False).ready()
    services.publish(*NUMBERS)
    listener.wait_bodies(NUMBERS)
    # Nothing is sent in this time but heartbeats; RabbitMQ closes after two that failed to come.
    time.sleep(4)
    listener.consumer.ack(delivery.delivery_tag for delivery in listener.deliveries)
    wait_for(listener.consumer.drained)
    assert listener.consumer.status().reconnects == 0


def test_no_more_messages_are_taken_than_the_prefetch(services, listen):
    services.declare("nova")
    listener = listen(prefetch=4, acking=False).ready()
    services.publish(*NUMBERS)
    wait_for(lambda: listener.consumer.status().depth == 6)
    assert listener.bodies() == NUMBERS[:4]
    listener.consumer.ack([listener.deliveries[2].delivery_tag])
    wait_for(lambda: len(listener.deliveries) == 5)


def test_a_killed_process_loses_only_what_it_acked(broker, services, listen, settings):
    services.declare("nova")
    program = f"""
import time
from cos_update.listener.consumer import BrokerConsumer
from cos_update.model.settings import BrokerSettings
settings = BrokerSettings(("127.0.0.1",), "guest", "guest", port={settings.port}, queue={settings.queue!r})
consumer = BrokerConsumer(settings, lambda d: d.tag in (1, 2, 5) and consumer.ack([d.delivery_tag]), lambda gap: None)
consumer.start()
while not consumer.wait_serving(1):
    pass
print("serving", flush=True)
time.sleep(60)
"""
    process = subprocess.Popen([sys.executable, "-c", program], stdout=subprocess.PIPE, text=True)
    assert process.stdout is not None
    assert process.stdout.readline() == "serving\n"
    services.publish(*NUMBERS)
    left = [settings.queue, "7"]
    columns = ("name", "messages_unacknowledged")
    wait_for(
        lambda: left in [line.split() for line in broker.ctl("list_queues", *columns).splitlines()], what="the acks"
    )
    process.send_signal(signal.SIGKILL)
    process.wait()
    expected = [body for number, body in enumerate(NUMBERS, start=1) if number not in (1, 2, 5)]
    listen().ready().wait_bodies(expected)


def test_stopping_sends_the_acks_and_leaves_the_rest_in_the_queue(services, listen):
    services.declare("nova")
    listener = listen(prefetch=5, acking=False).ready()
    services.publish(*NUMBERS)
    listener.wait_bodies(NUMBERS[:5])
    listener.consumer.stop_consuming()
    listener.consumer.ack(delivery.delivery_tag for delivery in listener.deliveries[:3])
    assert listener.consumer.stop(10)
    assert listener.bodies() == NUMBERS[:5]
    listen().ready().wait_bodies(NUMBERS[3:])


def test_nothing_waits_for_a_broker_that_is_away(listen):
    listener = listen(port=free_port(), timing=Timing(retry=Backoff(60.0, 60.0)))
    listener.wait_error("Connection refused")
    assert not listener.consumer.drained()
    assert listener.consumer.stop(30)


def test_a_queue_is_drained_when_it_is_empty_and_nothing_is_in_hand(services, listen):
    services.declare("nova")
    listener = listen(prefetch=5, acking=False)
    assert listener.ready().consumer.drained()
    services.publish(*NUMBERS)
    assert not listener.consumer.drained()
    listener.acking = True
    listener.consumer.ack(delivery.delivery_tag for delivery in listener.deliveries)
    wait_for(listener.consumer.drained)
    assert listener.bodies() == NUMBERS
    listener.consumer.stop(10)
    assert not listener.consumer.drained()


def test_a_message_that_makes_the_callback_fail_is_acked_and_is_a_gap(services, listen, caplog):
    services.declare("nova")
    taken = []

    def take(delivery):
        if delivery.body == b"poison":
            raise ValueError(f"cannot read {delivery.body!r}")
        taken.append(delivery.body)

    listener = listen(on_message=take).ready()
    services.publish(b"poison", b"sound")
    wait_for(lambda: taken == [b"sound"])
    listener.wait_gap("could not be recorded")
    assert listener.consumer.status().unacked == 1
    assert "ValueError" in caplog.text
    assert "poison" not in caplog.text


def test_a_gap_that_cannot_be_passed_on_is_passed_on_later(services, listen):
    gaps = []

    def refuse_the_first(reason):
        gaps.append(reason)
        if len(gaps) == 1:
            raise OSError("the disk is full")

    listen(on_gap=refuse_the_first).ready()
    wait_for(lambda: gaps == ["the listener started"] * 2)


def test_a_gap_is_reported_before_the_first_message_after_it(services, listen):
    services.declare("nova")
    assert listen().ready().consumer.stop(10)
    services.publish(b"server")
    reported = []
    listen(on_gap=reported.append, on_message=lambda delivery: reported.append(delivery.body))
    wait_for(lambda: reported == ["the listener started", b"server"])


def test_every_turn_is_a_sign_of_life_also_while_there_is_no_broker(listen):
    turns = threading.Semaphore(0)
    listen(port=free_port(), timing=QUICK, on_turn=turns.release)
    for _ in range(5):
        assert turns.acquire(timeout=30)


def test_the_status_tells_what_health_needs(services, listen, settings):
    services.declare("nova")
    began = time.time()
    listener: Listener = listen().ready()
    listener.wait_bodies(services.publish(*NUMBERS))
    wait_for(listener.consumer.drained)
    status = listener.consumer.status()
    assert status.queue == settings.queue
    assert began <= status.connected_since <= status.last_message <= status.last_ack <= time.time()
    assert (status.depth, status.unacked, status.delivered, status.reconnects, status.error) == (0, 0, 10, 0, None)
