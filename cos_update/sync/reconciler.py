"""The one way from reading both sides to remembering what is known; bulk, diff and (in part) listen run it.

look      reads both sides and makes the plan
carry_out posts it, rack by rack under the rack's lock
known     what the view is to keep of it
"""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass

from cos_update.concertim.client import FEW, ConcertimClient
from cos_update.model.absence import Verdict
from cos_update.model.concertim import Actual, Device, Rack, Template
from cos_update.model.errors import LockedError, ViewError
from cos_update.model.events import Key
from cos_update.model.openstack import Inventory, Membership, Project
from cos_update.model.progress import Progress
from cos_update.model.settings import ConcertimSettings, Settings
from cos_update.observability.observer import Watcher
from cos_update.observability.run_log import PassLog
from cos_update.openstack.inventory import CloudReader
from cos_update.openstack.stack_members import remember, with_soft_deleted
from cos_update.planning.deletions import Scope
from cos_update.planning.desired import desired_state
from cos_update.planning.plan import Action, Lane, Plan, Verb
from cos_update.planning.planner import Rules, make_plan, suspects
from cos_update.planning.report import Report, after, merged, report
from cos_update.store import Origin, Posting, View, ViewStore, paused_gc, with_postings
from cos_update.sync.cache_policy import NOTHING, origins, remembered_devices, remembered_stacks, unsure, with_unread
from cos_update.sync.executor import Applied, Guard, Outcome, Record, Result, TemplateGuard, apply

log = logging.getLogger("cos_update.pass")

_TEMPLATES = "templates"
"""What stands for all templates among the racks' locks."""
RACK_WAIT = 60.0
"""Seconds to wait for a rack that another process is posting to."""
MOST_ROUNDS = 2
"""How often devices that are to be touched are read one by one; then all are."""
MOST_LOOKS = 4
"""How often a pass looks at racks to which the other process was posting meanwhile."""
SAVE_EVERY = 30.0
"""Seconds after which the view is saved while a pass is still posting."""


@dataclass(frozen=True, slots=True)
class Order:
    """What a pass is to do: the projects (names or ids; none: all that are watched) and what it may remove."""

    projects: tuple[str, ...] = ()
    allow_deletes: bool = False
    prune_unwatched: bool = False


@dataclass(frozen=True, slots=True)
class Tools:
    """Both sides, and where the view is kept."""

    cloud: CloudReader
    concertim: ConcertimClient
    store: ViewStore
    settings: Settings
    concertim_settings: ConcertimSettings


@dataclass(frozen=True, slots=True)
class Sight:
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

    @property
    def projects(self) -> Mapping[str, Project]:
        """The watched projects."""
        return self.inventory.projects


@paused_gc()
def look(
    tools: Tools,
    order: Order,
    stacks: frozenset[str] | None = None,
    view: View | None = None,
    watcher: Watcher | None = None,
) -> Sight:
    """Reads both sides at once and plans. Raises CosUpdateError when nothing can be said.

    `stacks` narrows the plan to the racks of those stacks. What `view` remembers, else the saved view, is not read
    again where both sides show no change. `watcher` is told how far it is.
    """
    watcher = watcher or Watcher()
    past = view or _saved(tools.store)
    # What is posted after this is not in what is remembered.
    seq = past.journal_seq if past else tools.store.seq()
    past = past or NOTHING
    devices = remembered_devices(tools.settings, past)
    membership = remembered_stacks(tools.settings, past)
    with ThreadPoolExecutor(1, thread_name_prefix="concertim") as pool:
        reading = pool.submit(_read_concertim, tools, devices, past, watcher)
        inventory = tools.cloud.read(membership, order.projects or None, watcher.reading)
        actual, in_full = reading.result()
    planner = _Planner(tools, order, inventory, stacks)
    plan = planner.plan(actual)
    rounds = 0
    while touched := _touched_from_memory(plan, past):
        # What people have changed in ways that the structure does not show must survive our change.
        rounds += 1
        many = rounds > MOST_ROUNDS or len(touched) * FEW > len(actual.devices)
        reread = None if many else tools.concertim.reread(actual, touched)
        in_full = reread is None
        actual = reread or tools.concertim.read_all()
        plan = planner.plan(actual)
    watcher.planned(len(plan.actions))
    return Sight(
        inventory,
        actual,
        plan,
        seq,
        with_unread(origins(planner.inventory), inventory, past.origins),
        past,
        devices_in_full=in_full,
        stacks_in_full=membership is None and not order.projects,
    )


