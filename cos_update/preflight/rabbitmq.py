"""Checks the broker: every host, our permissions, and whether the services publish."""

from __future__ import annotations

import re
import shlex
import uuid
from collections.abc import Callable, Iterator

import pika
import pika.exceptions
from pika.adapters.blocking_connection import BlockingChannel

from cos_update.listener.connection import Address, addresses, connect, explain, is_missing, is_refused
from cos_update.listener.topology import declare_queue, queue_name, routing_keys
from cos_update.model.settings import BrokerSettings, Settings
from cos_update.preflight.finding import Finding, fail, ok, skip, warn
from cos_update.preflight.traffic import traffic

_LAST = -1000
"""The priority of a consumer that receives nothing while there is another."""
_EITHER = {"cinder": "openstack", "openstack": "cinder"}
"""Alternative exchanges of Cinder, whose default is not the one of its own name."""
_FILES = {
    "nova": "nova.conf",
    "heat": "heat.conf",
    "cinder": "cinder.conf",
    "openstack": "cinder.conf",
    "neutron": "neutron.conf",
    "keystone": "keystone.conf",
}
"""The configuration file of the service that publishes to an exchange."""


def broker(settings: Settings, listen_for: float | None = None) -> Iterator[Finding]:
    """Checks the login at each host; then on one of them a temporary queue, its bindings and, optionally, traffic.

    `listen_for` is in seconds. Consumes nothing from our own or any other existing queue.
    """
    if settings.rmq is None:
        yield warn("rabbitmq", "the section rmq is missing or invalid: listen cannot run, bulk can")
        return
    usable: Address | None = None
    for address in addresses(settings.rmq):
        finding = _host(settings.rmq, address)
        if finding.is_ok:
            usable = usable or address
        yield finding
    if usable is None:
        yield skip("queue", "skipped: no broker connection")
        yield skip("exchanges", "skipped: no broker connection")
        return
    try:
        connection = connect(settings.rmq, usable)
        try:
            yield from _OneBroker(connection, settings.rmq).look(listen_for)
        finally:
            if connection.is_open:
                connection.close()
    except pika.exceptions.AMQPError as error:
        reason = explain(error, settings.rmq)
        yield fail("rabbitmq", f"{usable}: {reason}", reason.hint)


def _host(settings: BrokerSettings, address: Address) -> Finding:
    try:
        connect(settings, address).close()
    except Exception as error:  # pika, socket and ssl have no common base class; `explain` knows them
        reason = explain(error, settings, address)
        fix = reason.hint or "check whether RabbitMQ runs there; check rmq.rmq_address and rmq.rmq_port"
        return fail("rabbitmq", f"{address}: {reason}", fix)
    return ok("rabbitmq", f"{address} as {settings.username}, virtual host {settings.virtual_host}")


