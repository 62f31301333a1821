"""The broker: every host, what we may do there, and whether the services publish."""

from __future__ import annotations

import time
import uuid
from collections import Counter
from collections.abc import Iterator

import pika
import pika.exceptions
from pika.adapters.blocking_connection import BlockingChannel

from cos_update.checks.finding import Finding, fail, ok, skip, warn
from cos_update.listen.connection import addresses, connect, explain, is_missing, is_refused
from cos_update.listen.topology import queue_name, routing_keys
from cos_update.model.settings import BrokerSettings, Settings

EITHER = {"cinder": "openstack", "openstack": "cinder"}
"""Cinder publishes to one of them, by default not to that of its own name."""
DRIVER = "set driver = messagingv2 in [oslo_messaging_notifications] of the services' configuration"


def broker(settings: Settings, listen_for: float | None = None) -> Iterator[Finding]:
    """Login at each host; then on one of them a queue for a moment, its bindings and, if wanted, what comes in.

    `listen_for` is in seconds. Neither our own queue nor anybody else's is touched.
    """
    if settings.rmq is None:
        yield warn("rabbitmq", "the section rmq is missing: listen can't run, bulk can")
        return
    usable: pika.BlockingConnection | None = None
    for address in addresses(settings.rmq):
        try:
            connection = connect(settings.rmq, address)
        except Exception as error:  # pika, socket and ssl have no common base; `explain` knows them
            reason = explain(error, settings.rmq)
            yield fail("rabbitmq", f"{address}: {reason}", reason.hint)
            continue
        yield ok("rabbitmq", f"{address} as {settings.rmq.username}, virtual host {settings.rmq.virtual_host}")
        if usable is None:
            usable = connection
        else:
            connection.close()
    if usable is None:
        yield skip("exchanges", "not looked for, for want of a broker")
        return
    try:
        yield from _bindings(usable, settings.rmq, listen_for)
    except pika.exceptions.AMQPError as error:
        reason = explain(error, settings.rmq)
        yield fail("rabbitmq", str(reason), reason.hint)
    finally:
        if usable.is_open:
            usable.close()


def _bindings(
    connection: pika.BlockingConnection, settings: BrokerSettings, listen_for: float | None
) -> Iterator[Finding]:
    # Named like our own, since permissions go by names.
    queue = f"{queue_name(settings)}.check-{uuid.uuid4().hex[:8]}"
    channel = connection.channel()
    channel.queue_declare(queue, exclusive=True, auto_delete=True)
    yield ok("queue", f"a queue like {queue_name(settings)} may be declared")
    there = [exchange for exchange in settings.exchanges if _is_there(connection, exchange)]
    bound = []
    for exchange in there:
        try:
            for key in routing_keys(settings):
                channel.queue_bind(queue, exchange, key)
            bound.append(exchange)
        except pika.exceptions.ChannelClosedByBroker as error:
            if not is_refused(error):
                raise
            reason = explain(error, settings)
            yield fail("exchanges", f"{exchange}: may not be bound to ({reason})", reason.hint)
            channel = connection.channel()
    yield from _exchanges(settings, there, bound)
    if listen_for:
        yield _traffic(connection, channel, queue, listen_for)


def _exchanges(settings: BrokerSettings, there: list[str], bound: list[str]) -> Iterator[Finding]:
    if bound:
        yield ok("exchanges", f"{', '.join(bound)}: bound for {', '.join(settings.topics)}")
    missing = [name for name in settings.exchanges if name not in there and EITHER.get(name) not in there]
    if missing:
        text = f"{', '.join(missing)}: not there; bound as soon as a service publishes"
        yield warn("exchanges", text, DRIVER if not there else f"if such a service runs, {DRIVER}")


def _is_there(connection: pika.BlockingConnection, exchange: str) -> bool:
    channel = connection.channel()
    try:
        channel.exchange_declare(exchange, passive=True)
    except pika.exceptions.ChannelClosedByBroker as error:
        if is_missing(error):
            return False
        if is_refused(error):
            return True  # binding says what is not permitted
        raise
    channel.close()
    return True


def _traffic(connection: pika.BlockingConnection, channel: BlockingChannel, queue: str, seconds: float) -> Finding:
    seen: Counter[str] = Counter()
    channel.basic_consume(queue, lambda _, method, __, ___: seen.update([method.exchange]), auto_ack=True)
    until = time.monotonic() + seconds
    while (left := until - time.monotonic()) > 0:
        connection.process_data_events(time_limit=min(left, 1.0))
    if not seen:
        text = f"none came in {seconds:g} s"
        return warn("notifications", text, f"{DRIVER}; or nothing happened in the cloud meanwhile")
    counts = ", ".join(f"{count} from {exchange}" for exchange, count in seen.most_common())
    return ok("notifications", f"in {seconds:g} s came {counts}")
