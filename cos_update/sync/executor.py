"""Executes a plan: racks in parallel, the calls for one rack in sequence.

One rejected object never stops the others. If Concertim does not respond at all, the rest is skipped and reported as
not done.
"""

from __future__ import annotations

import threading
import time
from collections import defaultdict, deque
from collections.abc import Callable, Collection, Iterator, Sequence
from concurrent.futures import FIRST_COMPLETED, Executor, Future, ThreadPoolExecutor, wait
from contextlib import AbstractContextManager, contextmanager
from dataclasses import replace

from cos_update.model.concertim import Device, Template
from cos_update.model.kinds import ResourceKind
from cos_update.planning.outcome import Applied, Outcome, Result
from cos_update.planning.plan import Action, Plan, RackPlan, Verb
from cos_update.sync.calls import NOT_BEGUN, Concertim, Run, attempt

FINISHING = 24.0
"""Default seconds for requests in flight to end."""
LOOK = 0.25
"""Seconds between two checks whether to keep waiting."""
STUCK_AFTER = 3600.0
"""Default seconds without any outcome after which requests in flight count as hung."""
UNKNOWN = "no response in time: it may be done or not"

OnPosted = Callable[[Sequence[Outcome]], None]
"""Receives the outcomes for a rack, before anybody else may post to it."""
Guard = Callable[[RackPlan], AbstractContextManager[OnPosted | None]]
"""Holds a rack while its plan is executed; yields None if the rack has changed since the plan was made."""
TemplateGuard = Callable[[Action], AbstractContextManager[Template | None]]
"""Holds the templates during an action on one; yields the template that somebody else has created meanwhile."""


@contextmanager
def unguarded(_: Action) -> Iterator[Template | None]:
    """The guard of a process that is the only one to post."""
    yield None


def execute(
    plan: Plan,
    concertim: Concertim,
    guard: Guard,
    *,
    workers: int,
    stop: threading.Event,
    within: float = FINISHING,
    stuck_after: float = STUCK_AFTER,
    on_outcome: Callable[[Outcome], None] = lambda _: None,
    template_guard: TemplateGuard = unguarded,
) -> Applied:
    """Posts the plan, with at most `workers` racks at a time, and returns the outcome of each action.

    Once `stop` is set, requests in flight are finished and no new ones are sent. Requests that have not ended `within`
    seconds then, or after `stuck_after` seconds without any outcome, are abandoned: their outcome is unknown.
    """
    run = Run(concertim, stop, on_outcome)
    pool = ThreadPoolExecutor(max_workers=max(workers, 1), thread_name_prefix="rack")
    try:
        _run_stages(run, plan, guard, template_guard, _BoundedPool(run, pool, within, stuck_after), workers)
    except _TimeIsUp:
        _settle_unfinished(run, plan)
    finally:
        pool.shutdown(wait=not run.is_over, cancel_futures=True)
    return Applied(tuple(run.outcomes), frozenset(run.stale), run.stopped)


class _TimeIsUp(Exception):
    """Something hangs."""


class _BoundedPool:
    """Runs work in the pool's threads, and waits for it within the time limits."""

    def __init__(self, run: Run, pool: Executor, within: float, stuck_after: float) -> None:
        self._run = run
        self._within = within
        self._stuck_after = stuck_after
        self._pool = pool
        self._deadline: float | None = None

    def submit(self, work: Callable[..., None], *arguments: object) -> Future[None]:
        """Submits work to the pool."""
        return self._pool.submit(work, *arguments)

    def run(self, work: Callable[..., None], *arguments: object) -> None:
        """Runs one piece of work, and waits for it."""
        for future in self.wait_for_any({self.submit(work, *arguments)}):
            future.result()

    def wait_for_any(self, running: Collection[Future[None]]) -> set[Future[None]]:
        """Waits until at least one has ended; returns those that have. Raises _TimeIsUp."""
        count, moved = len(self._run.outcomes), time.monotonic()
        while not (done := wait(running, timeout=LOOK, return_when=FIRST_COMPLETED).done):
            now = time.monotonic()
            if len(self._run.outcomes) != count:
                count, moved = len(self._run.outcomes), now
            if self._run.stop.is_set():
                self._run.concertim.end_retries()
                self._deadline = self._deadline or now + self._within
            is_late = self._deadline is not None and (now >= self._deadline or not self._run.posting)
            if is_late or now - moved >= self._stuck_after:
                raise _TimeIsUp
        return done


def _run_stages(
    run: Run, plan: Plan, guard: Guard, template_guard: TemplateGuard, bounded: _BoundedPool, workers: int
) -> None:
    for action in plan.templates:
        bounded.run(_run_template, run, action, template_guard)
    for action in plan.first:
        bounded.run(_run_single, run, action)
    _run_racks(run, plan.rack_plans, guard, bounded, workers)
    unused = _removable(plan.last, run.outcomes)
    for action in plan.last:
        if action.concertim_id in unused:
            bounded.run(_run_single, run, action)
        else:
            run.book(Outcome(action, Result.SKIPPED, "a device that was to be removed still uses it"))


def _run_template(run: Run, action: Action, template_guard: TemplateGuard) -> None:
    with template_guard(action) as there:
        if there is None:
            _run_single(run, action)
        else:
            run.templates[action.openstack_id] = there.id


def _run_single(run: Run, action: Action) -> None:
    with run.at(single_key(action)):
        attempt(run, action)


def single_key(action: Action) -> str:
    """The key for an action that concerns no rack."""
    return f"{action.kind} {action.openstack_id or action.concertim_id}"


