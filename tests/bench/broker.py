"""A private RabbitMQ node with the exchange that Nova publishes to, and a second queue next to the product's own."""

from __future__ import annotations

from collections.abc import Iterable
from types import TracebackType
from typing import Any, Self

import pika

from cos_update.listener.topology import queue_arguments, queue_name
from cos_update.model.settings import BrokerSettings
from tests.integration.rabbit import RabbitNode

EXCHANGE = "nova"
BARE_QUEUE = "bare"
_PERSISTENT = pika.BasicProperties(content_type="application/json", content_encoding="utf-8", delivery_mode=2)


class Broker:
    """The node from `with` to its end. The product's queue is there once a listener has run."""

    def __init__(self) -> None:
        self._node = RabbitNode().start()
        self.settings = BrokerSettings(("127.0.0.1",), "guest", "guest", port=self._node.port)
        parameters = pika.ConnectionParameters("127.0.0.1", self._node.port, heartbeat=0)
        self._connection = pika.BlockingConnection(parameters)
        self._channel: Any = self._connection.channel()
        self._channel.exchange_declare(EXCHANGE, "topic", durable=False)
        self._channel.queue_declare(BARE_QUEUE, durable=True, arguments=queue_arguments(self.settings))

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._node.close()

    @property
    def section(self) -> dict[str, object]:
        """The section rmq of the configuration."""
        return {
            "rmq_address": "127.0.0.1",
            "rmq_port": self._node.port,
            "rmq_username": self.settings.username,
            "rmq_password": self.settings.password,
        }

    def bind_bare_queue(self, *, bound: bool) -> None:
        """Whether the second queue gets what is published."""
        for topic in self.settings.topics:
            (self._channel.queue_bind if bound else self._channel.queue_unbind)(BARE_QUEUE, EXCHANGE, f"{topic}.info")

    def publish(self, messages: Iterable[tuple[str, bytes]]) -> None:
        """Publishes (routing key, body), persistent as the services' own; returns when the broker has them."""
        for routing_key, body in messages:
            self._channel.basic_publish(EXCHANGE, routing_key, body, _PERSISTENT)
        # An answer to a question asked last says that all before it has arrived.
        self._channel.queue_declare(BARE_QUEUE, passive=True)

    def is_served(self) -> bool:
        """Whether somebody consumes the product's queue, and nothing waits in it."""
        found = self._channel.queue_declare(queue_name(self.settings), passive=True).method
        return bool(found.consumer_count and not found.message_count)