def _read_concertim(tools: Tools, devices: Actual | None, past: View, watcher: Watcher) -> tuple[Actual, bool]:
    actual, in_full = tools.concertim.read(devices, past.unsure)
    watcher.reading(Progress("Concertim", len(actual.devices), is_over=True))
    return actual, in_full


class _Planner:
    """Makes plans for one reading of the cloud; what is missing from it is asked for once."""

    def __init__(self, tools: Tools, order: Order, inventory: Inventory, stacks: frozenset[str] | None) -> None:
        self._tools = tools
        self.inventory = inventory
        """What was read, and the servers that were soft-deleted."""
        self._rules = Rules(
            max_deletes=tools.settings.max_deletes,
            allow_deletes=order.allow_deletes,
            prune_unwatched=order.prune_unwatched,
            default_rack_height=tools.concertim_settings.default_rack_height,
        )
        self._scope = Scope(_project_ids(inventory, order.projects), stacks)
        self._verdicts: dict[Key, Verdict] = {}

    def plan(self, actual: Actual) -> Plan:
        """All that makes `actual` agree with the cloud."""
        inventory, rules, scope = self.inventory, self._rules, self._scope
        desired = desired_state(inventory, actual, self._tools.concertim_settings.order_id)
        missing = [key for key in suspects(desired, actual, inventory, rules, scope) if key not in self._verdicts]
        if missing:
            self._verdicts |= self._tools.cloud.confirm(missing)
            self.inventory = inventory = with_soft_deleted(inventory, self._verdicts.values())
            desired = desired_state(inventory, actual, self._tools.concertim_settings.order_id)
        return make_plan(desired, actual, inventory, self._verdicts, rules, scope)


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


def carry_out(tools: Tools, sight: Sight, stop: threading.Event, watcher: Watcher | None = None) -> Applied:
    """Posts the plan of `sight`, saving the view now and then; `watcher` is told of each outcome, else the log is.

    Racks that another process has posted to since, or is posting to, come back as stale.
    """
    saver = _Saver(tools.store, sight)
    watcher = watcher or PassLog()

    def told(outcome: Outcome) -> None:
        watcher.outcome(outcome)
        saver.take(outcome)

    return post(tools, sight, stop, told)


def post(tools: Tools, sight: Sight, stop: threading.Event, told: Callable[[Outcome], None]) -> Applied:
    """Posts the plan of `sight`, each rack under its lock and the templates under theirs."""

    def on_outcome(outcome: Outcome) -> None:
        told(outcome)
        _tell_template(tools.store, sight, outcome)

    return apply(
        sight.plan,
        tools.concertim,
        _guard(tools, sight),
        workers=tools.concertim_settings.concurrency,
        stop=stop,
        on_outcome=on_outcome,
        template_guard=_template_guard(tools, sight),
    )


def run_pass(tools: Tools, order: Order, stop: threading.Event, watcher: Watcher | None = None) -> tuple[Report, Sight]:
    """One whole pass: look, carry out, look again at racks that were stale, remember.

    `watcher` is told how far it is and of each outcome, else the log is. Raises CosUpdateError when nothing could be
    read, or the view not be written.
    """
    began = time.monotonic()
    tools.store.prepare()
    tools.cloud.begin()
    with paused_gc():
        # Whatever is wrong with the view is set aside before anything is posted.
        view = tools.store.load()
        sight = look(tools, order, view=view, watcher=watcher)
    applied = carry_out(tools, sight, stop, watcher)
    view = known(sight, applied.outcomes)
    for _ in range(MOST_LOOKS - 1):
        if not applied.stale or applied.stopped or stop.is_set():
            break
        view = with_postings(view, tools.store.postings_since(view.journal_seq))
        latest = look(tools, order, stacks=applied.stale, view=view, watcher=watcher)
        again = carry_out(tools, latest, stop, watcher)
        view = known(latest, again.outcomes)
        applied = merged(applied, again)
    tools.store.save(view)
    return report(sight.plan, applied, time.monotonic() - began), sight


