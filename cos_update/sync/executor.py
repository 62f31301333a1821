"""Executes a plan: racks in parallel, the calls to one rack one after another.

All effects go through the `Concertim` protocol, so that the order of work can be tested without HTTP. One refused
object never stops the others; a Concertim that does not answer at all stops the rest, which is reported as not done.
"""

from __future__ import annotations

import threading
from collections import defaultdict, deque
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass, field, replace
from typing import Protocol

from cos_update.model.concertim import Device, Record, Template
from cos_update.model.errors import ConcertimError, ConcertimLoginError, Gone, Refused, Unavailable
from cos_update.model.kinds import ResourceKind
from cos_update.planning.outcome import Applied, Outcome, Result
from cos_update.planning.plan import Action, Plan, RackPlan, Verb
from cos_update.planning.recognition import device_with_identity
from cos_update.planning.stored import not_stored

FORBIDDEN = 403
SILENCE = 3
"""Calls in a row without any usable answer after which the rest is not tried."""


class Concertim(Protocol):
    """What is asked of Concertim's client; every call raises errors of `cos_update.model.errors`."""

    def create(self, record: Record) -> Record: ...
    def update(self, record: Record, changes: Mapping[str, object]) -> Record: ...
    def delete(self, record: Record) -> None: ...
    def device(self, device_id: str) -> Device | None: ...


OnPosted = Callable[[Sequence[Outcome]], None]
"""Receives what was posted to a rack, before anybody else may post to it."""
Guard = Callable[[RackPlan], AbstractContextManager[OnPosted | None]]
"""Holds a rack while its plan is executed; gives None when the rack is no longer what the plan was made from."""
TemplateGuard = Callable[[Action], AbstractContextManager[Template | None]]
"""Holds the templates during an action on one; gives the template that somebody else has made for it meanwhile."""


@contextmanager
def unguarded(_: Action) -> Iterator[Template | None]:
    """The guard of a process that is the only one to post."""
    yield None


@dataclass(slots=True)
class _Run:
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

    def book(self, outcome: Outcome) -> Outcome:
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
        return outcome

    def why_not(self) -> str:
        """Why nothing more is to be tried, or ""."""
        if self.stopped:
            return self.stopped
        return "stopped before its turn" if self.stop.is_set() else ""


def execute(
    plan: Plan,
    concertim: Concertim,
    guard: Guard,
    *,
    workers: int,
    stop: threading.Event,
    on_outcome: Callable[[Outcome], None] = lambda _: None,
    template_guard: TemplateGuard = unguarded,
) -> Applied:
    """Posts the plan, at most `workers` racks at once, and gives the outcome of each action.

    Once `stop` is set the requests in flight are finished and nothing new is begun.
    """
    run = _Run(concertim, stop, on_outcome)
    for action in plan.templates:
        with template_guard(action) as there:
            if there is None:
                _attempt(run, action)
            else:
                run.templates[action.openstack_id] = there.id
    for action in plan.first:
        _attempt(run, action)
    _run_racks(run, plan.rack_plans, guard, workers)
    unused = _removable(plan.last, run.outcomes)
    for action in plan.last:
        if action.concertim_id in unused:
            _attempt(run, action)
        else:
            run.book(Outcome(action, Result.SKIPPED, "a device that was to go still uses it"))
    return Applied(tuple(run.outcomes), frozenset(run.stale), run.stopped)


def _run_racks(run: _Run, rack_plans: Sequence[RackPlan], guard: Guard, workers: int) -> None:
    waiting = {rack_plan.key: rack_plan for rack_plan in rack_plans if rack_plan.actions}
    owed = {key: rack_plan.after & waiting.keys() for key, rack_plan in waiting.items()}
    followers: dict[str, list[str]] = defaultdict(list)
    for key, others in owed.items():
        for other in others:
            followers[other].append(key)
    ready = deque(key for key, others in owed.items() if not others)
    running: dict[Future[None], str] = {}
    with ThreadPoolExecutor(max_workers=max(workers, 1), thread_name_prefix="rack") as pool:
        while waiting or running:
            if not ready and not running:
                # What is left waits for names that something else frees; if it does not, Concertim will say so.
                ready.append(next(iter(waiting)))
            while ready and len(running) < max(workers, 1):
                key = ready.popleft()
                if key in waiting:
                    running[pool.submit(_run_rack, run, waiting.pop(key), guard)] = key
            done, _ = wait(running, return_when=FIRST_COMPLETED)
            for future in done:
                ended = running.pop(future)
                future.result()
                for key in followers[ended]:
                    owed[key] -= {ended}
                    if not owed[key]:
                        ready.append(key)


