"""The listener's workers: threads that process the keys that notifications made dirty.

A notification is acknowledged when all keys that it made dirty are in Concertim, or were handed to a resync. Keys of
one stack are processed as one unit, so that no two threads post to one rack; several stacks of a project are processed
together, so that one listing can replace many GETs.
"""

from __future__ import annotations

import logging
import threading
import time
from collections import defaultdict
from collections.abc import Callable, Iterable
from dataclasses import replace
from datetime import UTC, datetime
from functools import partial

from cos_update.listener import in_place, whole_stack
from cos_update.listener.ack_tracker import AckTracker
from cos_update.listener.attempt import WorkContext, WorkOutcome, WorkResult, WorkResults
from cos_update.listener.cache import StateCache
from cos_update.listener.dead_letters import DeadLetters
from cos_update.listener.delivery import DeliveryTag
from cos_update.listener.lookup import flavor, homes
from cos_update.listener.workqueue import WorkQueue
from cos_update.model.errors import CosUpdateError
from cos_update.model.events import Event, Key
from cos_update.model.kinds import ResourceKind
from cos_update.model.openstack import Project
from cos_update.observability.repeats import RepeatSuppressor
from cos_update.observability.tally import Tally

log = logging.getLogger("cos_update.listen")

TOGETHER = 200
"""Maximum number of units of one project to process together."""
SETTLING = (3.0, 10.0, 30.0)
"""Seconds before objects that OpenStack is still changing are read again, once; then their next notification counts."""
LAGGING = 5.0
"""Seconds after which Nova's network info cache of a server has caught up with Neutron."""
WINDOW = 0.05
POURING = 10
"""The number of messages within `WINDOW` seconds from which more are expected for the same objects."""
LONGEST_HOLD = 2.0
"""Maximum seconds that work waits for a burst of messages to end."""
MOST_BUGS = 3
"""Maximum number of attempts at a key that end in an unexpected error."""


