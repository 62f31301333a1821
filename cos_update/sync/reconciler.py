"""The one way from reading both sides to remembering what is known; bulk, diff and (in part) listen run it.

look      reads both sides and makes the plan
carry_out posts it, rack by rack under the rack's lock
known     what the view is to keep of it
"""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable, Collection, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field

from cos_update.concertim.client import FEW, ConcertimClient
from cos_update.concertim.retry import LONGEST_WAIT
from cos_update.model.absence import AbsenceCheck
from cos_update.model.concertim import Actual
from cos_update.model.errors import ViewError
from cos_update.model.events import Key
from cos_update.model.openstack import Inventory, Membership, Project
from cos_update.model.progress import Progress
from cos_update.model.settings import ConcertimSettings, Settings
from cos_update.observability.observer import Observer
from cos_update.observability.run_log import RunLog
from cos_update.openstack.inventory import CloudReader
from cos_update.openstack.stack_members import remember, with_soft_deleted
from cos_update.planning.deletions import Scope
from cos_update.planning.desired import desired_state
from cos_update.planning.outcome import Applied, Outcome
from cos_update.planning.plan import TOLD_ONCE, Plan
from cos_update.planning.planner import Rules, make_plan, unconfirmed_deletions
from cos_update.planning.recognition import recognised, recognised_by_looks
from cos_update.planning.report import Report, after, merged, report
from cos_update.store import Origin, View, ViewStore, paused_gc, with_journal_entries
from cos_update.sync.cache_policy import (
    NOTHING,
    dropped,
    due_devices,
    former,
    needs_reread,
    origins,
    remembered_devices,
    remembered_stacks,
    with_former,
    with_unread,
)
from cos_update.sync.executor import execute
from cos_update.sync.guards import RACK_WAIT, rack_guard, record_template, template_guard
from cos_update.sync.in_hand import InHand

log = logging.getLogger("cos_update.pass")

FINISHING = 0.8
"""The share of the shutdown timeout for requests in flight; the rest is for saving."""
MAX_REREADS = 2
"""How often devices that are to be touched are read one by one; then all are."""
MAX_ATTEMPTS = 4
"""How often a pass looks at racks to which the other process was posting meanwhile."""
SAVE_EVERY = 30.0
"""Seconds after which the view is saved while a pass is still posting."""


@dataclass(frozen=True, slots=True)
class RunOptions:
    """What a pass is to do: the projects (names or ids; none: all that are watched) and what it may remove."""

    projects: tuple[str, ...] = ()
    allow_deletes: bool = False
    prune_unwatched: bool = False


@dataclass(frozen=True, slots=True)
class Services:
    """Both sides, and where the view is kept."""

    cloud: CloudReader
    concertim: ConcertimClient
    store: ViewStore
    settings: Settings
    concertim_settings: ConcertimSettings
    in_hand: InHand = field(default_factory=InHand)
    """What whoever ends the process gives time to finish."""


@dataclass(frozen=True, slots=True)
class Snapshot:
    """Both sides as they were read, and the plan that follows. `seq` is the journal's when the reading began."""

    inventory: Inventory
    actual: Actual
    plan: Plan
    seq: int
    origins: Mapping[str, Origin]
    """What OpenStack itself says of the objects read, by their ids."""
    past: View = NOTHING
    """What was known before, and spared part of the reading."""
    devices_in_full: bool = True
    """Whether every device of Concertim was read in full."""
    stacks_in_full: bool = True
    """Whether Heat was asked what every stack holds."""
    is_whole: bool = True
    """Whether the plan is about everything, not only about some projects or stacks."""
    last_read: str = ""
    """The id of the last device that was read because it was its turn."""

    @property
    def projects(self) -> Mapping[str, Project]:
        """The watched projects."""
        return self.inventory.projects


