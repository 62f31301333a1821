"""A listener that follows a cloud, while the broker drops what it could not deliver.

The real listener runs in this process, with shorter waits, on a real broker. Full passes run only because the listener
asks for them.
"""

from __future__ import annotations

import contextlib
import json
import random
import threading
import time
import uuid
from collections.abc import Callable, Iterable, Iterator
from functools import partial
from unittest import mock

import pika.exceptions
from hypothesis import strategies as st

from cos_update.fakes.wire import Recorded
from cos_update.listener import consumer, housekeeping, service, worker
from cos_update.listener.topology import OwnQueue
from cos_update.model.concertim import OBJECT_ID, STACK_ID
from cos_update.model.kinds import ResourceKind
from cos_update.model.settings import BrokerSettings
from cos_update.observability.run_log import RunLog
from cos_update.openstack.notifications import parse
from cos_update.retry import Backoff
from cos_update.store import ViewStore
from cos_update.sync import daemon
from cos_update.sync.services import RunOptions
from tests.faults.listener.history import History
from tests.histories.broken import LostChange, WriteAtRest, WrongRemoval
from tests.histories.life import FAULTS, Life, rest
from tests.integration.listener.bus import EXCHANGES, Bus, Message, notification
from tests.integration.listener.hands import key
from tests.integration.rabbit import Proxy, RabbitNode, wait_for
from tests.integration.world import shown, wanted

POLICIES: dict[str, dict[str, object]] = {
    "expiring": {"message-ttl": 20},
    "bounded": {"max-length": 2},
    "refusing": {"max-length": 2, "overflow": "reject-publish"},
}
"""Those of an operator, for queues whose names begin so."""
LOSSES = ("nothing", "purged", "deleted", "made anew", "failed over") * 4
"""Losses of the queue, besides those by its policy, while nobody is connected."""
RESTARTED = "restarted"
"""Rare losses, since they take seconds."""
MOST_SECONDS = 240.0
"""So long it may take until Concertim is right, on a busy machine."""
SOON = Backoff(0.05, 0.2)
TIMING = consumer.Timing(retry=SOON, exchange_poll=0.3, depth_poll=0.3, settle=0.2)


class Broker:
    """A node with an operator's policies. It is restarted only if `restarts`, which takes seconds."""

    def __init__(self, node: RabbitNode, *, restarts: bool = True) -> None:
        self.node = node
        self.losses = (*LOSSES, RESTARTED) if restarts else LOSSES
        definitions = node.home / "policies.json"
        policies = [
            {
                "vhost": "/",
                "name": name,
                "pattern": f"^{name}-",
                "apply-to": "queues",
                "priority": 0,
                "definition": what,
            }
            for name, what in POLICIES.items()
        ]
        definitions.write_text(json.dumps({"policies": policies}))
        node.ctl("import_definitions", str(definitions))


