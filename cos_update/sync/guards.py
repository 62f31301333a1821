"""The locks under which a plan is posted, and what the processes that share a data dir tell each other of it."""

from __future__ import annotations

import logging
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager, suppress
from typing import TYPE_CHECKING

from cos_update.model.concertim import Device, Rack, Template
from cos_update.model.errors import LockedError
from cos_update.planning.outcome import Outcome, Result
from cos_update.planning.plan import Action, RackPlan, Verb
from cos_update.store import JournalEntry, ViewStore
from cos_update.sync.executor import Guard, Record, TemplateGuard

if TYPE_CHECKING:
    from cos_update.sync.reconciler import Snapshot

log = logging.getLogger("cos_update.pass")

_TEMPLATES = "templates"
"""What stands for all templates among the racks' locks."""
RACK_WAIT = 60.0
"""Seconds to wait for a rack that another process is posting to."""


def rack_guard(store: ViewStore, snapshot: Snapshot) -> Guard:
    """Holds a rack's lock while it is posted to, and tells the other process what was posted.

    A rack that the other process has posted to since `sight`, or holds for too long, is left alone.
    """

    @contextmanager
    def hold(rack_plan: RackPlan) -> Iterator[Record | None]:
        with ExitStack() as held:
            try:
                held.enter_context(store.rack_lock(rack_plan.stack_id, RACK_WAIT))
            except LockedError as error:
                log.warning("rack %s is left for later: %s", rack_plan.rack_name, error)
                yield None
                return
            posted = any(
                journal_entry.stack_id == rack_plan.stack_id and journal_entry.by != store.process
                for journal_entry in store.entries_since(snapshot.seq)
            )
            yield None if posted else lambda outcomes: _record_rack(store, snapshot, rack_plan, outcomes)

    return hold


def template_guard(store: ViewStore, snapshot: Snapshot) -> TemplateGuard:
    """Holds the templates while one is made; gives the one that the other process has made since `sight`."""

    @contextmanager
    def hold(action: Action) -> Iterator[Template | None]:
        with ExitStack() as held:
            with suppress(LockedError):
                held.enter_context(store.rack_lock(_TEMPLATES, RACK_WAIT))
            made = [
                template
                for journal_entry in store.entries_since(snapshot.seq)
                for template in journal_entry.templates.values()
                if journal_entry.by != store.process and template is not None and _serves(template, action)
            ]
            yield made[-1] if made and action.verb is Verb.CREATE else None

    return hold


def _serves(template: Template, action: Action) -> bool:
    """Whether the template is one that the action would make; one of another height can't become it."""
    wanted = action.template
    return wanted is not None and (template.foreign_id, template.height) == (wanted.foreign_id, wanted.height)


def record_template(store: ViewStore, snapshot: Snapshot, outcome: Outcome) -> None:
    """Tells the other process of a template that was made or changed."""
    if isinstance(outcome.record, Template):
        templates = {outcome.record.id: outcome.record}
        store.record(JournalEntry(0, store.process, 0.0, snapshot.inventory.began, "", templates=templates))


def _record_rack(store: ViewStore, snapshot: Snapshot, rack_plan: RackPlan, outcomes: Sequence[Outcome]) -> None:
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
        ids = (rack_plan.stack_id, *(device.object_id for device in devices.values() if device))
        notify = {item: snapshot.origins[item] for item in ids if item in snapshot.origins}
        began = snapshot.inventory.began
        store.record(JournalEntry(0, store.process, 0.0, began, rack_plan.stack_id, racks, devices, origins=notify))