class Worker:
    """Receives events from the consumer's thread and processes them in its own threads.

    `tries` limits the consecutive failures of a key. `hand_over` requests a resync and raises CosUpdateError if that
    fails. Unless `settles`, nothing is read again later. `moved` is called at every sign of life.
    """

    def __init__(
        self,
        cache: StateCache,
        context: WorkContext,
        queue: WorkQueue[Key],
        dead_letters: DeadLetters,
        ack: Callable[[Iterable[DeliveryTag]], None],
        hand_over: Callable[[str], None],
        *,
        tries: int = 12,
        settles: bool = True,
        moved: Callable[[], None] = lambda: None,
    ) -> None:
        self._cache = cache
        self._context = context
        self._queue = queue
        self._dead_letters = dead_letters
        self._failures = Tally(log, "attempts failed")
        self._ack = ack
        self._hand_over = hand_over
        self._tries = tries
        self._settles = settles
        self._moved = moved
        self._repeats = RepeatSuppressor(log)
        self._lock = threading.Lock()
        self._dirty: dict[Key, set[Key]] = defaultdict(set)
        self._sent: dict[Key, str] = {}
        self._looks: dict[Key, int] = {}
        self._bugs: dict[Key, int] = {}
        self._waiting: dict[Key, str] = {}
        self._flow = _Flow()
        self._threads: list[threading.Thread] = []
        self._tracker: AckTracker[Key] = AckTracker()
        self.given_up = 0
        """The number of keys since the start that failed too often and were left to a resync."""

    def start(self, threads: int) -> None:
        for number in range(threads):
            thread = threading.Thread(target=self._run, name=f"worker-{number}", daemon=True)
            self._threads.append(thread)
            thread.start()

    def note(self, event: Event, delivery_tag: DeliveryTag, *, redelivered: bool = False) -> None:
        """Marks the keys of an event dirty; the message is acknowledged when they are done. Never waits.

        The receiver of a `redelivered` message may have died between posting to a rack and recording that: the known
        state of the rack is not reliable.
        """
        self._flow.count()
        units: dict[Key, set[Key]] = defaultdict(set)
        for key in event.keys:
            if self._cache.concerns(key):
                unit = self._cache.unit(key)
                units[unit] |= {key, unit} if redelivered else {key}
        # First dirty, then attached, then queued: so an attempt that covers the message has seen its keys.
        coalesced = 0
        with self._lock:
            for unit, keys in units.items():
                coalesced += len(keys & self._dirty[unit]) if unit in self._dirty else 0
                self._dirty[unit] |= keys
                if event.timestamp:
                    self._sent[unit] = min(event.timestamp, self._sent.get(unit, event.timestamp))
        settled = self._tracker.attach(delivery_tag, units)
        for unit in units:
            self._queue.add(unit)
            if event.lags and self._settles:
                self._queue.add_after(unit, LAGGING)
        if settled:
            self._ack(settled)
        self._context.observer.event(event.type, keys=len(event.keys), coalesced=coalesced)

    def _run(self) -> None:
        while True:
            unit = self._queue.get()
            self._moved()
            if unit is None:
                return
            self._flow.wait_for_lull()
            units = [unit, *self._queue.get_more(partial(_go_together, unit), TOGETHER - 1)]
            try:
                self._attempt(units)
            except Exception:
                # Unexpected; the keys are queued again, and the thread continues.
                log.exception("finishing an attempt failed")
                for each in units:
                    self._tracker.give_back(each)
                    self._queue.add_rate_limited(each)
                    self._queue.done(each)
            self._failures.report()
            self._moved()

    def _attempt(self, units: list[Key]) -> None:
        tasks: dict[Key, set[Key]] = {}
        sent: dict[Key, str] = {}
        for unit in units:
            self._tracker.begin(unit)
        with self._lock:
            for unit in units:
                tasks[unit] = self._dirty.pop(unit, set())
                sent[unit] = self._sent.pop(unit, "")
        try:
            ends = self._work(units[0], tasks)
        except CosUpdateError as error:
            ends = {unit: WorkResult(WorkOutcome.FAILED, str(error)) for unit in units}
        except Exception as error:
            names = ", ".join(f"{unit.kind} {unit.id}" for unit in units)
            self._failures.note(
                type(error).__name__, "%s could not be processed", names, level=logging.ERROR, exc_info=True
            )
            ends = {unit: self._bug(unit, error) for unit in units}
        ends = self._handed_over(ends)
        for unit in units:
            self._settle(unit, ends[unit], tasks[unit], sent[unit])

    def _work(self, first: Key, tasks: dict[Key, set[Key]]) -> WorkResults:
        """One attempt at units that are processed together."""
        if first.kind is ResourceKind.FLAVOR:
            return {first: flavor(self._context, first.id)}
        if first.kind is ResourceKind.PROJECT:
            return {unit: self._projects() for unit in tasks}
        project = self._cache.project(first.project_id)
        if project is None:
            return {unit: WorkResult() for unit in tasks}
        if first.kind is not ResourceKind.STACK:
            return homes(self._context, project, list(tasks), self._cache.unit)
        return self._stacks(project, tasks)

    def _stacks(self, project: Project, tasks: dict[Key, set[Key]]) -> WorkResults:
        ends: WorkResults = {unit: WorkResult() for unit, dirty in tasks.items() if not dirty}
        index = self._cache.index()
        small = {unit: dirty for unit, dirty in tasks.items() if dirty and in_place.is_in_place(index, unit, dirty)}
        if small:
            ends |= in_place.refresh(self._context, project, small)
        rest = {unit: dirty for unit, dirty in tasks.items() if unit not in ends}
        if rest:
            ends |= whole_stack.refresh(self._context, project, rest)
        for unit, result in ends.items():
            for top in result.to:
                self._cache.remember_top(unit.id, top.id)
        return ends

    def _projects(self) -> WorkResult:
        changed = self._cache.learn_projects()
        if not changed:
            return WorkResult()
        return WorkResult(WorkOutcome.RESYNC, f"{len(changed)} projects are newly watched or no longer watched")

    def _bug(self, unit: Key, error: Exception) -> WorkResult:
        self._bugs[unit] = self._bugs.get(unit, 0) + 1
        if self._bugs[unit] < MOST_BUGS:
            return WorkResult(WorkOutcome.FAILED, type(error).__name__)
        del self._bugs[unit]
        self._dead_letters.put(f"{unit.kind} {unit.id}".encode(), f"{type(error).__name__} in {MOST_BUGS} attempts")
        return WorkResult(WorkOutcome.RESYNC, f"{unit.kind} {unit.id} cannot be processed ({type(error).__name__})")

    def _handed_over(self, ends: WorkResults) -> WorkResults:
        """Hands units that need it, or have failed too often, to one resync."""
        given_up = {
            unit: replace(result, outcome=WorkOutcome.RESYNC)
            for unit, result in ends.items()
            if result.outcome is WorkOutcome.FAILED and self._queue.failures(unit) + 1 >= self._tries
        }
        ends = ends | given_up
        reasons = {result.reason for result in ends.values() if result.outcome is WorkOutcome.RESYNC}
        if not reasons:
            return ends
        try:
            self._hand_over("; ".join(sorted(reasons)[:3]))
        except CosUpdateError as error:
            kept = WorkResult(WorkOutcome.FAILED, str(error))
            return {unit: kept if result.outcome is WorkOutcome.RESYNC else result for unit, result in ends.items()}
        self.given_up += len(given_up)
        return ends

    def _settle(self, unit: Key, result: WorkResult, dirty: set[Key], sent: str) -> None:
        if result.outcome in (WorkOutcome.AGAIN, WorkOutcome.FAILED):
            # If the stack itself is dirty, its rack is read again.
            self._mark(unit, dirty | {unit} if result.needs_reread else dirty, sent)
            self._tracker.give_back(unit)
            if result.outcome is WorkOutcome.FAILED:
                self._wait_for(unit, result.reason)
                self._repeats.failed(result.reason, "%s %s waits: %s", unit.kind, unit.id, result.reason)
            self._queue.add_rate_limited(unit)
            self._queue.done(unit)
            return
        self._wait_for(unit, "")
        for other in result.to:
            self._mark(other, {other}, sent)
        self._tracker.pass_on(unit, result.to)
        for other in result.to:
            self._queue.add(other)
        self._queue.forget(unit)
        self._look_again(unit, result, dirty)
        self._ack(self._tracker.finish(unit))
        self._queue.done(unit)
        self._context.observer.effect(_lag(sent))

    def _wait_for(self, unit: Key, reason: str) -> None:
        """Records why the key waits ("": it does not). A reason is over when no key waits for it any more."""
        with self._lock:
            before = self._waiting.pop(unit, "")
            if reason:
                self._waiting[unit] = reason
            is_over = bool(before) and before not in self._waiting.values()
        if is_over:
            self._repeats.over(before, f"waiting keys ({before}) proceed")

    def _look_again(self, unit: Key, result: WorkResult, dirty: set[Key]) -> None:
        """Schedules another read: OpenStack may finish a change without another notification."""
        looks = self._looks.pop(unit, 0)
        if result.unsettled and self._settles and looks < len(SETTLING):
            self._looks[unit] = looks + 1
            self._mark(unit, dirty, "")
            self._queue.add_after(unit, SETTLING[looks])

    def _mark(self, unit: Key, dirty: set[Key], sent: str) -> None:
        with self._lock:
            self._dirty[unit] |= dirty
            if sent:
                self._sent[unit] = min(sent, self._sent.get(unit, sent))


