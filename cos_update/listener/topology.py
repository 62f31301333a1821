"""What we need of the broker: our queue, bound to the services' exchanges; or somebody's queue, left as it is.

OpenStack's exchanges are its own: they are looked up, never declared. They are not durable, so that a broker's restart
takes them away, and our bindings with them, until each service publishes again.
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
"""Failures are published under `error`, and nowhere else."""

_DELIVERY_LIMIT = 1_000_000
"""Since RabbitMQ 4.0 a quorum queue drops a message at its 21st delivery, unless told otherwise; -1 is not
understood by older releases."""

_NEARLY_FULL = 0.95

_STARTED = "the listener started"


class Topology(Protocol):
    """The queue that is consumed, and all that must be in place around it. Used by the consumer's thread only."""

    @property
    def queue(self) -> str:
        """The name of the queue."""

    @property
    def missing(self) -> tuple[str, ...]:
        """The exchanges that are not bound at present."""

    @property
    def drops_oldest_first(self) -> bool:
        """Whether a message that is still there proves that all younger ones are."""

    def establish(self, connection: pika.BlockingConnection) -> str:
        """Puts everything in place on a new connection.

        Returns why messages may have been lost since the last one, or "". Raises BrokerError, or pika's exceptions.
        """

    def look_again(self, connection: pika.BlockingConnection) -> str:
        """Checks again for what was missing. Returns why messages may have been lost, or ""."""

    def is_overflowing(self, depth: int) -> bool:
        """True when a queue that holds `depth` messages drops old ones, or is close to it."""


def topology(settings: BrokerSettings, existing_queue: str | None) -> Topology:
    """The existing queue of that name if there is one given, else our own queue."""
    return ExistingQueue(existing_queue) if existing_queue else OwnQueue(settings)


def queue_name(settings: BrokerSettings) -> str:
    """The name of our own queue; each shard has its own."""
    return settings.queue if settings.shard_count <= 1 else f"{settings.queue}-{settings.shard_index}"


def queue_arguments(settings: BrokerSettings) -> dict[str, object]:
    """The `x-` arguments of our own queue. It is bounded in length and life, for the broker is the cloud's."""
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
    """What OpenStack publishes under: `<topic>.<priority>` (oslo.messaging)."""
    return tuple(f"{topic}.{priority}" for topic in settings.topics for priority in PRIORITIES)


def declare_queue(channel: BlockingChannel, settings: BrokerSettings) -> None:
    """Declares our own queue, which changes nothing of one that is there. The broker refuses if that is another."""
    channel.queue_declare(queue_name(settings), durable=True, arguments=queue_arguments(settings))


def depth(channel: BlockingChannel, queue: str) -> int:
    """Messages that wait in a queue. A queue that is not there closes the channel."""
    return int(channel.queue_declare(queue, passive=True).method.message_count)


class ExistingQueue:
    """A queue that somebody set aside for us: nothing is declared, nothing is bound."""

    def __init__(self, name: str) -> None:
        self.queue = name
        self.missing: tuple[str, ...] = ()
        self.drops_oldest_first = False
        self._gap = _STARTED

    def establish(self, connection: pika.BlockingConnection) -> str:
        """Sees that the queue is there."""
        if not _succeeds(connection, lambda channel: channel.queue_declare(self.queue, passive=True)):
            raise BrokerError(
                f"There is no queue {self.queue!r}",
                "An existing queue is never declared by the listener: check its name (`rabbitmqctl list_queues`), "
                "or leave out --queue.",
            )
        reason, self._gap = self._gap, ""
        return reason

    def look_again(self, connection: pika.BlockingConnection) -> str:
        return ""

    def is_overflowing(self, depth: int) -> bool:
        return False


class OwnQueue:
    """Our own queue, which takes nothing from any other.

    A broker that restarted has lost the services' exchanges and our bindings to them, but when the services were back
    before us, nothing shows it. So a *witness* stands beside them: an exchange of our own that is no more durable than
    theirs. As long as it is there, so are the bindings. It goes with the queue, being deleted automatically.
    """

    def __init__(self, settings: BrokerSettings) -> None:
        self.queue = queue_name(settings)
        self.missing: tuple[str, ...] = settings.exchanges
        # An operator's policy cannot change the overflow behaviour that a classic queue was declared with; of a quorum
        # queue it can, to reject-publish (RabbitMQ 3.10 to 4.x).
        self.drops_oldest_first = settings.queue_type == "classic"
        self._settings = settings
        self._witness = f"{self.queue}.witness"
        self._gap = _STARTED
        self._said_missing: tuple[str, ...] = ()
        self._said_refused: set[str] = set()

    def establish(self, connection: pika.BlockingConnection) -> str:
        """Declares the queue, and binds it to those exchanges that are there.

        What was found missing is owed to the caller until a call succeeds, however many fail before.
        """
        if not _succeeds(connection, lambda channel: channel.queue_declare(self.queue, passive=True)):
            self._gap = self._gap or f"queue {self.queue} was gone"
        self._declare(connection)
        if not self._witness_stood(connection):
            self._gap = self._gap or "the broker lost its exchanges, and our bindings with them"
        late = self.look_again(connection)
        reason, self._gap = self._gap or late, ""
        return reason

    def look_again(self, connection: pika.BlockingConnection) -> str:
        """Binds to every exchange that is there: to bind once more does no harm, and restores what others unbound."""
        absent = tuple(name for name in self._settings.exchanges if not self._bind(connection, name))
        appeared = ", ".join(name for name in self.missing if name not in absent)
        self.missing = absent
        if appeared:
            _log.info("queue %s is bound to %s", self.queue, appeared)
        if absent != self._said_missing:
            self._said_missing = absent
            _log.info("exchanges that are not there, and are looked for again: %s", ", ".join(absent) or "none")
        return f"exchange {appeared} appeared" if appeared else ""

    def is_overflowing(self, depth: int) -> bool:
        """True from 95 % of the greatest length on: it may have been full since the last look."""
        return depth >= self._settings.max_length * _NEARLY_FULL

    def _declare(self, connection: pika.BlockingConnection) -> None:
        channel = connection.channel()
        try:
            declare_queue(channel, self._settings)
        except pika.exceptions.ChannelClosedByBroker as error:
            raise explain(error, self._settings) from error
        channel.close()

    def _witness_stood(self, connection: pika.BlockingConnection) -> bool:
        """Whether the witness was there; it is afterwards, unless we lack the permission to declare it."""

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
    """False when what a request asks for is not there, or, if `on_refusal` is given, not allowed.

    It is made on a channel of its own, for the broker closes the channel in both cases.
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