class Follower:
    """A listener that follows a cloud through one chapter."""

    def __init__(self, life: Life, broker: Broker) -> None:
        draw = life.draw
        self._life = life
        self._draw = draw
        self._node = broker.node
        self._losses = broker.losses
        self._history = History(life.cloud, random.Random(draw(st.integers(0, 2**32))))
        self._proxy = Proxy(broker.node.port)
        self._runs_passes = draw(st.booleans())
        self._settings = BrokerSettings(
            hosts=("127.0.0.1",),
            username="guest",
            password="guest",
            port=self._proxy.port,
            queue=f"{draw(st.sampled_from(['plain', *POLICIES]))}-{uuid.uuid4().hex[:8]}",
            queue_type=draw(st.sampled_from(["classic", "quorum"])),
            exchanges=EXCHANGES,
        )
        self._bus = Bus(broker.node)
        self._stop = threading.Event()
        self._thread = threading.Thread()
        self._listener: service.Listener
        self._error: BaseException | None = None
        self._resized: set[str] = set()
        self._objects: dict[str, str] = {}
        self._past = 0
        self.disturbed: set[str] = set()
        """The sides that have faltered."""
        self.said: list[str] = []
        """What happened, in order, for the message of a failure."""

    def __enter__(self) -> Follower:
        self._proxy.__enter__()
        self._stack = contextlib.ExitStack()
        self._stack.callback(self._forget_queue)
        self._stack.callback(self._proxy.__exit__)
        if not self._runs_passes:
            self._stack.enter_context(self._bulk_beside())
        self._stack.callback(self.end)
        self.begin()
        return self

    def __exit__(self, *_: object) -> None:
        self._stack.close()

    def begin(self) -> None:
        """Starts the listener."""
        self._stop = threading.Event()
        begun = threading.Event()

        def run() -> None:
            try:
                with self._life.services("listen") as services:
                    task = service.Task(resync=self._runs_passes)
                    self._listener = service.Listener(services, self._settings, task)
                    begun.set()
                    self._listener.run(self._stop, RunLog())
            except BaseException as error:
                self._error = error
                raise

        self._thread = threading.Thread(target=run, name="listener", daemon=True)
        self._thread.start()
        assert begun.wait(MOST_SECONDS)

    def end(self) -> None:
        """Ends the listener as a signal would."""
        self._stop.set()
        self._thread.join(MOST_SECONDS)
        assert not self._thread.is_alive(), "the listener does not end"

    def happen(self, most: int) -> None:
        """Up to so many changes, which their services tell."""
        for _ in range(self._draw(st.integers(0, most))):
            self._see()
            before = self._flavors()
            messages = self._history.step()
            self._resized |= {item for item, flavor in self._flavors().items() if before.get(item, flavor) != flavor}
            self.said.append(", ".join(parse(message.body).type for message in messages))
            self._publish(messages)

    def interrupt(self) -> None:
        """The connection goes, and messages with it; it comes back."""
        draw = self._draw
        loss = draw(st.sampled_from(self._losses))
        how = draw(st.sampled_from(["cut", "cut amid a message", "ended"]))
        self.said.append(f"{how}, {loss}")
        if how == "cut amid a message":
            self._proxy.cut_after(draw(st.integers(1, 3000)))
            self.happen(2)
        self._proxy.accepting = False
        if how == "ended":
            self.end()
        self._proxy.cut()
        if draw(st.booleans()):
            wait_for(lambda: self._looked_at()[1] == 0, what="the end of the connection")
        self.happen(3)
        late = self._lose(loss)
        self.happen(3)
        # A pass of bulk that was done in part is made up for by the next one, which here never comes.
        with self._faltering() if self._runs_passes and draw(st.booleans()) else contextlib.nullcontext():
            self._proxy.accepting = True
            if how == "ended":
                self.begin()
            if late:
                self._wait(lambda: not self._listener.status.collect().details["connected"])
                self._bus = Bus(self._node)
                self.happen(2)

    @contextlib.contextmanager
    def _faltering(self) -> Iterator[None]:
        """One side falters for a moment, just when the listener makes up for its absence."""
        side, fault = self._draw(FAULTS)
        moment = self._draw(st.sampled_from([0.0, 0.2, 1.0]))
        self.said.append(f"{side} falters for {moment} s: {fault}")
        self.disturbed.add(side)
        faults = getattr(self._life.world, side).wire.faults
        faults.add(fault)
        try:
            yield
            time.sleep(moment)
        finally:
            faults.clear()

    def settle(self) -> None:
        """Waits until Concertim is right, and the broker has all acks. Raises LostChange, WrongRemoval."""
        self._wait(self._differences)
        self._wait(self._left_over)
        for method, path in () if "concertim" in self.disturbed else self._written():
            gone = self._objects.get(path.rsplit("/", 1)[-1], "")
            if method == "DELETE" and gone in self._life.held() | self._life.alive() and gone not in self._resized:
                raise WrongRemoval(f"{path} of {gone} after {self.said}")
        self._past = len(self._requests())

    def tell_nothing_new(self) -> None:
        """Messages about what has not changed. Raises WriteAtRest."""
        self._past = len(self._requests())
        cloud = self._life.cloud
        for kind, things in (
            (ResourceKind.SERVER, cloud.servers),
            (ResourceKind.VOLUME, cloud.volumes),
            (ResourceKind.NETWORK, cloud.networks),
            (ResourceKind.STACK, cloud.stacks),
        ):
            self._publish(notification(key(kind, thing)) for thing in list(things.values())[:2])
        self._wait(self._left_over)
        if written := self._written():
            raise WriteAtRest(f"{written} after {self.said}")

    def _wait(self, left: Callable[[], object]) -> None:
        """Waits until nothing is `left`. Raises LostChange."""
        until = time.monotonic() + MOST_SECONDS
        while found := left():
            assert self._error is None, self._error
            if time.monotonic() > until:
                raise LostChange(f"{found} after {self.said}")
            time.sleep(0.05)

    def _differences(self) -> object:
        """What is shown, and what should be, where that differs."""
        world = self._life.world
        there, due = shown(world.actual()), wanted(world.desired())
        return {item: (there.get(item), due.get(item)) for item in there | due if there.get(item) != due.get(item)}

    def _left_over(self) -> object:
        """What is left to do, if anything is."""
        details = self._listener.status.collect().details
        if not details["connected"] or not self._listener.is_all_done(self._stop):
            return details
        return ViewStore(self._life.world.data_dir, "test").resync()

    def _lose(self, loss: str) -> bool:
        """What the broker does, or has done to it; whether the services are not back yet, and cannot publish."""
        queue = self._settings.queue
        if self._draw(st.booleans()) and queue.startswith("expiring"):
            wait_for(lambda: self._looked_at()[0] == 0, what="the messages' end")
        with self._node.channel() as channel:
            if loss == "purged":
                channel.queue_purge(queue)
            elif loss in ("deleted", "made anew", "failed over"):
                channel.queue_delete(queue)
            if loss == "made anew":
                OwnQueue(self._settings).establish(channel.connection)
        if loss not in ("failed over", RESTARTED):
            return False
        if loss == RESTARTED:
            (self._node.kill if self._draw(st.booleans()) else self._node.stop)()
            self._node.start()
        self._node.lose_exchanges(*EXCHANGES)
        if late := self._draw(st.booleans()):
            return late
        self._bus = Bus(self._node)
        return False

    def _looked_at(self) -> tuple[int, int]:
        """The messages that wait in the queue, and its consumers; none when there is no such queue."""
        with self._node.channel() as channel:
            try:
                found = channel.queue_declare(self._settings.queue, passive=True).method
            except pika.exceptions.ChannelClosedByBroker:
                return 0, 0
            return found.message_count, found.consumer_count

    def _publish(self, messages: Iterable[Message]) -> None:
        """As services do, whom nothing that becomes of a message keeps from the next one."""
        for message in messages:
            with contextlib.suppress(pika.exceptions.NackError, pika.exceptions.ChannelClosedByBroker):
                self._bus.publish(message)

    def _see(self) -> None:
        """Which objects the devices and racks stand for."""
        state = self._life.world.concertim.state
        self._objects |= {device.id: device.metadata.get(OBJECT_ID, "") for device in state.devices.rows()}
        self._objects |= {rack.id: rack.metadata.get(STACK_ID, "") for rack in list(state.racks.values())}

    def _flavors(self) -> dict[str, str]:
        return {server.id: server.flavor.id for server in self._life.cloud.servers.values()}

    def _requests(self) -> list[Recorded]:
        return self._life.world.concertim.wire.requests

    def _written(self) -> list[tuple[str, str]]:
        """The writes since the last look."""
        requests = self._requests()[self._past :]
        return [(r.method, r.path) for r in requests if r.method != "GET" and "sign_in" not in r.path]

    def _forget_queue(self) -> None:
        with self._node.channel() as channel:
            channel.queue_delete(self._settings.queue)

    @contextlib.contextmanager
    def _bulk_beside(self) -> Iterator[None]:
        """`bulk` as a daemon that nothing but a request has run a second pass."""
        stop = threading.Event()

        def run() -> None:
            with self._life.services("bulk") as services:
                options = RunOptions(allow_deletes=True)
                daemon.run_forever(services, options, stop, 10**6, str, RunLog(), threading.Event())

        thread = threading.Thread(target=run, name="bulk", daemon=True)
        thread.start()
        try:
            yield
        finally:
            stop.set()
            thread.join(MOST_SECONDS)
            assert not thread.is_alive(), "bulk does not end"