@paused_gc()
def read_and_plan(
    services: Services,
    run_options: RunOptions,
    stacks: frozenset[str] | None = None,
    view: View | None = None,
    observer: Observer | None = None,
) -> Snapshot:
    """Reads both sides at once and plans. Raises CosUpdateError when nothing can be said.

    `stacks` narrows the plan to the racks of those stacks. What `view` remembers, else the saved view, is not read
    again where both sides show no change. `watcher` is told how far it is.
    """
    observer = observer or Observer()
    past = view or _saved(services.store)
    # What is posted after this is not in what is remembered.
    seq = past.journal_seq if past else services.store.seq()
    past = past or NOTHING
    devices = remembered_devices(services.settings, past)
    due = due_devices(services.settings, past) if devices and stacks is None else ()
    membership = remembered_stacks(services.settings, past)
    with ThreadPoolExecutor(1, thread_name_prefix="concertim") as pool:
        reading = pool.submit(_read_concertim, services, devices, past, due, observer)
        inventory = services.cloud.read(membership, run_options.projects or None, observer.reading)
        actual, in_full = reading.result()
    planner = _Planner(services, run_options, inventory, stacks)
    actual, plan = planner.plan(actual, past)
    rereads = 0
    while touched := _touched_from_memory(plan, past):
        # What people have changed in ways that the structure does not show must survive our change.
        rereads += 1
        many = rereads > MAX_REREADS or len(touched) * FEW > len(actual.devices)
        reread = None if many else services.concertim.reread(actual, touched)
        in_full = reread is None
        actual = reread or services.concertim.read_all()
        actual, plan = planner.plan(actual, past)
    observer.planned(len(plan.actions))
    return Snapshot(
        inventory,
        actual,
        plan,
        seq,
        with_unread(origins(planner.inventory), inventory, past.origins),
        past,
        devices_in_full=in_full,
        stacks_in_full=membership is None and not run_options.projects,
        is_whole=stacks is None and not run_options.projects,
        last_read=due[-1] if due else past.last_read,
    )


def _read_concertim(
    services: Services, devices: Actual | None, past: View, due: Collection[str], observer: Observer
) -> tuple[Actual, bool]:
    actual, in_full = services.concertim.read(devices, past.needs_reread, due)
    observer.reading(Progress("Concertim", len(actual.devices), is_over=True))
    return actual, in_full


class _Planner:
    """Makes plans for one reading of the cloud; what is missing from it is asked for once."""

    def __init__(
        self, services: Services, run_options: RunOptions, inventory: Inventory, stacks: frozenset[str] | None
    ) -> None:
        self._services = services
        self.inventory = inventory
        """What was read, and the servers that were soft-deleted."""
        self._rules = Rules(
            max_deletes=services.settings.max_deletes,
            allow_deletes=run_options.allow_deletes,
            prune_unwatched=run_options.prune_unwatched,
            default_rack_height=services.concertim_settings.default_rack_height,
        )
        self._scope = Scope(_project_ids(inventory, run_options.projects), stacks)
        self._absence_checks: dict[Key, AbsenceCheck] = {}

    def plan(self, actual: Actual, past: View) -> tuple[Actual, Plan]:
        """All that makes `actual` agree with the cloud; and `actual` with what is recognised by what `past` knew."""
        inventory, rules, scope = self.inventory, self._rules, self._scope
        actual = recognised(actual, inventory, past.actual)
        desired = desired_state(inventory, actual, self._services.concertim_settings.order_id)
        actual = recognised_by_looks(actual, desired)
        missing = [
            key
            for key in unconfirmed_deletions(desired, actual, inventory, rules, scope)
            if key not in self._absence_checks
        ]
        if missing:
            self._absence_checks |= self._services.cloud.confirm(missing)
            self.inventory = inventory = with_soft_deleted(inventory, self._absence_checks.values())
            desired = desired_state(inventory, actual, self._services.concertim_settings.order_id)
        before = with_former(past)
        return actual, make_plan(desired, actual, inventory, self._absence_checks, rules, scope, before, past.dropped)


def _touched_from_memory(plan: Plan, past: View) -> set[str]:
    """The devices that the plan changes or removes, and that were not read in this pass."""
    devices = (action.device for action in plan.actions)
    return {device.id for device in devices if device and past.actual.devices.get(device.id) is device}


def _saved(store: ViewStore) -> View | None:
    try:
        return store.peek()
    except ViewError as error:
        log.debug("nothing is remembered: %s", error)
        return None


def _project_ids(inventory: Inventory, wanted: Sequence[str]) -> frozenset[str] | None:
    if not wanted:
        return None
    return frozenset(p.id for p in inventory.projects.values() if p.id in wanted or p.name in wanted)


def apply_and_save(
    services: Services, snapshot: Snapshot, stop: threading.Event, observer: Observer | None = None
) -> Applied:
    """Posts the plan of `sight`, saving the view now and then; `watcher` is told of each outcome, else the log is.

    Racks that another process has posted to since, or is posting to, come back as stale.
    """
    saver = _Saver(services.store, snapshot)
    observer = observer or RunLog()

    def notify(outcome: Outcome) -> None:
        observer.outcome(outcome)
        saver.take(outcome)

    return apply(services, snapshot, stop, notify)


