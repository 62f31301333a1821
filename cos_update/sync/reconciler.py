"""A pass: reads both sides, posts the plan, saves the view; repeats for racks that another process was posting to.

`read_and_plan` reads and plans, `apply_and_save` posts, `known` builds the view to save. Bulk and diff run whole
passes, the listener only to make up for lost messages.
"""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace

from cos_update.concertim.reader import FEW, ConcertimReading
from cos_update.model.concertim import Actual
from cos_update.model.errors import CosUpdateError, ViewError
from cos_update.model.openstack import Inventory, Membership
from cos_update.model.progress import Progress
from cos_update.model.settings import ViewFor
from cos_update.observability.observer import Observer
from cos_update.observability.run_log import RunLog
from cos_update.openstack.stack_members import remember
from cos_update.planning.deletions import Scope
from cos_update.planning.outcome import Applied, Outcome
from cos_update.planning.plan import REPORTED_ONCE, Plan, Verb
from cos_update.planning.planner import Rules
from cos_update.planning.report import Report, after, merged, report
from cos_update.planning.selection import only_racks, unknown_racks
from cos_update.store import View, ViewStore, paused_gc, with_journal_entries
from cos_update.sync.apply import apply
from cos_update.sync.cache_policy import (
    NOTHING,
    dropped,
    due_racks,
    former,
    needs_reread,
    origins,
    remembered_devices,
    remembered_stacks,
    with_costs,
    with_former,
    with_known_people,
    with_unread,
)
from cos_update.sync.cloud_reading import read_cloud, with_absences
from cos_update.sync.plan_maker import PlanMaker
from cos_update.sync.services import RunOptions, Services, Snapshot
from cos_update.sync.standstill import are_same, options_text, plan_of, still

log = logging.getLogger("cos_update.pass")

_RACKS = "`cos-update diff --dry-run` and `cos-update view dump --kind racks` list the racks."
MAX_REREADS = 2
"""How often devices affected by the plan are read individually; after that all are read."""
MAX_ATTEMPTS = 4
"""How often a pass re-plans racks that another process was posting to."""
SAVE_EVERY = 30.0
"""Seconds between saves of the view while a pass is posting."""


@paused_gc()
def read_and_plan(
    services: Services,
    run_options: RunOptions,
    stacks: frozenset[str] | None = None,
    view: View | None = None,
    observer: Observer | None = None,
    view_for: ViewFor = ViewFor.NONE,
) -> Snapshot:
    """Reads both sides concurrently and plans. Raises CosUpdateError if a side cannot be read at all.

    `stacks` limits the plan to the racks of those stacks. Unchanged state is taken from `view`, or else from the saved
    view. `observer` receives the progress. `view_for` are the other services that will load the resulting view.
    """
    observer = observer or Observer()
    past = view or _saved(services.store)
    # Before anything is read: later changes of other processes are not in the snapshot.
    seq = past.journal_seq if past else services.store.seq()
    past = past or NOTHING
    accounts = view_for is not ViewFor.NONE and stacks is None
    # What was not read under these leases others may have changed since.
    is_trusted = services.site is None or services.grant is None or services.site.has_read(services.grant)
    devices = remembered_devices(services.settings, past) if is_trusted else None
    due = due_racks(services.settings, past) if devices and stacks is None else ()
    membership = remembered_stacks(services.settings, past)
    with ThreadPoolExecutor(1, thread_name_prefix="concertim") as pool:
        reading = pool.submit(_read_concertim, services, devices, past, due, observer, accounts=accounts)
        cloud = read_cloud(
            services.cloud,
            past,
            membership,
            observer.reading,
            projects=run_options.projects,
            every=services.settings.full_cloud_read_every,
            full=run_options.full or ("" if is_trusted else "for projects that were another machine's"),
            shards=services.shards,
        )
        inventory = cloud.inventory
        actual, in_full, structure = reading.result()
    if view_for is not ViewFor.NONE:
        actual = with_known_people(actual, past.actual)
    planner = _plan_maker(services, run_options, inventory, stacks)
    is_whole = stacks is None and not run_options.projects and not run_options.racks
    dated = view_for is not ViewFor.NONE
    may_stand_still = is_whole and services.orders is None
    order_id = services.concertim_settings.order_id
    options = options_text(planner.rules, planner.scope, order_id, dated=dated) if may_stand_still else ""
    # A full reading of the cloud is always planned for.
    plan = plan_of(past, inventory, actual, options) if may_stand_still and not cloud.why_full else None
    if plan is not None:
        found_origins, still_plan = past.origins, past.still
    else:
        read = actual
        actual, plan, in_full = _planned(services, run_options, planner, actual, past, in_full=in_full)
        found_origins = with_unread(origins(planner.inventory, dated=dated), inventory, past.origins)
        is_pure = may_stand_still and actual is read and not planner.absence_checks
        still_plan = still(plan, inventory, actual, past, options) if is_pure else {}
    observer.planned(len(plan.actions))
    return Snapshot(
        inventory,
        actual,
        plan,
        seq,
        found_origins,
        past,
        devices_in_full=in_full,
        stacks_in_full=membership is None and not run_options.projects,
        is_whole=is_whole,
        last_read=due[-1] if due else past.last_read,
        view_for=view_for,
        cloud=with_absences(cloud, planner.absence_checks.values()),
        still={**still_plan, "structure": structure} if still_plan else {},
    )


