"""Executes one action of a plan: calls Concertim and determines the outcome.

All effects go through the `Concertim` protocol, so that the order of work can be tested without HTTP.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Protocol

from cos_update.model.concertim import Device, Record
from cos_update.model.errors import ConcertimError, ConcertimLoginError, Fenced, Gone, Refused, Unavailable
from cos_update.model.kinds import ResourceKind
from cos_update.planning.outcome import Outcome, Result
from cos_update.planning.plan import Action, Verb
from cos_update.planning.recognition import device_with_identity
from cos_update.planning.stored import not_stored

FORBIDDEN = 403
SILENCE = 3
"""The number of consecutive calls without a usable response after which the rest is skipped."""
NOT_BEGUN = "stopped before its turn"


class Concertim(Protocol):
    """The operations of Concertim's client; every call raises errors of `cos_update.model.errors`."""

    def create(self, record: Record) -> Record: ...
    def update(self, record: Record, changes: Mapping[str, object]) -> Record: ...
    def delete(self, record: Record) -> None: ...
    def device(self, device_id: str) -> Device | None: ...
    def end_retries(self) -> None: ...


@dataclass(slots=True)
class Run:
    """The state that the threads of one `execute` share."""

    concertim: Concertim
    stop: threading.Event
    on_outcome: Callable[[Outcome], None]
    lock: threading.Lock = field(default_factory=threading.Lock)
    outcomes: list[Outcome] = field(default_factory=list)
    stale: set[str] = field(default_factory=set)
    templates: dict[str, str] = field(default_factory=dict)
    silent: int = 0
    stopped: str = ""
    posting: set[str] = field(default_factory=set)
    """What is being posted: keys of racks, and of actions that concern no rack."""
    is_over: bool = False
    """Whether hanging operations are no longer waited for."""

    def book(self, outcome: Outcome) -> Outcome:
        """Records an outcome, unless it is no longer waited for."""
        if not self.is_over:
            self.add(outcome)
        return outcome

    def add(self, outcome: Outcome) -> None:
        """Records an outcome, and detects when Concertim no longer responds."""
        with self.lock:
            self.outcomes.append(outcome)
            if outcome.result is Result.FAILED:
                self.silent += 1
                if self.silent >= SILENCE and not self.stopped:
                    self.stopped = outcome.reason
            elif outcome.result is not Result.SKIPPED:
                self.silent = 0
            action, record = outcome.action, outcome.record
            if action.kind is ResourceKind.FLAVOR and action.verb is Verb.CREATE and record is not None:
                self.templates[action.openstack_id] = record.id
        self.on_outcome(outcome)

    def close(self) -> tuple[list[Outcome], set[str]]:
        """Stops waiting; returns the outcomes so far, and what is still being posted."""
        with self.lock:
            self.is_over = True
            return list(self.outcomes), set(self.posting)

    @contextmanager
    def at(self, what: str) -> Iterator[None]:
        """Marks `what` as being posted within the context."""
        with self.lock:
            self.posting.add(what)
        try:
            yield
        finally:
            with self.lock:
                self.posting.discard(what)

    def why_not(self) -> str:
        """Why no further action must be tried, or ""."""
        if self.stopped:
            return self.stopped
        return NOT_BEGUN if self.stop.is_set() else ""


def attempt(run: Run, action: Action) -> Outcome:
    if why := run.why_not():
        return run.book(Outcome(action, Result.SKIPPED, why))
    try:
        return run.book(_done(action, _call(run.concertim, action)))
    except ConcertimLoginError as error:
        with run.lock:
            run.stopped = str(error)
        return run.book(Outcome(action, Result.FAILED, str(error)))
    except Fenced as error:
        return run.book(Outcome(action, Result.SKIPPED, str(error)))
    except Gone:
        return run.book(Outcome(action, Result.STALE, "gone from Concertim meanwhile"))
    except Refused as error:
        if error.found is not None:
            return run.book(_after_fault(action, error, error.found))
        # With the hint, since later passes will fail as well without the permission.
        reason = f"{error} {error.hint}".rstrip() if error.status == FORBIDDEN else str(error)
        record = _as_it_is(run.concertim, action)
        return run.book(Outcome(action, Result.REFUSED, reason, record, is_fault=error.is_fault))
    except Unavailable as error:
        return run.book(Outcome(action, Result.FAILED, str(error), _as_it_is(run.concertim, action)))


def _done(action: Action, record: Record | None) -> Outcome:
    dropped = not_stored(action, record)
    if not dropped:
        return Outcome(action, Result.DONE, record=record)
    reason = f"Concertim accepts but does not store {', '.join(change.field for change in dropped)}"
    # A new object exists, whatever it lacks.
    result = Result.DONE if action.verb is Verb.CREATE else Result.REFUSED
    return Outcome(action, result, reason, record, dropped)


def _after_fault(action: Action, error: Refused, found: Record) -> Outcome:
    """The outcome of an update that returned a 5xx, after reading the object: the app may have applied all of it."""
    if isinstance(found, Device) and action.device is not None:
        found = device_with_identity(found, action.device)
    if not_stored(action, found):
        return Outcome(action, Result.REFUSED, str(error), found, is_fault=True)
    return Outcome(action, Result.DONE, f"done, although the app returned an error: {error}", found)


def _as_it_is(concertim: Concertim, action: Action) -> Device | None:
    """A device after a failed update: the app saves its parts separately, so some of it may be applied."""
    if action.device is None or action.verb is not Verb.UPDATE:
        return None
    try:
        device = concertim.device(action.device.id)
        return device and device_with_identity(device, action.device)
    except ConcertimError:
        return None


def _call(concertim: Concertim, action: Action) -> Record | None:
    match action.verb:
        case Verb.CREATE:
            return concertim.create(action.record)
        case Verb.UPDATE:
            return concertim.update(action.record, action.payload)
        case Verb.REMOVE:
            concertim.delete(action.record)
            return None