class _Saver:
    """Saves the view now and then while outcomes come in, so that a killed pass leaves what it has done."""

    def __init__(self, store: ViewStore, sight: Sight) -> None:
        self._store = store
        self._sight = sight
        self._outcomes: list[Outcome] = []
        self._lock = threading.Lock()
        self._saved = time.monotonic()

    def take(self, outcome: Outcome) -> None:
        """One more outcome."""
        with self._lock:
            self._outcomes.append(outcome)
            if time.monotonic() - self._saved >= SAVE_EVERY:
                self._store.save(known(self._sight, self._outcomes))
                self._saved = time.monotonic()


@paused_gc()
def known(sight: Sight, outcomes: Sequence[Outcome]) -> View:
    """What is known of both sides after `outcomes`."""
    inventory, past = sight.inventory, sight.past
    membership = remember(inventory, Membership(past.stacks, past.strays))
    return View(
        actual=after(sight.actual, outcomes),
        projects=inventory.projects,
        origins=sight.origins,
        stacks=membership.stacks,
        strays=membership.strays,
        unsure=tuple(unsure(outcomes)),
        cloud_read_at=inventory.began,
        concertim_read_at=sight.actual.began,
        concertim_full_read_at=sight.actual.began if sight.devices_in_full else past.concertim_full_read_at,
        passes_since_full=0 if sight.devices_in_full else past.passes_since_full + 1,
        passes_since_membership=0 if sight.stacks_in_full else past.passes_since_membership + 1,
        gaps=tuple(f"{gap.listing}: {gap.reason}" for gap in inventory.gaps),
        journal_seq=sight.seq,
    )


def _guard(tools: Tools, sight: Sight) -> Guard:
    """Holds a rack's lock while it is posted to, and tells the other process what was posted.

    A rack that the other process has posted to since `sight`, or holds for too long, is left alone.
    """
    store = tools.store

    @contextmanager
    def hold(lane: Lane) -> Iterator[Record | None]:
        with ExitStack() as held:
            try:
                held.enter_context(store.rack_lock(lane.stack_id, RACK_WAIT))
            except LockedError as error:
                log.warning("rack %s is left for later: %s", lane.rack_name, error)
                yield None
                return
            posted = any(
                posting.stack_id == lane.stack_id and posting.by != store.process
                for posting in store.postings_since(sight.seq)
            )
            yield None if posted else lambda outcomes: _post(store, sight, lane, outcomes)

    return hold


def _template_guard(tools: Tools, sight: Sight) -> TemplateGuard:
    """Holds the templates while one is made; gives the one that the other process has made since `sight`."""
    store = tools.store

    @contextmanager
    def hold(action: Action) -> Iterator[Template | None]:
        with ExitStack() as held:
            with suppress(LockedError):
                held.enter_context(store.rack_lock(_TEMPLATES, RACK_WAIT))
            made = [
                template
                for posting in store.postings_since(sight.seq)
                for template in posting.templates.values()
                if posting.by != store.process and template is not None and template.foreign_id == action.openstack_id
            ]
            yield made[-1] if made and action.verb is Verb.CREATE else None

    return hold


def _tell_template(store: ViewStore, sight: Sight, outcome: Outcome) -> None:
    """Tells the other process of a template that was made or changed."""
    if isinstance(outcome.record, Template):
        templates = {outcome.record.id: outcome.record}
        store.posted(Posting(0, "", 0.0, sight.inventory.began, "", templates=templates))


def _post(store: ViewStore, sight: Sight, lane: Lane, outcomes: Sequence[Outcome]) -> None:
    racks: dict[str, Rack | None] = {}
    devices: dict[str, Device | None] = {}
    for outcome in outcomes:
        record = outcome.record
        if isinstance(record, Rack):
            racks[record.id] = record
        elif isinstance(record, Device):
            devices[record.id] = record
        elif outcome.action.verb is Verb.REMOVE and outcome.result is Result.DONE:
            (racks if outcome.action.rack else devices)[outcome.action.concertim_id] = None
    if racks or devices:
        ids = (lane.stack_id, *(device.object_id for device in devices.values() if device))
        told = {item: sight.origins[item] for item in ids if item in sight.origins}
        store.posted(Posting(0, "", 0.0, sight.inventory.began, lane.stack_id, racks, devices, origins=told))