def _planned(
    services: Services, run_options: RunOptions, planner: PlanMaker, actual: Actual, past: View, *, in_full: bool
) -> tuple[Actual, Plan, bool]:
    """Concertim as it was read and recognised, the plan, and whether every device was read in full by then."""

    def plan_for(actual: Actual) -> tuple[Actual, Plan]:
        actual, plan = planner.plan(actual, past=past.actual, former=with_former(past), dropped=past.dropped)
        if unknown := unknown_racks(plan, run_options.racks):
            raise CosUpdateError(f"There is no rack {unknown[0]!r}, and no stack that one could show.", _RACKS)
        return actual, only_racks(plan, run_options.racks) if run_options.racks else plan

    actual, plan = plan_for(actual)
    rereads = 0
    while touched := _touched_from_memory(plan, past):
        # People's changes that the structure does not show must survive ours.
        rereads += 1
        many = rereads > MAX_REREADS or len(touched) * FEW > len(actual.devices)
        reread = None if many else services.concertim.reread(actual, sorted(touched))
        in_full = reread is None
        actual = reread or replace(services.concertim.read_all(), accounts=actual.accounts)
        actual, plan = plan_for(actual)
    return actual, plan, in_full


def _read_concertim(
    services: Services, devices: Actual | None, past: View, due: Sequence[str], observer: Observer, *, accounts: bool
) -> ConcertimReading:
    structure = str(past.still.get("structure", ""))
    reading = services.concertim.read(devices, past.needs_reread, due, structure=structure, accounts=accounts)
    observer.reading(Progress("Concertim", len(reading.actual.devices), is_over=True))
    return reading


def _plan_maker(
    services: Services, run_options: RunOptions, inventory: Inventory, stacks: frozenset[str] | None
) -> PlanMaker:
    rules = Rules(
        max_deletes=services.settings.max_deletes,
        allow_deletes=run_options.allow_deletes,
        prune_unwatched=run_options.prune_unwatched,
        default_rack_height=services.concertim_settings.default_rack_height,
    )
    scope = Scope(_project_ids(inventory, run_options.projects), stacks, services.shards)
    orders = services.orders
    return PlanMaker(
        inventory,
        rules,
        scope,
        services.cloud.confirm,
        services.concertim_settings.order_id,
        orders.find if orders else None,
    )


def _project_ids(inventory: Inventory, wanted: Sequence[str]) -> frozenset[str] | None:
    if not wanted:
        return None
    return frozenset(p.id for p in inventory.projects.values() if p.id in wanted or p.name in wanted)


def _touched_from_memory(plan: Plan, past: View) -> set[str]:
    """The devices that the plan removes, or whose metadata it replaces, and that were not read in this pass.

    Concertim changes all else field by field, so nothing that others wrote is lost.
    """
    devices = (a.device for a in plan.actions if a.verb is not Verb.UPDATE or "metadata" in a.payload)
    return {device.id for device in devices if device and past.actual.devices.get(device.id) is device}


def _saved(store: ViewStore) -> View | None:
    try:
        return store.peek()
    except ViewError as error:
        log.debug("no saved view: %s", error)
        return None


def apply_and_save(
    services: Services, snapshot: Snapshot, stop: threading.Event, observer: Observer | None = None
) -> Applied:
    """Posts the snapshot's plan, saving the view periodically; `observer` gets each outcome, by default the log.

    Racks that another process has posted to since, or is posting to, are returned as stale.
    """
    saver = _Saver(services.store, snapshot)
    observer = observer or RunLog()

    def notify(outcome: Outcome) -> None:
        observer.outcome(outcome)
        saver.take(outcome)

    return apply(services, snapshot, stop, notify)


