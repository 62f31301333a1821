"""The broker topology: our queue, bound to the services' exchanges; or an existing queue, left as it is.

OpenStack's exchanges are looked up, never declared. They are not durable, so a broker restart removes them together
with our bindings, until each service publishes again.
"""

from __future__ import annotations

import logging
from collections.abc import Callable
from typing import Protocol

import pika
import pika.exceptions
from pika.adapters.blocking_connection import BlockingChannel

from cos_update.listener.connection import BrokerError, explain, is_missing, is_refused
from cos_update.model.settings import BrokerSettings

_log = logging.getLogger(__name__)

PRIORITIES = ("info", "warn", "error")
"""The priorities to bind; failures are published only under `error`."""

_DELIVERY_LIMIT = 1_000_000
"""Since RabbitMQ 4.0 a quorum queue drops a message at its 21st delivery by default; older releases do not support
-1."""

_NEARLY_FULL = 0.95

_STARTED = "the listener started"


class Topology(Protocol):
    """The queue to consume with its exchanges and bindings. Used only by the consumer's thread."""

    @property
    def queue(self) -> str:
        """The name of the queue."""

    @property
    def missing(self) -> tuple[str, ...]:
        """The exchanges that are currently not bound."""

    @property
    def drops_oldest_first(self) -> bool:
        """Whether the existence of a message proves that all younger ones exist."""

    def establish(self, connection: pika.BlockingConnection) -> str:
        """Sets up everything on a new connection.

        Returns why messages may have been lost since the last one, or "". Raises BrokerError, or pika's exceptions.
        """

    def look_again(self, connection: pika.BlockingConnection) -> str:
        """Checks missing exchanges again. Returns why messages may have been lost, or ""."""

    def is_overflowing(self, depth: int) -> bool:
        """Whether a queue with `depth` messages drops old ones, or is close to it."""


def topology(settings: BrokerSettings, existing_queue: str | None) -> Topology:
    """The existing queue if a name is given, else our own queue."""
    return ExistingQueue(existing_queue) if existing_queue else OwnQueue(settings)


def queue_name(settings: BrokerSettings) -> str:
    """The name of our own queue; each shard has its own."""
    return settings.queue if settings.shard_count <= 1 else f"{settings.queue}-{settings.shard_index}"


def queue_arguments(settings: BrokerSettings) -> dict[str, object]:
    """The `x-` arguments of our own queue. They limit its length and lifetime, since the broker is the cloud's."""
    arguments: dict[str, object] = {
        "x-queue-type": settings.queue_type,
        "x-max-length": settings.max_length,
        "x-overflow": "drop-head",
        "x-expires": int(settings.expires * 1000),
    }
    if settings.queue_type == "quorum":
        arguments["x-delivery-limit"] = _DELIVERY_LIMIT
    if settings.single_active_consumer:
        arguments["x-single-active-consumer"] = True
    return arguments


def routing_keys(settings: BrokerSettings) -> tuple[str, ...]:
    """The routing keys of OpenStack: `<topic>.<priority>` (oslo.messaging)."""
    return tuple(f"{topic}.{priority}" for topic in settings.topics for priority in PRIORITIES)


def declare_queue(channel: BlockingChannel, settings: BrokerSettings) -> None:
    """Declares our own queue, which is a no-op if it exists. The broker refuses if it exists with other properties."""
    channel.queue_declare(queue_name(settings), durable=True, arguments=queue_arguments(settings))


def depth(channel: BlockingChannel, queue: str) -> int:
    """The number of messages in a queue. A missing queue closes the channel."""
    return int(channel.queue_declare(queue, passive=True).method.message_count)


class ExistingQueue:
    """A queue provided by somebody else: nothing is declared, nothing is bound."""

    def __init__(self, name: str) -> None:
        self.queue = name
        self.missing: tuple[str, ...] = ()
        self.drops_oldest_first = False
        self._gap = _STARTED

    def establish(self, connection: pika.BlockingConnection) -> str:
        """Verifies that the queue exists."""
        if not _succeeds(connection, lambda channel: channel.queue_declare(self.queue, passive=True)):
            raise BrokerError(
                f"There is no queue {self.queue!r}",
                "The listener does not declare a queue named by --queue: check its name (`rabbitmqctl list_queues`), "
                "or omit --queue.",
            )
        reason, self._gap = self._gap, ""
        return reason

    def look_again(self, connection: pika.BlockingConnection) -> str:
        return ""

    def is_overflowing(self, depth: int) -> bool:
        return False


