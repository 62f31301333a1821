"""The consumer: a thread that keeps the connection to RabbitMQ alive and never waits for anything else.

pika processes heartbeats only inside its own calls, so nothing slow must run here: messages go to a callback that only
records them, and acks come back from other threads through a list that this thread processes.
"""

from __future__ import annotations

import logging
import threading
import time
import traceback
from collections.abc import Callable, Iterable
from concurrent.futures import Future
from concurrent.futures import TimeoutError as FutureTimeoutError
from contextlib import suppress
from dataclasses import dataclass

import pika
import pika.exceptions
from pika.adapters.blocking_connection import BlockingChannel

from cos_update.listener.ack_tracker import PendingAcks
from cos_update.listener.broker_status import BrokerStatus
from cos_update.listener.connection import Address, BrokerError, addresses, connect, explain
from cos_update.listener.continuity import Continuity
from cos_update.listener.delivery import Delivery, DeliveryTag
from cos_update.listener.topology import Topology, depth, topology
from cos_update.model.settings import BrokerSettings
from cos_update.observability.tally import Tally
from cos_update.retry import Backoff

_log = logging.getLogger(__name__)

_TURN = 1.0
"""Maximum seconds that the thread waits for events at a time."""


RECONNECT = Backoff(1.0, 30.0)


@dataclass(frozen=True, slots=True)
class Timing:
    """Intervals in seconds."""

    retry: Backoff = RECONNECT
    """Between two connection attempts, reduced by up to half at random."""
    exchange_poll: float = 30.0
    """Between two checks for exchanges that were missing."""
    ack_hold: float = 5.0
    """How long acks out of order are held."""
    depth_poll: float = 10.0
    """Between two checks of the queue's depth."""
    settle: float = 5.0
    """How long a connection must last before a loss of messages since the previous one is reported."""