def run_pass(
    services: Services,
    run_options: RunOptions,
    stop: threading.Event,
    observer: Observer | None = None,
    approve: Callable[[Plan], None] = lambda _: None,
) -> tuple[Report, Snapshot]:
    """Runs a whole pass: reads and plans, applies, re-plans what was stale, saves the view.

    `observer` gets progress and outcomes, by default the log. `approve` may reject the plan by raising
    CosUpdateError. Raises CosUpdateError also if nothing could be read, or the view could not be written.
    """
    began = time.monotonic()
    services.store.prepare()
    services.cloud.begin()
    view_for = services.store.arrange(services.settings.view_for)
    with paused_gc():
        # A bad view is set aside before anything is posted.
        view = services.store.load()
        before = view.view_for if view else ViewFor.NONE
        services.publisher.announce(view_for, before, is_asked_for=services.settings.view_for is not None)
        snapshot = read_and_plan(services, run_options, view=view, observer=observer, view_for=view_for)
    approve(snapshot.plan)
    reported = snapshot.past.reported
    applied, view = _applied(services, snapshot, stop, observer)
    for _ in range(MAX_ATTEMPTS - 1):
        if not applied.stale or applied.stopped or stop.is_set():
            break
        view = with_journal_entries(view, services.store.entries_since(view.journal_seq))
        stale = applied.stale
        latest = read_and_plan(services, run_options, stacks=stale, view=view, observer=observer, view_for=view_for)
        again, view = _applied(services, latest, stop, observer)
        applied = merged(applied, again)
    if applied.stale:
        with services.in_hand.one():
            save(services, view)
    if services.site is not None and services.grant is not None and snapshot.is_whole and not applied.stopped:
        services.site.note_read(services.grant)
    cloud = str(snapshot.cloud or "")
    return report(snapshot.plan, applied, time.monotonic() - began, reported, cloud), snapshot


def _applied(
    services: Services, snapshot: Snapshot, stop: threading.Event, observer: Observer | None
) -> tuple[Applied, View]:
    """Applies the plan; returns the outcomes and the resulting view, already saved, as later reads may be aborted."""
    with services.in_hand.one():
        applied = apply_and_save(services, snapshot, stop, observer)
        view = known(snapshot, applied.outcomes)
        if applied.stale:
            services.store.save(view)
        else:
            save(services, view)
    return applied, view


def save(services: Services, view: View) -> None:
    """Saves the view at the end of a pass, also for other services. Raises ViewError."""
    services.publisher.publish(services.store, services.store.save(view))


class _Saver:
    """Saves the view periodically during a pass, so that a killed pass leaves a record of its changes."""

    def __init__(self, store: ViewStore, snapshot: Snapshot) -> None:
        self._store = store
        self._snapshot = snapshot
        self._outcomes: list[Outcome] = []
        self._lock = threading.Lock()
        self._saved = time.monotonic()

    def take(self, outcome: Outcome) -> None:
        with self._lock:
            self._outcomes.append(outcome)
            if time.monotonic() - self._saved >= SAVE_EVERY:
                self._store.save(known(self._snapshot, self._outcomes))
                self._saved = time.monotonic()


@paused_gc()
def known(snapshot: Snapshot, outcomes: Sequence[Outcome]) -> View:
    """The view after `outcomes`."""
    inventory, past = snapshot.inventory, snapshot.past
    membership = remember(inventory, Membership(past.stacks, past.unowned))
    actual = with_costs(after(snapshot.actual, outcomes), past.actual)
    reported = {notice.key for notice in snapshot.plan.all_notices if notice.kind in REPORTED_ONCE}
    gone, not_stored = former(past, snapshot.actual, actual, snapshot.origins), dropped(past, outcomes, actual)
    # The next plan is made from these.
    is_still = not outcomes and are_same(gone, past.former) and not_stored == past.dropped
    return View(
        actual=actual,
        projects=inventory.projects,
        origins=snapshot.origins,
        stacks=membership.stacks,
        unowned=membership.unowned,
        needs_reread=tuple(needs_reread(outcomes)),
        dropped=not_stored,
        last_read=snapshot.last_read,
        cloud=snapshot.cloud.memory if snapshot.cloud else None,
        still=snapshot.still if is_still else {},
        reported=tuple(sorted(reported if snapshot.is_whole else reported.union(past.reported))),
        former=gone,
        cloud_read_at=inventory.began,
        concertim_read_at=snapshot.actual.began,
        concertim_full_read_at=snapshot.actual.began if snapshot.devices_in_full else past.concertim_full_read_at,
        passes_since_full=0 if snapshot.devices_in_full else past.passes_since_full + 1,
        passes_since_membership=0 if snapshot.stacks_in_full else past.passes_since_membership + 1,
        gaps=tuple(f"{gap.kind.listing}: {gap.reason}" for gap in inventory.gaps),
        journal_seq=snapshot.seq,
        view_for=snapshot.view_for,
        view_for_since=past.view_for_since if past.view_for is snapshot.view_for else snapshot.actual.began,
    )
