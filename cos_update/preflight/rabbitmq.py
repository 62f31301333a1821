"""The broker: every host, what we may do there, and whether the services publish."""

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
"""The priority of a consumer that gets nothing as long as there is another."""
_EITHER = {"cinder": "openstack", "openstack": "cinder"}
"""Cinder publishes to one of them, by default not to that of its own name."""
_FILES = {
    "nova": "nova.conf",
    "heat": "heat.conf",
    "cinder": "cinder.conf",
    "openstack": "cinder.conf",
    "neutron": "neutron.conf",
    "keystone": "keystone.conf",
}
"""Where the service that publishes to an exchange is told to."""


def broker(settings: Settings, listen_for: float | None = None) -> Iterator[Finding]:
    """Login at each host; then on one of them a queue for a moment, its bindings and, if wanted, what comes in.

    `listen_for` is in seconds. Nothing is taken from our own queue nor from anybody else's.
    """
    if settings.rmq is None:
        yield warn("rabbitmq", "the section rmq is missing or wrong: listen can't run, bulk can")
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
    except Exception as error:  # pika, socket and ssl have no common base; `explain` knows them
        reason = explain(error, settings, address)
        fix = reason.hint or "see whether RabbitMQ runs there; check rmq.rmq_address and rmq.rmq_port"
        return fail("rabbitmq", f"{address}: {reason}", fix)
    return ok("rabbitmq", f"{address} as {settings.username}, virtual host {settings.virtual_host}")


class _OneBroker:
    """What may be done at one broker, tried with a queue that only this connection sees and that goes with it."""

    def __init__(self, connection: pika.BlockingConnection, settings: BrokerSettings) -> None:
        self._connection = connection
        self._settings = settings
        # Named like our own, since permissions go by names.
        self._queue = f"{queue_name(settings)}.check-{uuid.uuid4().hex[:8]}"

    def look(self, listen_for: float | None) -> Iterator[Finding]:
        """The queue, the exchanges, and what comes in."""
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
            text = f"{', '.join(missing)}: not there; made by a service's first notification, and bound then"
            yield warn("exchanges", text, _publishing(missing))
        if listen_for:
            yield traffic(self._connection, self._queue, listen_for)

    def _try_queue(self) -> Finding:
        def try_out(channel: BlockingChannel) -> None:
            channel.queue_declare(self._queue, exclusive=True, auto_delete=True)
            channel.basic_get(self._queue, auto_ack=True)

        return self._tried("queue", try_out) or self._look_at_ours()

    def _look_at_ours(self) -> Finding:
        """Our own queue as it is: nothing is taken from it, and one that is not there is not made."""
        name = queue_name(self._settings)
        try:
            found = self._ours(name)
            if found is None:
                return ok("queue", f"{name} is not there yet, and may be declared and read")
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
            # That of a node which is down is "not found" too.
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
        """Whether it can be bound, as far as we may know.

        RabbitMQ 4.3 refuses the question about an exchange on which a user has no permission, whether or not it is
        there; the refusal to bind then says which permission is missing.
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
        """What the broker's refusal of a request comes to; None when it does not refuse.

        Each has a channel of its own, for the broker closes it with a refusal.
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
    """Consumes behind all who do, for a moment: to see that none of them has the queue for itself."""
    channel.basic_qos(prefetch_count=1)
    tag = channel.basic_consume(queue, lambda *_: None, arguments={"x-priority": _LAST})
    channel.basic_cancel(tag)


def _permitting(settings: BrokerSettings) -> str:
    """How the broker's administrator permits what the listener does."""
    user, host = shlex.quote(settings.username), shlex.quote(settings.virtual_host)
    own = shlex.quote("^" + re.escape(queue_name(settings)).replace(r"\-", "-"))
    return (
        f"rabbitmqctl set_permissions -p {host} {user} {own} {own} '.*'; it takes the place of what "
        f"`rabbitmqctl list_user_permissions {user}` shows, so widen that if the user is not ours alone"
    )


def _publishing(missing: list[str]) -> str:
    """What to set so that services publish to these exchanges."""
    files = dict.fromkeys(_FILES.get(name, f"the configuration of {name}") for name in missing)
    return f"if they run, set driver = messagingv2 in [oslo_messaging_notifications] of {', '.join(files)}"