class _OneBroker:
    """Tests permissions at one broker with an exclusive queue, which is deleted with the connection."""

    def __init__(self, connection: pika.BlockingConnection, settings: BrokerSettings) -> None:
        self._connection = connection
        self._settings = settings
        # Named like our own queue, since permissions depend on names.
        self._queue = f"{queue_name(settings)}.check-{uuid.uuid4().hex[:8]}"

    def look(self, listen_for: float | None) -> Iterator[Finding]:
        """Checks the queue, the exchanges, and optionally traffic."""
        finding = self._try_queue()
        yield finding
        if not finding.is_ok:
            yield skip("exchanges", "skipped: no queue")
            return
        there = [exchange for exchange in self._settings.exchanges if self._is_there(exchange)]
        bound = []
        for exchange in there:
            if (refusal := self._bind(exchange)) is None:
                bound.append(exchange)
            else:
                yield refusal
        if bound:
            yield ok("exchanges", f"{', '.join(bound)}: bound for {', '.join(self._settings.topics)}")
        missing = [name for name in self._settings.exchanges if name not in there and _EITHER.get(name) not in there]
        if missing:
            text = f"{', '.join(missing)}: missing; created by a service's first notification, and bound then"
            yield warn("exchanges", text, _publishing(missing))
        if listen_for:
            yield traffic(self._connection, self._queue, listen_for)

    def _try_queue(self) -> Finding:
        def try_out(channel: BlockingChannel) -> None:
            channel.queue_declare(self._queue, exclusive=True, auto_delete=True)
            channel.basic_get(self._queue, auto_ack=True)

        return self._tried("queue", try_out) or self._look_at_ours()

    def _look_at_ours(self) -> Finding:
        """Inspects our own queue without consuming from it or declaring it."""
        name = queue_name(self._settings)
        try:
            found = self._ours(name)
            if found is None:
                return ok("queue", f"{name} does not exist yet, and may be declared and consumed")
            self._asked(lambda channel: declare_queue(channel, self._settings))
            if found.consumer_count:
                self._asked(lambda channel: _consume_nothing(channel, name))
        except pika.exceptions.ChannelClosedByBroker as error:
            reason = explain(error, self._settings)
            return fail("queue", str(reason), reason.hint)
        return ok("queue", f"{name}: {found.message_count} messages wait, {found.consumer_count} consumers")

    def _ours(self, name: str) -> pika.spec.Queue.DeclareOk | None:
        channel = self._connection.channel()
        try:
            found = channel.queue_declare(name, passive=True).method
        except pika.exceptions.ChannelClosedByBroker as error:
            # A queue on a node that is down is "not found" too.
            if is_missing(error) and "no queue" in error.reply_text:
                return None
            raise
        channel.close()
        return found

    def _asked(self, request: Callable[[BlockingChannel], None]) -> None:
        channel = self._connection.channel()
        request(channel)
        channel.close()

    def _is_there(self, exchange: str) -> bool:
        """Whether the exchange exists, as far as we are allowed to know.

        RabbitMQ 4.3 refuses a passive declare of an exchange without permission, whether or not it exists; the refusal
        to bind then says which permission is missing.
        """
        channel = self._connection.channel()
        try:
            channel.exchange_declare(exchange, passive=True)
        except pika.exceptions.ChannelClosedByBroker as error:
            if is_missing(error):
                return False
            if is_refused(error):
                return True
            raise
        channel.close()
        return True

    def _bind(self, exchange: str) -> Finding | None:
        def bind(channel: BlockingChannel) -> None:
            for key in routing_keys(self._settings):
                channel.queue_bind(self._queue, exchange, key)

        return self._tried("exchanges", bind)

    def _tried(self, name: str, request: Callable[[BlockingChannel], None]) -> Finding | None:
        """The finding for a request that the broker refuses; None if it succeeds.

        Each request has its own channel, since a refusal closes it.
        """
        channel = self._connection.channel()
        try:
            request(channel)
        except pika.exceptions.ChannelClosedByBroker as error:
            if not is_refused(error):
                raise
            return fail(name, str(explain(error, self._settings)), _permitting(self._settings))
        channel.close()
        return None


def _consume_nothing(channel: BlockingChannel, queue: str) -> None:
    """Consumes briefly with the lowest priority, to see whether another consumer has the queue exclusively."""
    channel.basic_qos(prefetch_count=1)
    tag = channel.basic_consume(queue, lambda *_: None, arguments={"x-priority": _LAST})
    channel.basic_cancel(tag)


def _permitting(settings: BrokerSettings) -> str:
    """The command that grants the listener's permissions."""
    user, host = shlex.quote(settings.username), shlex.quote(settings.virtual_host)
    own = shlex.quote("^" + re.escape(queue_name(settings)).replace(r"\-", "-"))
    return (
        f"rabbitmqctl set_permissions -p {host} {user} {own} {own} '.*'; this replaces what "
        f"`rabbitmqctl list_user_permissions {user}` shows, so extend that if others share the user"
    )


def _publishing(missing: list[str]) -> str:
    """The settings with which services publish to these exchanges."""
    files = dict.fromkeys(_FILES.get(name, f"the configuration of {name}") for name in missing)
    return f"if they run, set driver = messagingv2 in [oslo_messaging_notifications] of {', '.join(files)}"