class BrokerConsumer:
    """Consumes one queue, and reconnects as often as necessary.

    `on_message(delivery)` and `on_gap(reason)` are called in the consumer's thread and must be quick. `on_gap` means
    that messages may have been lost up to now. It is called after all bindings are in place, so that a full read
    started from then on makes up for them, and is repeated until it returns without an exception (see `Continuity`).
    `on_turn()` is called at every sign of life of the thread: after every wait, and before every connection attempt.
    `existing_queue` is the name of a queue to consume instead of our own.
    """

    def __init__(
        self,
        settings: BrokerSettings,
        on_message: Callable[[Delivery], None],
        on_gap: Callable[[str], None],
        *,
        existing_queue: str | None = None,
        timing: Timing | None = None,
        on_turn: Callable[[], None] = lambda: None,
    ) -> None:
        self._settings = settings
        self._on_message = on_message
        self._on_gap = on_gap
        self._on_turn = on_turn
        self._timing = timing or Timing()
        self._topology: Topology = topology(settings, existing_queue)
        self._addresses = addresses(settings)
        self._next_address = 0

        self._lock = threading.Lock()
        self._to_ack: list[DeliveryTag] = []
        self._questions: list[Future[bool]] = []
        self._connection: pika.BlockingConnection | None = None
        self._woken = False

        self._generation = 0
        self._pending = PendingAcks()
        self._held_since = 0.0
        self._continuity = Continuity(self._timing.settle)
        self._tries = 0
        self._bugs = Tally(_log, "messages could not be recorded")
        self._overflowing = False
        self._last_reason: str | None = None
        self._host: str | None = None
        self._connected_since: float | None = None
        self._last_message: float | None = None
        self._last_ack: float | None = None
        self._depth: int | None = None
        self._delivered = 0
        self._sessions = 0

        self._serving = threading.Event()
        self._cancelling = threading.Event()
        self._stopping = threading.Event()
        self._thread = threading.Thread(target=self._run, name="broker", daemon=True)

    def start(self) -> None:
        """Starts to connect and consume. Never raises: failures are logged once and retried."""
        self._thread.start()

    def wait_serving(self, timeout: float) -> bool:
        """Waits up to `timeout` seconds until the queue is being consumed; returns whether it is."""
        return self._serving.wait(timeout)

    def ack(self, delivery_tags: Iterable[DeliveryTag]) -> None:
        """Acknowledges messages, from any thread, without waiting.

        Ignores those of an earlier channel: the broker has requeued these messages, and their tags now mean others.
        """
        with self._lock:
            self._to_ack.extend(delivery_tags)
        self._wake()

    def drained(self, timeout: float = 10.0) -> bool:
        """Whether the queue is empty and no message is unacknowledged; False also if that is unknown in time."""
        question: Future[bool] = Future()
        with self._lock:
            if self._connection is None:
                return False
            self._questions.append(question)
        self._wake()
        try:
            return question.result(timeout)
        except FutureTimeoutError:
            return False

    def stop_consuming(self) -> None:
        """Stops consuming; the connection stays open for outstanding acks, but is not reopened."""
        self._cancelling.set()
        self._wake()

    def stop(self, timeout: float) -> bool:
        """Stops consuming, sends the acks given so far and closes; the broker requeues the other messages.

        Returns whether that was done within `timeout` seconds.
        """
        self._cancelling.set()
        self._stopping.set()
        self._wake()
        self._thread.join(timeout)
        return not self._thread.is_alive()

    def status(self) -> BrokerStatus:
        """The current state of the consumer."""
        return BrokerStatus(
            queue=self._topology.queue,
            host=self._host,
            connected_since=self._connected_since,
            last_message=self._last_message,
            last_ack=self._last_ack,
            depth=self._depth,
            unacked=len(self._pending),
            delivered=self._delivered,
            reconnects=max(0, self._sessions - 1),
            missing_exchanges=self._topology.missing,
            error=self._last_reason,
        )

    def _wake(self) -> None:
        """Ends the thread's current wait."""
        with self._lock:
            if self._connection is None or self._woken:
                return
            self._woken = True
            with suppress(pika.exceptions.ConnectionWrongStateError):
                self._connection.add_callback_threadsafe(lambda: None)

    def _run(self) -> None:
        failures = 0
        while not self._cancelling.is_set():
            began = time.monotonic()
            try:
                self._session()
            except Exception as error:
                self._complain(error)
            if time.monotonic() - began > self._timing.retry.longest:
                failures = 0
            failures += 1
            self._on_turn()
            self._cancelling.wait(self._timing.retry.scattered(failures))

    def _session(self) -> None:
        """One connection, from start to end. Returns when told to stop; raises at any other end."""
        connection, address = self._connect()
        try:
            self._doubt(self._topology.establish(connection))
            channel = connection.channel()
            channel.basic_qos(prefetch_count=self._settings.prefetch)
            self._look_at_depth(channel)
            # The broker may have restarted, which loses its non-persistent messages.
            provable = self._tries == 1 and self._topology.drops_oldest_first
            self._continuity.connected(time.monotonic(), provable=provable)
            self._report_gap()
            self._begin(connection, address)
            channel.basic_consume(self._topology.queue, self._on_delivery)
            self._serving.set()
            self._serve(connection, channel)
        finally:
            self._end()
            with suppress(Exception):
                connection.close()

    def _connect(self) -> tuple[pika.BlockingConnection, Address]:
        """Tries each broker once, starting after the last one tried."""
        reasons = []
        for _ in self._addresses:
            if self._cancelling.is_set():
                break
            self._on_turn()
            self._tries += 1
            address = self._addresses[self._next_address]
            self._next_address = (self._next_address + 1) % len(self._addresses)
            try:
                return connect(self._settings, address), address
            except Exception as error:
                reasons.append((address, explain(error, self._settings, address)))
        reason_text = "; ".join(
            f"{address}: {reason}" for address, reason in sorted(reasons, key=lambda pair: str(pair[0]))
        )
        raise BrokerError(reason_text, " ".join(dict.fromkeys(reason.hint for _, reason in reasons if reason.hint)))

    def _begin(self, connection: pika.BlockingConnection, address: Address) -> None:
        with self._lock:
            self._connection = connection
            self._woken = False
            self._generation += 1
        self._pending = PendingAcks()
        self._sessions += 1
        self._tries = 0
        self._host = str(address)
        self._connected_since = time.time()
        self._last_reason = None
        _log.info("consuming queue %s of %s", self._topology.queue, address)

    def _end(self) -> None:
        self._serving.clear()
        with self._lock:
            self._connection = None
            questions, self._questions = self._questions, []
        for question in questions:
            question.set_result(False)
        if self._connected_since is not None:
            self._continuity.disconnected(self._pending.oldest, time.monotonic())
        self._pending = PendingAcks()
        self._host = self._connected_since = self._depth = None

    def _serve(self, connection: pika.BlockingConnection, channel: BlockingChannel) -> None:
        next_look = time.monotonic() + self._timing.exchange_poll
        next_depth = time.monotonic() + self._timing.depth_poll
        while True:
            connection.process_data_events(time_limit=_TURN)
            with self._lock:
                self._woken = False
            self._on_turn()
            self._bugs.report()
            if not channel.is_open:
                raise getattr(channel, "_closing_reason", None) or BrokerError("The broker closed the channel")
            if self._cancelling.is_set():
                self._cancel(channel)
            elif not channel.consumer_tags:
                raise BrokerError(f"The broker ended the consumer: queue {self._topology.queue} was deleted or moved")
            self._send_acks(channel)
            if self._stopping.is_set():
                return
            self._answer(connection, channel)
            now = time.monotonic()
            if now >= next_look:
                next_look = now + self._timing.exchange_poll
                self._doubt(self._topology.look_again(connection))
            if now >= next_depth:
                next_depth = now + self._timing.depth_poll
                self._look_at_depth(channel)
            self._report_gap()

    def _cancel(self, channel: BlockingChannel) -> None:
        for tag in channel.consumer_tags:
            channel.basic_cancel(tag)

    def _on_delivery(
        self,
        channel: BlockingChannel,
        method: pika.spec.Basic.Deliver,
        properties: pika.BasicProperties,
        body: bytes,
    ) -> None:
        self._delivered += 1
        self._last_message = time.time()
        delivery = Delivery(
            body=body,
            tag=method.delivery_tag,
            generation=self._generation,
            exchange=method.exchange,
            routing_key=method.routing_key,
            redelivered=method.redelivered,
        )
        self._pending.delivered(delivery.tag, delivery.fingerprint)
        self._continuity.delivered(delivery.fingerprint, time.monotonic(), redelivered=delivery.redelivered)
        try:
            self._on_message(delivery)
        except Exception as error:
            # The exception's text may contain parts of the message, in which OpenStack sends live tokens.
            where, name = "".join(traceback.format_tb(error.__traceback__)), type(error).__name__
            self._bugs.note(name, "a message could not be recorded: %s at\n%s", name, where, level=logging.ERROR)
            self.ack([delivery.delivery_tag])
            self._doubt("a message could not be recorded")

    def _send_acks(self, channel: BlockingChannel) -> None:
        with self._lock:
            delivery_tags, self._to_ack = self._to_ack, []
        tags = (delivery_tag.tag for delivery_tag in delivery_tags if delivery_tag.generation == self._generation)
        acks = self._pending.settle(tags)
        now = time.monotonic()
        if not self._pending.held:
            self._held_since = now
        elif now - self._held_since >= self._timing.ack_hold or self._stopping.is_set():
            acks += self._pending.flush()
        for tag, multiple in acks:
            channel.basic_ack(tag, multiple=multiple)
            self._last_ack = time.time()

    def _answer(self, connection: pika.BlockingConnection, channel: BlockingChannel) -> None:
        with self._lock:
            questions, self._questions = self._questions, []
        if not questions:
            return
        drained = False
        try:
            # The broker may send messages that left the queue before its response after it, but before the next one.
            drained = self._is_empty(connection, channel) and self._is_empty(connection, channel)
        finally:
            for question in questions:
                question.set_result(drained)

    def _is_empty(self, connection: pika.BlockingConnection, channel: BlockingChannel) -> bool:
        self._look_at_depth(channel)
        # pika may hold messages delivered before the broker's response, which we have not received yet.
        connection.process_data_events(time_limit=0)
        return self._depth == 0 and not self._pending and self._continuity.is_whole

    def _look_at_depth(self, channel: BlockingChannel) -> None:
        """Checks the queue's depth. It loses messages while it overflows, so the end of that is a gap as well."""
        self._depth = depth(channel, self._topology.queue)
        overflowing = self._topology.is_overflowing(self._depth)
        if overflowing != self._overflowing:
            self._overflowing = overflowing
            self._doubt(f"queue {self._topology.queue} overflowed")

    def _doubt(self, reason: str) -> None:
        self._continuity.doubt(reason, time.monotonic())

    def _report_gap(self) -> None:
        reason = self._continuity.due(time.monotonic())
        if not reason:
            return
        try:
            self._on_gap(reason)
        except Exception:
            _log.exception("reporting that messages may have been lost (%s) failed; trying again", reason)
        else:
            self._continuity.reported()

    def _complain(self, error: Exception) -> None:
        """Logs why there is no connection, once while the reason stays the same."""
        reason = explain(error, self._settings)
        reason_text = f"{reason}. {reason.hint}".rstrip()
        level = logging.DEBUG if reason_text == self._last_reason or self._cancelling.is_set() else logging.WARNING
        self._last_reason = reason_text
        _log.log(level, "not consuming queue %s: %s", self._topology.queue, reason_text)
