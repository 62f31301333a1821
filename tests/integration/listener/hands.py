"""The listener's workers without a broker: keys are added, processed in this process, and acks are recorded."""

from __future__ import annotations

import threading
from types import TracebackType

import yaml

from cos_update.concertim.client import ConcertimClient
from cos_update.listener.attempt import WorkContext
from cos_update.listener.cache import StateCache
from cos_update.listener.dead_letters import DeadLetters
from cos_update.listener.delivery import DeliveryTag
from cos_update.listener.worker import Worker
from cos_update.listener.workqueue import WorkQueue
from cos_update.model.events import Event, Key
from cos_update.model.kinds import ResourceKind
from cos_update.model.settings import CloudSettings, ConcertimSettings, Settings
from cos_update.observability.run_log import RunLog
from cos_update.openstack.inventory import CloudReader
from cos_update.openstack.single_objects import ObjectReader
from cos_update.store import ViewStore
from cos_update.sync.services import Services
from tests.integration.rabbit import wait_for
from tests.integration.world import World


class Hands:
    """A worker on a world, from `with` to its end. `asked` are the reasons for resyncs."""

    def __init__(self, world: World, process: str = "listen") -> None:
        auth = yaml.safe_load((world.folder / "config.yaml").read_text())["openstack"]
        auth.pop("retries")
        cloud = CloudReader(CloudSettings(auth=auth, retries=1), sleep=lambda _: None)
        concertim = ConcertimSettings(world.concertim.url, "admin", "admin", retries=1)
        self.store = ViewStore(world.data_dir, process)
        self.services = Services(
            cloud, ConcertimClient(concertim), self.store, Settings(data_dir=world.data_dir), concertim
        )
        self.objects = ObjectReader(cloud.sessions, cloud.settings)
        self.cache = StateCache(self.services, self.objects, lambda _: True)
        self.acked: list[int] = []
        self.asked: list[str] = []
        self._told = 0
        self.queue: WorkQueue[Key] = WorkQueue(base_delay=0.02, max_delay=0.2)
        self._stop = threading.Event()
        self.worker = Worker(
            self.cache,
            WorkContext(self.services, self.objects, self.cache.synced, self._stop, RunLog()),
            self.queue,
            DeadLetters(world.data_dir),
            lambda delivery_tags: self.acked.extend(delivery_tag.tag for delivery_tag in delivery_tags),
            self.asked.append,
            settles=False,
        )

    def __enter__(self) -> Hands:
        self.cache.load()
        self.worker.start(3)
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, _: TracebackType | None) -> None:
        self._stop.set()
        self.queue.shut_down(discard=True)
        self.queue.wait_idle(10)
        self.objects.close()
        self.services.concertim.close()
        self.services.cloud.close()

    def tell(self, *keys: Key, wait: bool = True) -> None:
        """One notification about these keys; by default waits until it is processed and acknowledged."""
        self._told += 1
        self.worker.note(Event("test", keys=keys), DeliveryTag(1, self._told))
        if wait:
            self.settled()

    def settled(self, timeout: float = 30) -> None:
        """Waits until nothing is left to do; then every message was acknowledged, once."""
        assert self.queue.wait_idle(timeout), self.queue.stats()
        wait_for(lambda: len(self.acked) >= self._told, what="the last acks")
        assert sorted(self.acked) == list(range(1, self._told + 1))


def key(kind: ResourceKind, thing: object) -> Key:
    """The key of a thing of the cloud's state."""
    project = getattr(thing, "project_id", None) or getattr(thing, "user_project_id", "")
    return Key(kind, str(thing.id), str(project))  # type: ignore[attr-defined]
