"""Both fakes in separate processes, a broker, and listeners as processes, for fault injection."""

from __future__ import annotations

import json
import random
from collections.abc import Callable, Iterable
from pathlib import Path
from types import TracebackType
from typing import Any

from bus import Bus, Message, notification
from hands import key
from listening import QUEUE, Listener, in_step, messages, queues, rmq
from rabbit import RabbitNode, wait_for
from world import World, shown, wanted

from cos_update.fakes import Sandbox
from cos_update.fakes.concertim import ConcertimApp
from cos_update.fakes.openstack import OpenStackApp
from cos_update.fakes.openstack.records import Server
from cos_update.fakes.openstack.state import CloudState
from cos_update.model.kinds import ResourceKind
from cos_update.observability.heartbeat import file_of
from cos_update.store import Resync, ViewStore

SHOWN_AS = {"active": "ACTIVE", "stopped": "STOPPED", "suspended": "SUSPENDED", "error": "FAILED"}
"""The states that servers take here, and what Concertim shows of them."""
IMPATIENT = Path(__file__).with_name("impatient.py")

Deploy = Callable[..., "Deployment"]


class Deployment:
    """In step from the start; what is still running at the end is killed. `rmq_port`: of a proxy before the broker."""

    def __init__(
        self,
        cloud: CloudState,
        broker: RabbitNode,
        folder: Path,
        *,
        rmq_port: int | None = None,
        prefetch: int = 20_000,
        max_length: int = 100_000,
        **settings: object,
    ) -> None:
        self.world = World(OpenStackApp(cloud), ConcertimApp(), folder)
        self.cloud = cloud
        self.broker = broker
        self.openstack, self.concertim = Sandbox(self.world.openstack), Sandbox(self.world.concertim)
        section = {"rmq_port": rmq_port or broker.port, "prefetch": prefetch, "max_length": max_length}
        self._settings = {"rmq": rmq(broker, **section), **settings}
        self._queues = queues(broker, QUEUE)
        self._listeners: list[Listener] = []
        self._store = ViewStore(self.world.data_dir, "test")

    def __enter__(self) -> Deployment:
        self._queues.__enter__()
        self.openstack.start()
        self.concertim.start()
        self.world.add_owners()
        self.world.configure(**self._settings)
        self.world.bulk()
        self.world.concertim.wire.reset()
        self.world.openstack.wire.reset()
        self.bus = Bus(self.broker)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        for listener in self._listeners:
            listener.kill()
        self.openstack.stop()
        self.concertim.stop()
        self._queues.__exit__(kind, error, trace)

    @property
    def servers(self) -> list[Server]:
        """All servers, in no changing order."""
        return sorted(self.cloud.servers.values(), key=lambda server: server.name)

    def listen(self, *, impatient: bool = False) -> Listener:
        """Starts a listener; an `impatient` one has shorter waits."""
        program = (str(IMPATIENT),) if impatient else ("-m", "cos_update")
        self._listeners.append(Listener(self.world, program=program))
        return self._listeners[-1]

    def consume(self, *, impatient: bool = False) -> Listener:
        """Starts a listener, and waits until it consumes and has requested the resync of every start."""
        listener = self.listen(impatient=impatient).consuming(self.broker)
        wait_for(self.resync, what="the request for a resync")
        self.forget_resync()
        return listener

    def resync(self) -> Resync | None:
        """The requested resync."""
        return self._store.resync()

    def forget_resync(self) -> None:
        """As after a pass."""
        if request := self._store.resync():
            self._store.clear_resync(request)

    def change(self, count: int, chance: random.Random) -> list[Server]:
        """So many servers get another state."""
        servers = chance.sample(self.servers, count)
        for server in servers:
            others = [state for state in SHOWN_AS if state != server.vm_state]
            self.cloud.set_server_state(server, chance.choice(others))
        return servers

    def tell(self, servers: Iterable[Server], times: int = 1, chance: random.Random | None = None) -> int:
        """Publishes events about each server, `times` times, shuffled if there is a `chance`; returns their number."""
        events = self.events(servers, times)
        if chance is not None:
            chance.shuffle(events)
        self.bus.publish_all(events)
        return len(events)

    def events(self, servers: Iterable[Server], times: int = 1) -> list[Message]:
        """Events of all kinds about servers."""
        keys = [key(ResourceKind.SERVER, server) for server in servers]
        return [notification(item, number) for number in range(times) for item in keys]

    def ready(self) -> int:
        """Messages that the broker has given to nobody."""
        with self.broker.channel() as channel:
            return int(channel.queue_declare(QUEUE, passive=True).method.message_count)

    def log(self) -> str:
        """What the listener has logged."""
        path = self.world.folder / "log" / "updates_mq.log"
        return path.read_text() if path.exists() else ""

    def heartbeat(self) -> dict[str, Any]:
        """What the listener's heartbeat tells in detail."""
        return dict(json.loads(file_of(self.world.data_dir, "listen").read_text())["details"])

    def is_right(self) -> bool:
        """Whether Concertim shows of every server what is to be shown, without asking anybody."""
        devices = self.world.concertim.state.devices.values()
        found = {device.metadata.get("openstack_instance_id"): device.status for device in devices}
        return all(found.get(server.id) == SHOWN_AS[server.vm_state] for server in self.cloud.servers.values())

    def settle(self, timeout: float = 60) -> None:
        """Waits until Concertim shows the servers' states, and the broker has all acks."""
        wait_for(self.is_right, timeout=timeout, what="the right state")
        self.wait_acked(timeout)

    def wait_acked(self, timeout: float = 60) -> None:
        """Waits until the broker holds no message of ours."""
        wait_for(lambda: messages(self.broker) == 0, timeout=timeout, what="the last acks")

    def check(self) -> None:
        """The end state is right in every detail, and Concertim never had a reason to refuse anything."""
        refused = self.world.concertim.refusals
        assert not refused, f"refused: {refused}"
        there, due = shown(self.world.actual()), wanted(self.world.desired())
        wrong = {item: (there.get(item), due.get(item)) for item in there | due if there.get(item) != due.get(item)}
        assert not wrong, "shown, and what should be: " + str(wrong)
        in_step(self.world)
