"""The listener as a whole: starts and stops consumer, workers, housekeeper and watchdog.

Only this module knows in which order they may end.
"""

from __future__ import annotations

import logging
import os
import threading
import time
from collections.abc import Callable
from concurrent.futures import Future, wait
from dataclasses import dataclass

from cos_update.listener.attempt import WorkContext
from cos_update.listener.cache import StateCache
from cos_update.listener.connection import BrokerError
from cos_update.listener.consumer import BrokerConsumer
from cos_update.listener.dead_letters import DeadLetters
from cos_update.listener.delivery import Delivery
from cos_update.listener.housekeeping import Housekeeper
from cos_update.listener.status import ListenerStatus
from cos_update.listener.view_writer import ViewWriter
from cos_update.listener.watchdog import Check, Stall, Watchdog
from cos_update.listener.worker import Worker
from cos_update.listener.workqueue import WorkQueue
from cos_update.model.errors import CosUpdateError, MalformedNotification
from cos_update.model.events import Key
from cos_update.model.exit_codes import ExitCode
from cos_update.model.settings import BrokerSettings
from cos_update.model.shards import shard_of
from cos_update.observability.logs import shut_down
from cos_update.observability.observer import Observer
from cos_update.observability.repeats import RepeatSuppressor
from cos_update.observability.tally import Tally
from cos_update.openstack.notifications import parse
from cos_update.openstack.single_objects import ObjectReader
from cos_update.retry import Backoff
from cos_update.sync.apply import FINISHING
from cos_update.sync.services import Services

log = logging.getLogger("cos_update.listen")

LEARNING = Backoff(1.0, 30.0)
"""Seconds between two attempts to load the state, if one side is unreachable at the start."""
CONNECT_WAIT = 60.0
"""Seconds that a drain waits for the broker."""
POLL = 0.1
GRACE = 0.5
"""Seconds for threads without work in progress to end by themselves."""
CLOSING = 5.0
"""Seconds for sending the last acks, without which the broker redelivers the messages."""


@dataclass(frozen=True, slots=True)
class Task:
    """The options of a listener: the existing queue to consume (None: its own), whether to end when all work is done,
    and whether to run resyncs itself."""

    queue: str | None = None
    drain: bool = False
    resync: bool = False