class _Flow:
    """The rate of messages. Counted in one thread, read in others."""

    def __init__(self) -> None:
        self._began = self._last = 0.0
        self._count = self._before = 0

    def count(self) -> None:
        now = time.monotonic()
        if now - self._began >= WINDOW:
            self._before = self._count if now - self._began < 2 * WINDOW else 0
            self._began, self._count = now, 0
        self._count += 1
        self._last = now

    def wait_for_lull(self) -> None:
        """Waits until a burst of messages is over, or for the maximum time."""
        until = time.monotonic() + LONGEST_HOLD
        while (now := time.monotonic()) < until and now - self._last < WINDOW:
            if max(self._count, self._before) < POURING:
                return
            time.sleep(WINDOW / 2)


def _go_together(first: Key, other: Key) -> bool:
    """Whether two units are processed together: stacks of one project, or objects of one project of unknown stack."""
    if first.kind in (ResourceKind.FLAVOR, ResourceKind.PROJECT) or other.project_id != first.project_id:
        return False
    return (other.kind is ResourceKind.STACK) == (first.kind is ResourceKind.STACK) and other.kind not in (
        ResourceKind.FLAVOR,
        ResourceKind.PROJECT,
    )


def _lag(sent: str) -> float | None:
    """Seconds since a notification was sent; None if it has no timestamp."""
    try:
        moment = datetime.fromisoformat(sent)
    except ValueError:
        return None
    return max(0.0, time.time() - (moment if moment.tzinfo else moment.replace(tzinfo=UTC)).timestamp())
