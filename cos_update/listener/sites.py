"""The listener of one of several machines: one listener for each shard that it holds.

Only the machine that holds a shard consumes its queue; meanwhile messages wait in the broker. Before the first message,
a pass does what the previous holder may have left undone.
"""

from __future__ import annotations

import logging
import threading
import time
import traceback
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from typing import Any

from cos_update.concertim.client import ConcertimClient
from cos_update.coordination.site import Grant, Site
from cos_update.listener.service import Listener, Task
from cos_update.listener.status import ListenerStatus
from cos_update.model.errors import CosUpdateError, LockedError
from cos_update.model.settings import BrokerSettings
from cos_update.observability.heartbeat import DaemonStatus
from cos_update.observability.observer import Observer, ObserverGroup, StatusObserver
from cos_update.observability.repeats import RepeatSuppressor
from cos_update.store import ViewStore
from cos_update.sync.in_hand import InHand
from cos_update.sync.reconciler import run_pass
from cos_update.sync.services import RunOptions, Services
from cos_update.sync.sharing import details, figures, granted, standing_by

log = logging.getLogger("cos_update.listen")

LOOK = 0.25
"""Seconds between two checks of what is held."""
CATCH_UP_LOOK = 1.0
"""Seconds between two checks whether a pass was made for what was taken over."""
AFTER_FAILURE = 5.0
"""Seconds until the listener of a shard is restarted after an error."""
IDLE_LIMIT = 60.0
"""Seconds without a check of what is held after which the thread hangs."""


@dataclass(frozen=True, slots=True)
class _Hand:
    """A shard that is listened to: the epoch of its lease, its listener's thread, and the event that ends it."""

    epoch: str
    thread: threading.Thread
    end: threading.Event


class SiteListener:
    """Listens for all shards that this machine holds."""

    def __init__(self, services: Services, site: Site, broker: BrokerSettings, queue: str | None = None) -> None:
        self._services = services
        self._site = site
        self._broker = broker
        self._queue = queue
        self._hands: dict[int, _Hand] = {}
        self._passing = threading.Lock()
        self._repeats = RepeatSuppressor(log)
        self.status = SiteStatus(services)

    def run(self, stop: threading.Event, observer: Observer) -> None:
        """Listens until `stop` is set; then finishes work in progress within shutdown_timeout."""
        self._site.wait_ready()
        if not self._site.epochs():
            log.info("standing by: %s", standing_by(self._services))
        try:
            while not stop.is_set():
                self.status.moved()
                self._turn(observer)
                stop.wait(LOOK)
        finally:
            for hand in self._hands.values():
                hand.end.set()
            deadline = time.monotonic() + self._services.settings.shutdown_timeout
            for hand in self._hands.values():
                hand.thread.join(max(0.0, deadline - time.monotonic()))

    def _turn(self, observer: Observer) -> None:
        held = self._site.epochs()
        for shard, hand in tuple(self._hands.items()):
            if held.get(shard) != hand.epoch:
                hand.end.set()
            if not hand.thread.is_alive():
                del self._hands[shard]
        for shard in held.keys() - self._hands.keys():
            epoch, end = held[shard], threading.Event()
            thread = threading.Thread(
                target=self._listen, args=(shard, epoch, end, observer), name=f"shard-{shard}", daemon=True
            )
            self._hands[shard] = _Hand(epoch, thread, end)
            thread.start()

    def _listen(self, shard: int, epoch: str, end: threading.Event, observer: Observer) -> None:
        try:
            with self._site.share(only=shard) as grant:
                if grant is not None and grant.epochs[shard] == epoch:
                    self._listen_under(grant, shard, end, observer)
        except CosUpdateError as error:
            self._failed(shard, f"{error} {error.hint}")
            end.wait(AFTER_FAILURE)
        except Exception:
            self._failed(shard, traceback.format_exc())
            end.wait(AFTER_FAILURE)
        finally:
            self.status.leave(shard)

    def _failed(self, shard: int, reason: str) -> None:
        text = "shard %d is not listened to: %s"
        self._repeats.failed(str(shard), text, shard, reason, level=logging.ERROR)

    def _listen_under(self, grant: Grant, shard: int, end: threading.Event, observer: Observer) -> None:
        if not self._caught_up(grant, end, observer):
            return
        services = self._services
        with ConcertimClient(services.concertim_settings, self._site.fence) as concertim:
            store = ViewStore(services.store.path.parent, f"listen-{shard}")
            own = replace(services, concertim=concertim, store=store, grant=grant, in_hand=InHand())
            broker = replace(self._broker, shard_index=shard, shard_count=self._site.settings.shards)
            listener = Listener(own, broker, Task(self._queue, resync=True))
            self.status.join(shard, listener.status)
            self._repeats.over(str(shard), f"shard {shard} that was not listened to")
            log.info("listening for shard %d of %d", shard, self._site.settings.shards)
            listener.run(end, ObserverGroup(observer, listener.status))

    def _caught_up(self, grant: Grant, end: threading.Event, observer: Observer) -> bool:
        """Waits until a pass was made under this lease: by bulk if it runs, else here."""
        while not end.is_set():
            if self._site.has_read(grant):
                return True
            with self._passing:
                if not self._site.has_read(grant) and not end.is_set():
                    self._pass(end, observer)
            if not self._site.has_read(grant):
                end.wait(CATCH_UP_LOOK)
        return False

    def _pass(self, end: threading.Event, observer: Observer) -> None:
        store = ViewStore(self._services.store.path.parent, "listen-resync")
        try:
            with store.sole("bulk"), granted(replace(self._services, store=store)) as own:
                if own is not None:
                    observer.pass_begins()
                    report, _ = run_pass(own, RunOptions(), end, observer)
                    observer.pass_ends(report)
        except LockedError:
            log.debug("bulk runs on this machine, and sees to what was taken over")
        except CosUpdateError as error:
            observer.pass_failed(error)


