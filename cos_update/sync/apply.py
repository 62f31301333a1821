"""Posts a plan concurrently with other processes: each rack under its lock, every change recorded in the journal.

Separate from `executor`, which knows the order of work and nothing about locks, journal or view.
"""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager, suppress
from typing import Any

from cos_update.concertim.retry import LONGEST_WAIT
from cos_update.model.concertim import Template
from cos_update.model.errors import LockedError
from cos_update.model.settings import ConcertimSettings
from cos_update.planning.outcome import Applied, Outcome, Result
from cos_update.planning.plan import Action, RackPlan, Verb
from cos_update.store import JournalEntry, ViewStore
from cos_update.sync.executor import Guard, OnPosted, TemplateGuard, execute
from cos_update.sync.fencing import fenced
from cos_update.sync.services import Services, Snapshot

log = logging.getLogger("cos_update.pass")

_TEMPLATES = "templates"
"""The key of the templates' lock among the racks' locks."""
FINISHING = 0.8
"""The fraction of the shutdown timeout for requests in flight; the rest is for saving."""
RACK_WAIT = 60.0
"""Seconds to wait for a rack that another process is posting to."""


def apply(services: Services, snapshot: Snapshot, stop: threading.Event, notify: Callable[[Outcome], None]) -> Applied:
    """Posts the snapshot's plan, each rack under its lock and templates under theirs."""

    def on_outcome(outcome: Outcome) -> None:
        notify(outcome)
        _record_template(services.store, snapshot, outcome)

    with services.in_hand.one():
        return execute(
            snapshot.plan,
            fenced(services, snapshot.actual),
            _guard(services, snapshot),
            workers=services.concertim_settings.concurrency,
            stop=stop,
            within=services.settings.shutdown_timeout * FINISHING,
            stuck_after=stuck_after(services.concertim_settings),
            on_outcome=on_outcome,
            template_guard=_template_guard(services, snapshot),
        )


def stuck_after(settings: ConcertimSettings) -> float:
    """Maximum seconds until an action has an outcome, at least a failure, however slow the app is.

    An action may need a login, its own request, and a read of the result, each with retries.
    """
    return 3 * (settings.retries + 1) * (settings.timeout + LONGEST_WAIT) + RACK_WAIT


def _guard(services: Services, snapshot: Snapshot) -> Guard:
    """Holds a rack's lock while posting to it, and records the changes in the journal.

    A rack that another process has posted to since the snapshot, or holds for too long, is left alone.
    """
    store = services.store

    @contextmanager
    def hold(rack_plan: RackPlan) -> Iterator[OnPosted | None]:
        with ExitStack() as held:
            try:
                held.enter_context(store.rack_lock(rack_plan.stack_id, RACK_WAIT))
            except LockedError as error:
                log.warning("postponing rack %s: %s", rack_plan.rack_name, error)
                yield None
                return
            posted = any(
                journal_entry.stack_id == rack_plan.stack_id and journal_entry.by != store.process
                for journal_entry in store.entries_since(snapshot.seq)
            )
            yield None if posted else lambda outcomes: _record_rack(store, snapshot, rack_plan, outcomes)

    return hold


def _template_guard(services: Services, snapshot: Snapshot) -> TemplateGuard:
    """Holds the templates' lock while creating one; yields one that another process has created since the snapshot."""
    store = services.store

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
    """Whether the template is the one that the action would create; a template cannot change its height."""
    wanted = action.record
    return isinstance(wanted, Template) and (template.foreign_id, template.height) == (
        wanted.foreign_id,
        wanted.height,
    )


def _record_template(store: ViewStore, snapshot: Snapshot, outcome: Outcome) -> None:
    """Records a created or changed template in the journal."""
    if isinstance(outcome.record, Template):
        templates = {outcome.record.id: outcome.record}
        store.record(JournalEntry(0, store.process, 0.0, snapshot.inventory.began, "", templates=templates))


def _record_rack(store: ViewStore, snapshot: Snapshot, rack_plan: RackPlan, outcomes: Sequence[Outcome]) -> None:
    racks: dict[str, Any] = {}
    devices: dict[str, Any] = {}
    for outcome in outcomes:
        action, record = outcome.action, outcome.record
        kept = devices if action.device else racks
        if record is not None:
            kept[record.id] = record
        elif action.verb is Verb.REMOVE and outcome.result is Result.DONE:
            kept[action.concertim_id] = None
    if racks or devices:
        ids = (rack_plan.stack_id, *(device.object_id for device in devices.values() if device))
        notify = {item: snapshot.origins[item] for item in ids if item in snapshot.origins}
        began = snapshot.inventory.began
        store.record(JournalEntry(0, store.process, 0.0, began, rack_plan.stack_id, racks, devices, origins=notify))
