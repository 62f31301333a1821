"""Notifications as OpenStack's services send them, derived from real ones, and a bus to send them on."""

from __future__ import annotations

import json
from collections.abc import Iterable
from dataclasses import dataclass
from functools import cache
from pathlib import Path

import pika

from cos_update.model.events import Key
from cos_update.model.kinds import ResourceKind
from cos_update.openstack.notifications import parse
from tests.integration.rabbit import RabbitNode

FIXTURE = Path(__file__).parents[2] / "fixtures" / "notifications.jsonl"
EXCHANGES = ("nova", "heat", "neutron", "openstack", "keystone", "glance")


@dataclass(frozen=True)
class Message:
    """One message, and where it is published."""

    exchange: str
    routing_key: str
    body: bytes


@cache
def captured() -> dict[str, Message]:
    """One real message of each type, by event type."""
    found = {}
    for line in FIXTURE.read_text().splitlines():
        record = json.loads(line)
        message = Message(record["exchange"], record["routing_key"], record["body"].encode())
        found[parse(message.body).type] = message
    return found


def message(event_type: str, *keys: Key, bare: bool = False) -> Message:
    """A message of that type about these objects; `bare` in the older envelope."""
    template = captured()[event_type]
    body = template.body.decode()
    for old, new in zip(parse(template.body).keys, keys, strict=True):
        body = body.replace(old.id, new.id)
        if old.project_id:
            body = body.replace(old.project_id, new.project_id)
    if bare:
        body = json.loads(body)["oslo.message"]
    return Message(template.exchange, template.routing_key, body.encode())


TYPES = {
    ResourceKind.SERVER: (
        "compute.instance.update",
        "instance.update",
        "compute.instance.power_off.end",
        "instance.delete.end",
    ),
    ResourceKind.STACK: (
        "orchestration.stack.update.end",
        "orchestration.stack.create.error",
        "orchestration.stack.delete.end",
    ),
    ResourceKind.VOLUME: ("volume.update.end", "volume.delete.end"),
    ResourceKind.NETWORK: ("network.update.end", "subnet.create.end"),
    ResourceKind.FLAVOR: ("flavor.update",),
    ResourceKind.PROJECT: ("identity.role_assignment.created",),
}
"""Types that name one object of a kind, and nothing else."""


def notification(key: Key, number: int = 0) -> Message:
    """Some message about an object."""
    types = TYPES[key.kind]
    return message(types[number % len(types)], key, bare=number % 3 == 0)


class Bus:
    """The services' side of a broker: their exchanges, and what they publish, confirmed."""

    def __init__(self, node: RabbitNode) -> None:
        self._node = node
        with node.channel() as channel:
            for exchange in EXCHANGES:
                channel.exchange_declare(exchange, "topic", durable=False)

    def publish(self, *messages: Message) -> None:
        """Publishes in order."""
        self.publish_all(messages)

    def publish_all(self, messages: Iterable[Message]) -> None:
        """The same of many; returns when the broker has them all."""
        with self._node.channel() as channel:
            channel.confirm_delivery()
            for item in messages:
                channel.basic_publish(item.exchange, item.routing_key, item.body, pika.BasicProperties(delivery_mode=2))

    def tell(self, *keys: Key) -> None:
        """Publishes some message about each of these objects."""
        self.publish_all(notification(key, number) for number, key in enumerate(keys))
