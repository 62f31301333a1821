"""Sources of messages: our own queue next to others', or a queue provided for us."""

from __future__ import annotations

import logging

import pytest
from rabbit import wait_for

pytestmark = pytest.mark.broker

NUMBERS = [b"%d" % number for number in range(50)]


def test_nothing_is_taken_from_the_queue_of_another_reader(broker, services, listen):
    services.declare("nova")
    with broker.channel() as channel:
        channel.queue_declare("notifications.info")
        channel.queue_bind("notifications.info", "nova", "notifications.info")
    ours = listen().ready()
    services.publish(*NUMBERS)
    ours.wait_bodies(NUMBERS)
    with broker.channel() as channel:
        theirs = [channel.basic_get("notifications.info", auto_ack=True)[2] for _ in NUMBERS]
        channel.queue_delete("notifications.info")
    assert theirs == NUMBERS


def test_every_topic_and_priority_of_every_exchange_arrives(services, listen, settings):
    services.declare(*settings.exchanges)
    listener = listen().ready()
    expected = []
    for exchange in settings.exchanges:
        for topic in settings.topics:
            for priority in ("info", "warn", "error"):
                key = f"{topic}.{priority}"
                expected += services.publish(f"{exchange} {key}".encode(), exchange=exchange, key=key)
            services.publish(b"of no concern", exchange=exchange, key=f"{topic}.sample")
    listener.wait_bodies(expected)
    assert {(d.exchange, d.routing_key) for d in listener.deliveries} >= {("openstack", "notifications.error")}


def test_an_exchange_that_appears_later_is_bound_then_and_what_it_sent_before_is_a_gap(services, listen, settings):
    listener = listen().ready()
    assert listener.gaps == ["the listener started"]
    assert listener.consumer.status().missing_exchanges == settings.exchanges
    services.declare("cinder")
    listener.wait_gap("exchange cinder appeared")
    listener.wait_bodies(services.publish(b"volume", exchange="cinder"))
    assert "cinder" not in listener.consumer.status().missing_exchanges


def test_an_exchange_that_was_deleted_and_came_back_unseen_is_bound_again(broker, services, listen):
    services.declare("nova")
    listener = listen().ready()
    with broker.channel() as channel:
        channel.exchange_delete("nova")
    services.declare("nova")

    def publish_until_it_arrives():
        services.publish(b"server")
        return listener.deliveries

    wait_for(publish_until_it_arrives)


def test_every_shard_gets_every_message(services, listen, settings):
    services.declare("nova")
    shards = [listen(shard_index=index, shard_count=2).ready() for index in (0, 1)]
    assert [shard.consumer.status().queue for shard in shards] == [f"{settings.queue}-0", f"{settings.queue}-1"]
    services.publish(*NUMBERS)
    for shard in shards:
        shard.wait_bodies(NUMBERS)


def test_an_existing_queue_is_consumed_and_nothing_is_declared(broker, services, listen, settings):
    services.declare("nova")
    listener = listen(existing_queue="set-aside")
    listener.wait_error("no queue 'set-aside'")
    with broker.channel() as channel:
        channel.queue_declare("set-aside", auto_delete=False)
        channel.queue_bind("set-aside", "nova", "notifications.info")
    listener.ready().wait_bodies(services.publish(b"for us"))
    assert set(broker.ctl("list_queues", "name").split()) & {settings.queue, "set-aside"} == {"set-aside"}
    assert "witness" not in broker.ctl("list_exchanges", "name")
    with broker.channel() as channel:
        channel.queue_delete("set-aside")


def test_a_queue_with_other_properties_is_left_alone_and_reported_once(broker, services, listen, settings, caplog):
    services.declare("nova")
    with broker.channel() as channel:
        channel.queue_declare(settings.queue, durable=True)
    with caplog.at_level(logging.WARNING):
        listener = listen()
        listener.wait_error("exists already with other properties")
        assert "rabbitmqctl delete_queue" in listener.consumer.status().error
        with broker.channel() as channel:
            channel.queue_delete(settings.queue)
        listener.ready()
    assert len([r for r in caplog.records if "other properties" in r.getMessage()]) == 1


def test_our_queue_is_bounded_and_its_overflow_is_a_gap_at_its_beginning_and_its_end(
    broker, services, listen, settings
):
    services.declare("nova")
    listener = listen(max_length=20, prefetch=5, acking=False).ready()
    services.publish(*NUMBERS)
    listener.wait_gap("overflowed")
    with broker.channel() as channel:
        assert channel.queue_declare(settings.queue, passive=True).method.message_count == 20
    listener.acking = True
    listener.consumer.ack([delivery.delivery_tag for delivery in listener.deliveries])
    wait_for(listener.consumer.drained)
    wait_for(lambda: [gap for gap in listener.gaps if "overflowed" in gap][1:], what="the end of the overflow")
    assert listener.bodies() == NUMBERS[:5] + NUMBERS[30:]


def test_a_queue_that_overflowed_while_we_were_away_is_a_gap_when_we_are_back(services, listen):
    services.declare("nova")
    assert listen(max_length=20).ready().consumer.stop(10)
    services.publish(*NUMBERS)
    listener = listen(max_length=20).ready()
    wait_for(lambda: len(listener.deliveries) == 20)
    listener.wait_gap("overflowed")


def test_one_exchange_that_we_may_not_read_does_not_keep_us_from_the_others(broker, services, listen, caplog):
    services.declare("nova", "heat")
    broker.ctl("add_user", "narrow", "secret-of-narrow")
    broker.ctl("set_permissions", "narrow", "^test-.*", "^test-.*", "^(test-.*|nova)")
    listener = listen(username="narrow", password="secret-of-narrow").ready()
    listener.wait_bodies(services.publish(b"server"))
    assert "heat" in listener.consumer.status().missing_exchanges
    wait_for(lambda: listener.consumer.status().delivered == 1)
    assert len([r for r in caplog.records if "cannot be bound to exchange heat" in r.getMessage()]) == 1
    listener.consumer.stop(10)
    broker.ctl("delete_user", "narrow")


@pytest.mark.parametrize("queue_type", ["classic", "quorum"])
def test_a_standby_takes_over_from_a_single_active_consumer(services, listen, queue_type):
    services.declare("nova")
    options = {"queue_type": queue_type, "single_active_consumer": True}
    active = listen(**options, acking=False).ready()
    standby = listen(**options).ready()
    services.publish(*NUMBERS)
    active.wait_bodies(NUMBERS)
    assert standby.deliveries == []
    active.consumer.ack(delivery.delivery_tag for delivery in active.deliveries[:20])
    assert active.consumer.stop(10)
    standby.wait_bodies(NUMBERS[20:])
    assert all(delivery.redelivered for delivery in standby.deliveries)


def test_a_user_with_rights_on_the_queue_alone_consumes_all_the_same(broker, services, listen, settings):
    services.declare("nova")
    broker.ctl("add_user", "exact", "secret-of-exact")
    own = f"^{settings.queue}$"
    broker.ctl("set_permissions", "exact", own, own, f"^({settings.queue}|nova)$")
    listener = listen(username="exact", password="secret-of-exact").ready()
    listener.wait_bodies(services.publish(b"server"))
    listener.consumer.stop(10)
    broker.ctl("delete_user", "exact")
