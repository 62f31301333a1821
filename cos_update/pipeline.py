"""The one way from reading both sides to remembering what is known; bulk, diff and (in part) listen run it.

look      reads both sides and makes the plan
carry_out posts it, rack by rack under the rack's lock
remember  keeps the view
"""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass

from cos_update.concertim.client import ConcertimClient
from cos_update.core.apply import Applied, Guard, Outcome, Record, Result, apply
from cos_update.core.delta import Rules, make_plan, suspects
from cos_update.core.desired import desired_state
from cos_update.core.outcome import Report, after, merged, report
from cos_update.core.plan import Lane, Plan, Verb
from cos_update.core.removal import Scope
from cos_update.core.states import origin_state
from cos_update.core.summary import change_text
from cos_update.model.cloud import Inventory, Project
from cos_update.model.errors import LockedError
from cos_update.model.racks import Actual, Device, Rack
from cos_update.model.settings import ConcertimSettings, Settings
from cos_update.openstack.reader import CloudReader
from cos_update.view import Origin, Posting, View, ViewStore

log = logging.getLogger("cos_update.pass")

RACK_WAIT = 60.0
"""Seconds to wait for a rack that another process is posting to."""
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

    @property
    def projects(self) -> Mapping[str, Project]:
        """The watched projects."""
        return self.inventory.projects


def look(tools: Tools, order: Order, stacks: frozenset[str] | None = None) -> Sight:
    """Reads both sides at once and plans. Raises CosUpdateError when nothing can be said.

    `stacks` narrows the plan to the racks of those stacks.
    """
    seq = tools.store.seq()
    with ThreadPoolExecutor(1, thread_name_prefix="concertim") as pool:
        reading = pool.submit(tools.concertim.read_all)
        inventory = tools.cloud.read(projects=order.projects or None)
        actual = reading.result()
    rules = Rules(
        max_deletes=tools.settings.max_deletes,
        allow_deletes=order.allow_deletes,
        prune_unwatched=order.prune_unwatched,
        default_rack_height=tools.concertim_settings.default_rack_height,
    )
    scope = Scope(_project_ids(inventory, order.projects), stacks)
    desired = desired_state(inventory, actual, tools.concertim_settings.order_id)
    missing = suspects(desired, actual, inventory, rules, scope)
    verdicts = tools.cloud.confirm(missing) if missing else {}
    return Sight(inventory, actual, make_plan(desired, actual, inventory, verdicts, rules, scope), seq)


def _project_ids(inventory: Inventory, wanted: Sequence[str]) -> frozenset[str] | None:
    if not wanted:
        return None
    return frozenset(p.id for p in inventory.projects.values() if p.id in wanted or p.name in wanted)


def carry_out(tools: Tools, sight: Sight, stop: threading.Event) -> Applied:
    """Posts the plan of `sight`, saving the view now and then.

    Racks that another process has posted to since, or is posting to, come back as stale.
    """
    saver = _Saver(tools.store, sight)

    def told(outcome: Outcome) -> None:
        _log(outcome)
        saver.take(outcome)

    workers = tools.concertim_settings.concurrency
    return apply(sight.plan, tools.concertim, _guard(tools, sight), workers=workers, stop=stop, on_outcome=told)


def run_pass(tools: Tools, order: Order, stop: threading.Event) -> tuple[Report, Sight]:
    """One whole pass: look, carry out, look again at racks that were stale, remember.

    Raises CosUpdateError when nothing could be read, or the view not be written.
    """
    began = time.monotonic()
    tools.store.prepare()
    # Whatever is wrong with the view is set aside before anything is posted.
    tools.store.load()
    sight = latest = look(tools, order)
    applied = carry_out(tools, sight, stop)
    known = after(sight.actual, applied.outcomes)
    if applied.stale and not stop.is_set() and not applied.stopped:
        latest = look(tools, order, stacks=applied.stale)
        second = carry_out(tools, latest, stop)
        known = after(latest.actual, second.outcomes)
        applied = merged(applied, second)
    remember(tools.store, latest, known)
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
                remember(self._store, self._sight, after(self._sight.actual, self._outcomes))
                self._saved = time.monotonic()


def remember(store: ViewStore, sight: Sight, known: Actual) -> None:
    """Saves what is known of both sides. Raises ViewError."""
    now = time.time()
    inventory = sight.inventory
    store.save(
        View(
            actual=known,
            projects=inventory.projects,
            origins=_origins(inventory),
            cloud_read_at=inventory.began,
            concertim_read_at=sight.actual.began,
            concertim_full_read_at=sight.actual.began,
            gaps=tuple(f"{gap.listing}: {gap.reason}" for gap in inventory.gaps),
            saved_at=now,
            journal_seq=sight.seq,
        )
    )


def _origins(inventory: Inventory) -> dict[str, Origin]:
    homes = {
        item: stack_id
        for stack_id, content in inventory.contents.items()
        for item in (*content.servers, *content.volumes, *content.networks)
    }
    found = {}
    for kind, items in (
        ("stack", inventory.stacks),
        ("server", inventory.servers),
        ("volume", inventory.volumes),
        ("network", inventory.networks),
    ):
        for item in items.values():
            found[item.id] = Origin(kind, item.name, origin_state(item), item.project_id, homes.get(item.id, ""))
    return found


def _guard(tools: Tools, sight: Sight) -> Guard:
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
        store.posted(Posting(0, "", 0.0, sight.inventory.began, lane.stack_id, racks, devices))


def _log(outcome: Outcome) -> None:
    action = outcome.action
    words = {Verb.CREATE: "created", Verb.UPDATE: "changed", Verb.REMOVE: "removed"}[action.verb]
    concertim_id = outcome.record.id if outcome.record else action.concertim_id
    ids = f"openstack={action.openstack_id} concertim={concertim_id or '-'}"
    logger = logging.getLogger(f"cos_update.{action.target}")
    if outcome.result is Result.DONE:
        said = "; ".join(change_text(change) for change in action.changes)
        logger.info("%s %s %s %s", words, action.name, said or action.why, ids)
    else:
        # What was not even tried is said once, in the pass's own line.
        level = logging.DEBUG if outcome.result is Result.SKIPPED else logging.WARNING
        logger.log(level, "not %s (%s) %s: %s %s", words, outcome.result, action.name, outcome.reason, ids)