class OwnQueue:
    """Our own queue, which takes no messages from other queues.

    A broker restart loses the services' exchanges and our bindings to them, but nothing shows it if the services
    reconnect before us. So we declare a *witness*: an exchange of our own that is no more durable than theirs. While
    it exists, so do the bindings. It is auto-deleted with the queue.
    """

    def __init__(self, settings: BrokerSettings) -> None:
        self.queue = queue_name(settings)
        self.missing: tuple[str, ...] = settings.exchanges
        # An operator's policy cannot change the overflow behaviour that a classic queue was declared with, but it can
        # set that of a quorum queue to reject-publish (RabbitMQ 3.10 to 4.x).
        self.drops_oldest_first = settings.queue_type == "classic"
        self._settings = settings
        self._witness = f"{self.queue}.witness"
        self._gap = _STARTED
        self._said_missing: tuple[str, ...] = ()
        self._said_refused: set[str] = set()

    def establish(self, connection: pika.BlockingConnection) -> str:
        """Declares the queue, and binds it to the existing exchanges.

        A detected loss is kept until a call succeeds and returns it, however many fail before.
        """
        if not _succeeds(connection, lambda channel: channel.queue_declare(self.queue, passive=True)):
            self._gap = self._gap or f"queue {self.queue} was gone"
        self._declare(connection)
        if not self._witness_stood(connection):
            self._gap = self._gap or "the broker lost its exchanges and our bindings"
        late = self.look_again(connection)
        reason, self._gap = self._gap or late, ""
        return reason

    def look_again(self, connection: pika.BlockingConnection) -> str:
        """Binds to every existing exchange: binding again is harmless, and restores bindings that others removed."""
        absent = tuple(name for name in self._settings.exchanges if not self._bind(connection, name))
        appeared = ", ".join(name for name in self.missing if name not in absent)
        self.missing = absent
        if appeared:
            _log.info("queue %s is bound to %s", self.queue, appeared)
        if absent != self._said_missing:
            self._said_missing = absent
            _log.info("missing exchanges, which are checked again: %s", ", ".join(absent) or "none")
        return f"exchange {appeared} appeared" if appeared else ""

    def is_overflowing(self, depth: int) -> bool:
        """True from 95 % of the maximum length: it may have been full since the last check."""
        return depth >= self._settings.max_length * _NEARLY_FULL

    def _declare(self, connection: pika.BlockingConnection) -> None:
        channel = connection.channel()
        try:
            declare_queue(channel, self._settings)
        except pika.exceptions.ChannelClosedByBroker as error:
            raise explain(error, self._settings) from error
        channel.close()

    def _witness_stood(self, connection: pika.BlockingConnection) -> bool:
        """Whether the witness existed; afterwards it does, unless we lack the permission to declare it."""

        def declare(channel: BlockingChannel) -> None:
            channel.exchange_declare(self._witness, "fanout", durable=False, auto_delete=True)
            channel.queue_bind(self.queue, self._witness)

        def look(channel: BlockingChannel) -> None:
            channel.exchange_declare(self._witness, passive=True)

        stood = _succeeds(connection, look, on_refusal=lambda _: None)
        _succeeds(connection, declare, on_refusal=lambda _: None)
        return stood

    def _bind(self, connection: pika.BlockingConnection, exchange: str) -> bool:
        def bind(channel: BlockingChannel) -> None:
            channel.exchange_declare(exchange, passive=True)
            for key in routing_keys(self._settings):
                channel.queue_bind(self.queue, exchange, key)

        return _succeeds(connection, bind, on_refusal=self._complain_once(exchange))

    def _complain_once(self, exchange: str) -> Callable[[BaseException], None]:
        def complain(error: BaseException) -> None:
            if exchange not in self._said_refused:
                self._said_refused.add(exchange)
                refusal = explain(error, self._settings)
                _log.error(
                    "queue %s cannot be bound to exchange %s. %s %s", self.queue, exchange, refusal, refusal.hint
                )

        return complain


def _succeeds(
    connection: pika.BlockingConnection,
    request: Callable[[BlockingChannel], object],
    *,
    on_refusal: Callable[[BaseException], None] | None = None,
) -> bool:
    """False if the target of a request does not exist or, with `on_refusal`, is not allowed.

    Uses a separate channel, which the broker closes in both cases.
    """
    channel = connection.channel()
    try:
        request(channel)
    except pika.exceptions.ChannelClosedByBroker as error:
        if is_missing(error):
            return False
        if on_refusal is not None and is_refused(error):
            on_refusal(error)
            return False
        raise
    channel.close()
    return True