def followed(life: Life, broker: Broker, *, is_first: bool) -> bool:
    """One chapter in which a listener follows the cloud; tells whether something disturbed that.

    Raises LostChange, WrongRemoval, WriteAtRest.
    """
    draw = life.draw
    for _ in range(draw(st.integers(1, 3))):
        life.something_happens()
    for project in life.projects:
        life.cloud.watch(project)
    noted = life.notes_of_hand()
    with _impatient(), Follower(life, broker) as follower:
        follower.settle()
        for _ in range(draw(st.integers(1, 3))):
            follower.happen(4)
            follower.interrupt()
            follower.settle()
        is_still = is_first and not follower.disturbed
        if is_still:
            follower.tell_nothing_new()
    if is_still:
        rest(life)
    if not noted & set(life.world.concertim.state.devices) <= life.notes_of_hand():
        raise LostChange("a note of somebody else's")
    return bool(follower.disturbed)


@contextlib.contextmanager
def _impatient() -> Iterator[None]:
    """Waits that are of the usual kind, but short."""
    with contextlib.ExitStack() as held:
        for module, name, value in (
            (service, "BrokerConsumer", partial(consumer.BrokerConsumer, timing=TIMING)),
            (consumer, "_TURN", 0.1),
            (housekeeping, "TURN", 0.05),
            (housekeeping, "RETRY", 0.2),
            (housekeeping, "AGAIN", SOON),
            (service, "LEARNING", SOON),
            (worker, "SETTLING", (0.1, 0.2, 0.3)),
            (worker, "LAGGING", 0.1),
            (daemon, "RESYNC_LOOK", 0.1),
            (daemon, "RELOAD_LOOK", 0.05),
        ):
            held.enter_context(mock.patch.object(module, name, value))
        yield