_SUMMED = frozenset(
    {
        "queue_messages", "unacked_messages", "messages", "reconnects", "keys_dirty", "keys_processing", "keys_waiting",
    }
)  # fmt: skip


class SiteStatus(StatusObserver):
    """The heartbeat of a listener of several shards, which combines theirs."""

    def __init__(self, services: Services, clock: Callable[[], float] = time.monotonic) -> None:
        self._services = services
        self._clock = clock
        self._moved = clock()
        self._lock = threading.Lock()
        self._parts: dict[int, ListenerStatus] = {}

    def moved(self) -> None:
        """Notes that the thread that checks what is held is alive."""
        self._moved = self._clock()

    def join(self, shard: int, status: ListenerStatus) -> None:
        """Adds a shard."""
        with self._lock:
            self._parts[shard] = status

    def leave(self, shard: int) -> None:
        """Removes a shard."""
        with self._lock:
            self._parts.pop(shard, None)

    def collect(self) -> DaemonStatus:
        with self._lock:
            parts = dict(sorted(self._parts.items()))
        found = {shard: status.collect() for shard, status in parts.items()}
        idle, limit = self._clock() - self._moved, IDLE_LIMIT
        for status in found.values():
            if status.idle * limit > idle * status.stuck_after:
                idle, limit = status.idle, status.stuck_after
        text = "; ".join(f"shard {shard}: {status.text}" for shard, status in found.items())
        together = _together([status.details for status in found.values()])
        return DaemonStatus(
            text=text or f"standing by, {standing_by(self._services)}",
            idle=idle,
            stuck_after=limit,
            details={"connected": False, **together, **details(self._services)},
        )

    def figures(self) -> Mapping[str, float]:
        with self._lock:
            parts = tuple(self._parts.values())
        return {"connected": 0.0, **_together([part.figures() for part in parts]), **figures(self._services)}


def _together(parts: list[Mapping[str, Any]]) -> dict[str, Any]:
    """Combines figures: counts are added, times take the latest, and `connected` requires all to be connected."""
    found: dict[str, Any] = {}
    for name in dict.fromkeys(name for part in parts for name in part):
        values = [part[name] for part in parts if part.get(name) is not None]
        if not values:
            found[name] = None
        elif name in _SUMMED:
            found[name] = sum(values)
        elif name in ("connected", "connected_since"):
            found[name] = min(values) if len(values) == len(parts) else None
        elif isinstance(values[0], int | float):
            found[name] = max(values)
        else:
            found[name] = values[0]
    return found