def _run_rack(run: _Run, rack_plan: RackPlan, guard: Guard) -> None:
    if why := run.why_not():
        _skip(run, rack_plan.actions, why)
        return
    with guard(rack_plan) as record:
        if record is None:
            with run.lock:
                run.stale.add(rack_plan.stack_id)
            return
        outcomes = list(_rack_outcomes(run, rack_plan))
        if any(outcome.result is Result.STALE for outcome in outcomes):
            with run.lock:
                run.stale.add(rack_plan.stack_id)
        record(outcomes)


def _rack_outcomes(run: _Run, rack_plan: RackPlan) -> Iterator[Outcome]:
    rack_id = rack_plan.rack_id
    blocked: set[int] = set()
    needed = _without_template(run, rack_plan)
    for action in rack_plan.actions:
        yield (outcome := _within_rack(run, action, rack_id, blocked, needed))
        if action.kind is ResourceKind.STACK and outcome.result is Result.DONE and outcome.record is not None:
            rack_id = outcome.record.id
        if action.device is not None and action.verb is Verb.REMOVE and outcome.result is not Result.DONE:
            blocked.update(_units(action.device))


def _within_rack(run: _Run, action: Action, rack_id: str, blocked: set[int], needed: set[str]) -> Outcome:
    """Does one action on a rack or a device in it; `blocked` are units that could not be freed (see `_without_template`
    for `needed`)."""
    if action.verb is Verb.CREATE and action.device is not None:
        return _create_device(run, action, action.device, rack_id, blocked)
    if action.verb is Verb.REMOVE and action.device is None and blocked:
        return run.book(Outcome(action, Result.SKIPPED, "a device in it could not be removed"))
    if action.verb is Verb.REMOVE and action.device is not None and action.openstack_id in needed:
        return run.book(Outcome(action, Result.SKIPPED, "the template to replace it could not be created"))
    return _attempt(run, action)


def _without_template(run: _Run, rack_plan: RackPlan) -> set[str]:
    """The OpenStack ids of devices that can't be made, since their template was not: what they replace must stay."""
    return {
        action.openstack_id
        for action in rack_plan.actions
        if action.verb is Verb.CREATE
        and action.device is not None
        and not action.device.template_id
        and action.flavor_id not in run.templates
    }


def _create_device(run: _Run, action: Action, device: Device, rack_id: str, blocked: set[int]) -> Outcome:
    template_id = device.template_id or run.templates.get(action.flavor_id, "")
    if not rack_id:
        return run.book(Outcome(action, Result.SKIPPED, "its rack could not be created"))
    if not template_id:
        return run.book(Outcome(action, Result.SKIPPED, "its template could not be created"))
    if blocked.intersection(_units(device)):
        return run.book(Outcome(action, Result.SKIPPED, "a device in its place could not be removed"))
    ready = replace(device, rack_id=rack_id, template_id=template_id)
    return _attempt(run, replace(action, record=ready))


def _units(device: Device) -> range:
    return range(device.location.start_u, device.location.end_u + 1)


def _attempt(run: _Run, action: Action) -> Outcome:
    if why := run.why_not():
        return run.book(Outcome(action, Result.SKIPPED, why))
    try:
        return run.book(_done(action, _call(run.concertim, action)))
    except ConcertimLoginError as error:
        with run.lock:
            run.stopped = str(error)
        return run.book(Outcome(action, Result.FAILED, str(error)))
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


def _removable(last: Sequence[Action], outcomes: Sequence[Outcome]) -> set[str]:
    """Templates that nothing uses: every device of theirs that was to go is gone."""
    still_used = {
        outcome.action.device.template_id
        for outcome in outcomes
        if outcome.action.device and outcome.action.verb is Verb.REMOVE and outcome.result is not Result.DONE
    }
    return {action.concertim_id for action in last} - still_used


def _skip(run: _Run, actions: Sequence[Action], why: str) -> None:
    for action in actions:
        run.book(Outcome(action, Result.SKIPPED, why))