class Listener:
    """One run of the listener. Its status is available at any time."""

    def __init__(self, services: Services, broker: BrokerSettings, task: Task) -> None:
        self._services = services
        self._task = task
        self._broker = broker
        cloud = services.cloud.settings
        self._objects = ObjectReader(services.cloud.sessions, cloud)
        self._cache = StateCache(services, self._objects, self._is_mine)
        self._dead_letters = DeadLetters(services.settings.data_dir)
        self._queue: WorkQueue[Key] = WorkQueue(base_delay=0.5, max_delay=20.0)
        self._consumer = BrokerConsumer(
            broker, self._on_message, self._on_gap, existing_queue=task.queue, on_turn=self._on_turn
        )
        self._bad = Tally(log, "messages are set aside")
        stuck_after = services.concertim_settings.timeout + cloud.timeout + 60.0
        self._keys = Check("keys", self._queue.due, stuck_after, progress=self._requests)
        self._turns = Check("broker", lambda: True, stuck_after)
        self._view_writer: ViewWriter
        self._worker: Worker
        self._housekeeper: Housekeeper
        self.status = ListenerStatus(
            self._consumer.status, self._queue.stats, lambda: self._dead_letters.count, (self._keys, self._turns)
        )
        self._threads = max(2, services.concertim_settings.concurrency + 1)
        self._is_drained = False

    @property
    def has_begun(self) -> bool:
        """Whether any message was received."""
        return self._consumer.status().delivered > 0

    def run(self, stop: threading.Event, observer: Observer) -> bool:
        """Listens until `stop` is set, or until drained; returns whether everything was drained and processed.

        Raises CosUpdateError if a drain cannot start. Work in progress at the end is finished within shutdown_timeout;
        messages of unfinished work go back to the queue.
        """
        store = self._services.store
        store.prepare()
        if not self._learn_aside(stop):
            return False
        context = WorkContext(self._services, self._objects, self._cache.synced, stop, observer)
        self._housekeeper = Housekeeper(
            self._services, self._cache, stop, observer, passes=self._task.resync, mine=self._is_mine
        )
        self._view_writer = ViewWriter(self._services, lambda: self._cache.index().owners(), stop)
        self._worker = Worker(
            self._cache,
            context,
            self._queue,
            self._dead_letters,
            self._consumer.ack,
            self._housekeeper.request,
            tries=5 if self._task.drain else 12,
            settles=not self._task.drain,
            moved=self._keys.moved,
        )
        watchdog = Watchdog((self._keys, self._turns), _end)
        self._worker.start(self._threads)
        self._consumer.start()
        watchdog.start()
        self._housekeeper.start()
        self._view_writer.start()
        try:
            if self._task.drain:
                self._drain(stop)
            stop.wait()
        finally:
            stop.set()
            watchdog.stop()
            self._shut_down()
        return self._is_drained and self._worker.given_up == 0

    def is_all_done(self, stop: threading.Event) -> bool:
        """Whether the queue is empty, and everything received is in Concertim or was handed to a resync."""
        if not (self._queue.stats().idle and self._housekeeper.is_idle()):
            return False
        return bool(self._aside("drained", self._consumer.drained, stop.is_set)) and self._housekeeper.is_idle()

    def _learn_aside(self, stop: threading.Event) -> bool:
        """Loads the state in a thread; False if stopped before that."""
        return bool(self._aside("learner", lambda: self._learn(stop), stop.is_set))

    def _aside(self, name: str, work: Callable[[], bool], is_late: Callable[[], bool]) -> bool | None:
        """The result of `work`, run in a thread that may hang; None if it has not ended shortly after it `is_late`."""
        done: Future[bool] = Future()

        def run() -> None:
            try:
                done.set_result(work())
            except BaseException as error:
                done.set_exception(error)

        threading.Thread(target=run, name=name, daemon=True).start()
        while not wait([done], POLL).done:
            if is_late() and not wait([done], GRACE).done:
                return None
        return done.result()

    def _learn(self, stop: threading.Event) -> bool:
        """Loads the state, retrying until told to stop; a drain fails at once."""
        failures = 0
        repeats = RepeatSuppressor(log)
        while not stop.is_set():
            try:
                self._cache.load()
            except CosUpdateError as error:
                if self._task.drain:
                    raise
                repeats.failed("start", "cannot start yet: %s %s", error, error.hint, level=logging.ERROR)
                failures += 1
                stop.wait(LEARNING.after(failures))
            else:
                repeats.over("start", "a start that had to wait")
                return True
        return False

    def _on_message(self, delivery: Delivery) -> None:
        try:
            event = parse(delivery.body)
        except MalformedNotification as error:
            self._bad.note(str(error), "a message is set aside in %s: %s", self._dead_letters.path, error)
            self._dead_letters.put(
                delivery.body, str(error), exchange=delivery.exchange, routing_key=delivery.routing_key
            )
            self._consumer.ack([delivery.delivery_tag])
            return
        self._worker.note(event, delivery.delivery_tag, redelivered=delivery.redelivered)

    def _requests(self) -> object:
        """Changes with every request to either side."""
        return self._services.cloud.sessions.requests, self._services.concertim.counts

    def _on_turn(self) -> None:
        self._turns.moved()
        self._bad.report()

    def _on_gap(self, reason: str) -> None:
        self._housekeeper.request_soon(reason)

    def _is_mine(self, project_id: str) -> bool:
        return shard_of(project_id, self._broker.shard_count) == self._broker.shard_index

    def _drain(self, stop: threading.Event) -> None:
        deadline = time.monotonic() + CONNECT_WAIT
        while not self._consumer.wait_serving(POLL):
            if stop.is_set():
                return
            if time.monotonic() >= deadline:
                error = self._consumer.status().error
                raise BrokerError(error or f"no response from the broker within {CONNECT_WAIT:g} s")
        while not stop.is_set():
            if self.is_all_done(stop):
                self._is_drained = True
                stop.set()
            else:
                stop.wait(POLL)

    def _shut_down(self) -> None:
        """Finishes work in progress within the shutdown timeout; the broker keeps the rest."""
        deadline = time.monotonic() + self._services.settings.shutdown_timeout * FINISHING
        self._consumer.stop_consuming()
        self._queue.shut_down(discard=True)
        self._services.concertim.end_retries()
        if not self._ends(lambda: self._queue.wait_idle(POLL), deadline):
            log.warning("some work is unfinished at the end of the shutdown timeout; the broker keeps its messages")
        status = self._consumer.status()
        self._consumer.stop(CLOSING if status.host and status.unacked else GRACE)
        if self._ends(lambda: self._housekeeper.join(POLL), deadline):
            self._aside("saver", self._save, lambda: time.monotonic() >= deadline)
        self._objects.close()

    def _ends(self, is_over: Callable[[], bool], deadline: float) -> bool:
        """Waits for something to end: until the deadline while work is in progress, else for a moment."""
        moment = time.monotonic() + GRACE
        while not is_over():
            if self._services.in_hand:
                moment = time.monotonic() + GRACE
            if time.monotonic() >= min(moment, deadline):
                return False
        return True

    def _save(self) -> bool:
        try:
            self._housekeeper.save()
            self._view_writer.turn(at_once=True)
        except CosUpdateError as error:
            log.warning("%s %s", error, error.hint)
        self._bad.report(at_once=True)
        return True


def _end(stall: Stall) -> None:
    """Ends the process without waiting for any of its threads."""
    shut_down()
    os._exit(ExitCode.STALLED)
