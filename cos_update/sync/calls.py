"""One action of a plan: its call to Concertim, and what became of it.

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
"""Calls in a row without any usable answer after which the rest is not tried."""
NOT_BEGUN = "stopped before its turn"


class Concertim(Protocol):
    """What is asked of Concertim's client; every call raises errors of `cos_update.model.errors`."""

    def create(self, record: Record) -> Record: ...
    def update(self, record: Record, changes: Mapping[str, object]) -> Record: ...
    def delete(self, record: Record) -> None: ...
    def device(self, device_id: str) -> Device | None: ...
    def end_retries(self) -> None: ...


@dataclass(slots=True)
class Run:
    """What the threads of one application share."""

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
    """What is being posted: racks by their keys, and what is not about a rack."""
    is_over: bool = False
    """Whether nobody waits any more for what still hangs."""

    def book(self, outcome: Outcome) -> Outcome:
        """Keeps an outcome, unless nobody waits for it any more."""
        if not self.is_over:
            self.add(outcome)
        return outcome

    def add(self, outcome: Outcome) -> None:
        """Keeps an outcome, and notices when Concertim has fallen silent."""
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
        """Waits for nothing any more; the outcomes up to now, and what is still being posted to."""
        with self.lock:
            self.is_over = True
            return list(self.outcomes), set(self.posting)

    @contextmanager
    def at(self, what: str) -> Iterator[None]:
        """While requests about it may be in flight."""
        with self.lock:
            self.posting.add(what)
        try:
            yield
        finally:
            with self.lock:
                self.posting.discard(what)

    def why_not(self) -> str:
        """Why nothing more is to be tried, or ""."""
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
        # The hint too: without the right to do it no other pass will fare better.
        reason = f"{error} {error.hint}".rstrip() if error.status == FORBIDDEN else str(error)
        return run.book(Outcome(action, Result.REFUSED, reason, _as_it_is(run.concertim, action)))
    except Unavailable as error:
        return run.book(Outcome(action, Result.FAILED, str(error), _as_it_is(run.concertim, action)))


def _done(action: Action, record: Record | None) -> Outcome:
    dropped = not_stored(action, record)
    if not dropped:
        return Outcome(action, Result.DONE, record=record)
    reason = f"Concertim accepts but does not store {', '.join(change.field for change in dropped)}"
    # A new object is there, whatever it lacks.
    result = Result.DONE if action.verb is Verb.CREATE else Result.REFUSED
    return Outcome(action, result, reason, record, dropped)


def _after_fault(action: Action, error: Refused, found: Record) -> Outcome:
    """An update that was answered by a 5xx, when the object was read again: the app may have done all of it."""
    if isinstance(found, Device) and action.device is not None:
        found = device_with_identity(found, action.device)
    if not_stored(action, found):
        return Outcome(action, Result.REFUSED, str(error), found)
    return Outcome(action, Result.DONE, f"done, though answered by an error: {error}", found)


def _as_it_is(concertim: Concertim, action: Action) -> Device | None:
    """A device after a failed update: the app saves its parts one by one, so some of it may be done."""
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
