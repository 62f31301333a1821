"""A consumer under observation, and services that publish."""

from __future__ import annotations

import threading
from typing import Any

import pika
from rabbit import RabbitNode, wait_for

from cos_update.listener.consumer import BrokerConsumer, Timing
from cos_update.listener.delivery import Delivery
from cos_update.model.settings import BrokerSettings
from cos_update.retry import Backoff

QUICK = Timing(retry=Backoff(0.05, 0.3), exchange_poll=0.2, depth_poll=0.2, settle=0.5)


class Listener:
    """A consumer and all that it said. Acknowledges at once when `acking`."""

    def __init__(self, settings: BrokerSettings, *, acking: bool = True, **options: Any) -> None:
        self.deliveries: list[Delivery] = []
        self.gaps: list[str] = []
        self.acking = acking
        self.generations: set[int] = set()
        self.consumer = BrokerConsumer(
            settings,
            options.pop("on_message", self._on_message),
            options.pop("on_gap", self.gaps.append),
            timing=options.pop("timing", QUICK),
            **options,
        )

    def start(self) -> Listener:
        self.consumer.start()
        return self

    def ready(self) -> Listener:
        assert self.consumer.wait_serving(15), self.consumer.status()
        return self

    def bodies(self) -> list[bytes]:
        return [delivery.body for delivery in self.deliveries]

    def wait_bodies(self, expected: list[bytes]) -> None:
        wait_for(lambda: len(self.deliveries) >= len(expected), what=f"{len(expected)} messages")
        assert self.bodies() == expected

    def wait_gap(self, text: str) -> None:
        wait_for(lambda: any(text in gap for gap in self.gaps), what=f"a gap because of {text!r}")

    def wait_error(self, text: str) -> None:
        wait_for(lambda: text in (self.consumer.status().error or ""), what=f"the error {text!r}")

    def _on_message(self, delivery: Delivery) -> None:
        assert threading.current_thread().name == "broker"
        self.deliveries.append(delivery)
        self.generations.add(delivery.generation)
        if self.acking:
            self.consumer.ack([delivery.delivery_tag])


class Services:
    """Publishes as OpenStack's services do; every message is confirmed by the broker before `publish` returns."""

    def __init__(self, node: RabbitNode) -> None:
        self._node = node

    def declare(self, *exchanges: str) -> None:
        with self._node.channel() as channel:
            for exchange in exchanges:
                channel.exchange_declare(exchange, "topic", durable=False)

    def publish(self, *bodies: bytes, exchange: str = "nova", key: str = "notifications.info") -> list[bytes]:
        with self._node.channel() as channel:
            channel.confirm_delivery()
            for body in bodies:
                channel.basic_publish(exchange, key, body, pika.BasicProperties(delivery_mode=2))
        return list(bodies)
