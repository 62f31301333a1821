"""Fixtures of the listener's broker tests."""

from __future__ import annotations

import uuid
from collections.abc import Callable, Iterator
from dataclasses import replace
from typing import Any

import listening
import pytest
from bus import Bus
from listener_probe import Listener, Services
from rabbit import RabbitNode
from world import World

from cos_update.model.settings import BrokerSettings


@pytest.fixture
def services(broker: RabbitNode) -> Services:
    return Services(broker)


@pytest.fixture
def settings(broker: RabbitNode) -> Iterator[BrokerSettings]:
    """Settings with a queue of this test's own, which is deleted afterwards."""
    queue = f"test-{uuid.uuid4().hex[:8]}"
    yield BrokerSettings(
        hosts=("127.0.0.1",), username="guest", password="guest", port=broker.port, queue=queue, heartbeat=10
    )
    broker.reset()
    with broker.channel() as channel:
        for name in (queue, f"{queue}-0", f"{queue}-1"):
            channel.queue_delete(name)


@pytest.fixture
def listen(settings: BrokerSettings) -> Iterator[Callable[..., Listener]]:
    """Makes listeners out of the settings, with changes: `listen(prefetch=5, acking=False)`."""
    listeners: list[Listener] = []
    fields = set(BrokerSettings.__dataclass_fields__)

    def make(**options: Any) -> Listener:
        changes = {name: options.pop(name) for name in fields & options.keys()}
        listener = Listener(replace(settings, **changes), **options)
        listeners.append(listener)
        return listener.start()

    yield make
    for listener in listeners:
        assert listener.consumer.stop(15), "the consumer does not stop"


@pytest.fixture
def bus(broker: RabbitNode, world: World) -> Bus:
    return Bus(broker)


@pytest.fixture
def listener(world: World, broker: RabbitNode) -> Iterator[Callable[..., listening.Listener]]:
    """Starts `cos-update listen` in the test's world, and waits until it consumes."""
    started: list[listening.Listener] = []

    def begin(*arguments: str) -> listening.Listener:
        started.append(listening.Listener(world, *arguments))
        return started[-1].consuming(broker)

    yield begin
    for process in started:
        process.kill()