def _run_racks(run: Run, rack_plans: Sequence[RackPlan], guard: Guard, bounded: _BoundedPool, workers: int) -> None:
    waiting = {rack_plan.key: rack_plan for rack_plan in rack_plans if rack_plan.actions}
    owed = {key: rack_plan.after & waiting.keys() for key, rack_plan in waiting.items()}
    followers: dict[str, list[str]] = defaultdict(list)
    for key, others in owed.items():
        for other in others:
            followers[other].append(key)
    ready = deque(key for key, others in owed.items() if not others)
    running: dict[Future[None], str] = {}
    while waiting or running:
        if not ready and not running:
            # The rest waits for names to become free; if they do not, Concertim will reject it.
            ready.append(next(iter(waiting)))
        while ready and len(running) < max(workers, 1):
            key = ready.popleft()
            if key in waiting:
                running[bounded.submit(_run_rack, run, waiting.pop(key), guard)] = key
        for future in bounded.wait_for_any(running.keys()):
            ended = running.pop(future)
            future.result()
            for key in followers[ended]:
                owed[key] -= {ended}
                if not owed[key]:
                    ready.append(key)


def _settle_unfinished(run: Run, plan: Plan) -> None:
    """Records for every action without an outcome that it was not done, or that its outcome is unknown."""
    outcomes, posting = run.close()
    known = {_identity(outcome.action) for outcome in outcomes}
    lanes = [(rack_plan.key, rack_plan.actions) for rack_plan in plan.rack_plans]
    lanes += [(single_key(action), (action,)) for action in (*plan.templates, *plan.first, *plan.last)]
    for key, actions in lanes:
        is_unknown = key in posting
        for action in actions:
            if _identity(action) in known:
                continue
            if is_unknown:
                run.add(Outcome(action, Result.FAILED, UNKNOWN))
                is_unknown = False
            else:
                run.add(Outcome(action, Result.SKIPPED, NOT_BEGUN))


def _identity(action: Action) -> tuple[object, ...]:
    """What identifies an action within a plan; its record may differ from the plan when it is executed."""
    return action.verb, action.kind, action.openstack_id, action.concertim_id, action.name


def _run_rack(run: Run, rack_plan: RackPlan, guard: Guard) -> None:
    if why := run.why_not():
        _skip(run, rack_plan.actions, why)
        return
    with guard(rack_plan) as record:
        if record is None:
            with run.lock:
                run.stale.add(rack_plan.stack_id)
            return
        with run.at(rack_plan.key):
            outcomes = list(_rack_outcomes(run, rack_plan))
            if any(outcome.result is Result.STALE for outcome in outcomes):
                with run.lock:
                    run.stale.add(rack_plan.stack_id)
            record(outcomes)


def _rack_outcomes(run: Run, rack_plan: RackPlan) -> Iterator[Outcome]:
    rack_id = rack_plan.rack_id
    blocked: set[int] = set()
    needed = _without_template(run, rack_plan)
    for action in rack_plan.actions:
        yield (outcome := _within_rack(run, action, rack_id, blocked, needed))
        if action.kind is ResourceKind.STACK and outcome.result is Result.DONE and outcome.record is not None:
            rack_id = outcome.record.id
        if action.device is not None and action.verb is Verb.REMOVE and outcome.result is not Result.DONE:
            blocked.update(_units(action.device))


def _within_rack(run: Run, action: Action, rack_id: str, blocked: set[int], needed: set[str]) -> Outcome:
    """Executes one action on a rack or a device in it; `blocked` are units that could not be freed (see
    `_without_template` for `needed`)."""
    if action.verb is Verb.CREATE and action.device is not None:
        return _create_device(run, action, action.device, rack_id, blocked)
    if action.verb is Verb.REMOVE and action.device is None and blocked:
        return run.book(Outcome(action, Result.SKIPPED, "a device in it could not be removed"))
    if action.verb is Verb.REMOVE and action.device is not None and action.openstack_id in needed:
        return run.book(Outcome(action, Result.SKIPPED, "the template to replace it could not be created"))
    return attempt(run, action)


def _without_template(run: Run, rack_plan: RackPlan) -> set[str]:
    """The OpenStack ids of devices that cannot be created for lack of a template: the ones they replace must stay."""
    return {
        action.openstack_id
        for action in rack_plan.actions
        if action.verb is Verb.CREATE
        and action.device is not None
        and not action.device.template_id
        and action.flavor_id not in run.templates
    }


def _create_device(run: Run, action: Action, device: Device, rack_id: str, blocked: set[int]) -> Outcome:
    template_id = device.template_id or run.templates.get(action.flavor_id, "")
    if not rack_id:
        return run.book(Outcome(action, Result.SKIPPED, "its rack could not be created"))
    if not template_id:
        return run.book(Outcome(action, Result.SKIPPED, "its template could not be created"))
    if blocked.intersection(_units(device)):
        return run.book(Outcome(action, Result.SKIPPED, "a device in its place could not be removed"))
    ready = replace(device, rack_id=rack_id, template_id=template_id)
    return attempt(run, replace(action, record=ready))


def _units(device: Device) -> range:
    return range(device.location.start_u, device.location.end_u + 1)


def _removable(last: Sequence[Action], outcomes: Sequence[Outcome]) -> set[str]:
    """Templates that are no longer used: all devices that were to be removed with them are gone."""
    still_used = {
        outcome.action.device.template_id
        for outcome in outcomes
        if outcome.action.device and outcome.action.verb is Verb.REMOVE and outcome.result is not Result.DONE
    }
    return {action.concertim_id for action in last} - still_used


def _skip(run: Run, actions: Sequence[Action], why: str) -> None:
    for action in actions:
        run.book(Outcome(action, Result.SKIPPED, why))