def apply(services: Services, snapshot: Snapshot, stop: threading.Event, notify: Callable[[Outcome], None]) -> Applied:
    """Posts the plan of `sight`, each rack under its lock and the templates under theirs."""

    def on_outcome(outcome: Outcome) -> None:
        notify(outcome)
        record_template(services.store, snapshot, outcome)

    with services.in_hand.one():
        return execute(
            snapshot.plan,
            services.concertim,
            rack_guard(services.store, snapshot),
            workers=services.concertim_settings.concurrency,
            stop=stop,
            within=services.settings.shutdown_timeout * FINISHING,
            stuck_after=stuck_after(services.concertim_settings),
            on_outcome=on_outcome,
            template_guard=template_guard(services.store, snapshot),
        )


def run_pass(
    services: Services, run_options: RunOptions, stop: threading.Event, observer: Observer | None = None
) -> tuple[Report, Snapshot]:
    """One whole pass: look, carry out, look again at racks that were stale, remember.

    `watcher` is told how far it is and of each outcome, else the log is. Raises CosUpdateError when nothing could be
    read, or the view not be written.
    """
    began = time.monotonic()
    services.store.prepare()
    services.cloud.begin()
    with paused_gc():
        # Whatever is wrong with the view is set aside before anything is posted.
        view = services.store.load()
        snapshot = read_and_plan(services, run_options, view=view, observer=observer)
    notify = snapshot.past.told
    applied, view = _applied(services, snapshot, stop, observer)
    for _ in range(MAX_ATTEMPTS - 1):
        if not applied.stale or applied.stopped or stop.is_set():
            break
        view = with_journal_entries(view, services.store.entries_since(view.journal_seq))
        latest = read_and_plan(services, run_options, stacks=applied.stale, view=view, observer=observer)
        again, view = _applied(services, latest, stop, observer)
        applied = merged(applied, again)
    return report(snapshot.plan, applied, time.monotonic() - began, notify), snapshot


def _applied(
    services: Services, snapshot: Snapshot, stop: threading.Event, observer: Observer | None
) -> tuple[Applied, View]:
    """What became of the plan, and the view that was saved of it."""
    with services.in_hand.one():
        applied = apply_and_save(services, snapshot, stop, observer)
        view = known(snapshot, applied.outcomes)
        services.store.save(view)
    return applied, view


def stuck_after(settings: ConcertimSettings) -> float:
    """Seconds within which an action has its outcome, if only a failed one, however slowly the app answers.

    An action may take a login, its own request, and a look at what became of it, each tried again.
    """
    return 3 * (settings.retries + 1) * (settings.timeout + LONGEST_WAIT) + RACK_WAIT


class _Saver:
    """Saves the view now and then while outcomes come in, so that a killed pass leaves what it has done."""

    def __init__(self, store: ViewStore, snapshot: Snapshot) -> None:
        self._store = store
        self._snapshot = snapshot
        self._outcomes: list[Outcome] = []
        self._lock = threading.Lock()
        self._saved = time.monotonic()

    def take(self, outcome: Outcome) -> None:
        """One more outcome."""
        with self._lock:
            self._outcomes.append(outcome)
            if time.monotonic() - self._saved >= SAVE_EVERY:
                self._store.save(known(self._snapshot, self._outcomes))
                self._saved = time.monotonic()


@paused_gc()
def known(snapshot: Snapshot, outcomes: Sequence[Outcome]) -> View:
    """What is known of both sides after `outcomes`."""
    inventory, past = snapshot.inventory, snapshot.past
    membership = remember(inventory, Membership(past.stacks, past.unowned))
    actual = after(snapshot.actual, outcomes)
    reported = {notice.key for notice in snapshot.plan.all_notices if notice.kind in TOLD_ONCE}
    return View(
        actual=actual,
        projects=inventory.projects,
        origins=snapshot.origins,
        stacks=membership.stacks,
        unowned=membership.unowned,
        needs_reread=tuple(needs_reread(outcomes)),
        dropped=dropped(past, outcomes, actual),
        last_read=snapshot.last_read,
        told=tuple(sorted(reported if snapshot.is_whole else reported.union(past.told))),
        former=former(past, snapshot.actual, actual, snapshot.origins),
        cloud_read_at=inventory.began,
        concertim_read_at=snapshot.actual.began,
        concertim_full_read_at=snapshot.actual.began if snapshot.devices_in_full else past.concertim_full_read_at,
        passes_since_full=0 if snapshot.devices_in_full else past.passes_since_full + 1,
        passes_since_membership=0 if snapshot.stacks_in_full else past.passes_since_membership + 1,
        gaps=tuple(f"{gap.listing}: {gap.reason}" for gap in inventory.gaps),
        journal_seq=snapshot.seq,
    )
