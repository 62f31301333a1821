"""Detects and remembers values that Concertim accepts but does not store.

A field that the response does not return as sent is reported once. It is sent again only if the desired value or the
value in Concertim changes. Separate from `compare`, which decides what differs; this decides what is useless to send.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import replace

from cos_update.model.concertim import Actual, Device, Rack, Record, Template
from cos_update.planning.compare import Difference, is_same
from cos_update.planning.plan import RACK, TEMPLATE, Action, Change, Notice, NoticeKind, Plan, Verb

_CREATED: Mapping[type, tuple[str, ...]] = {
    Template: ("name", "description", "vcpus", "ram", "disk"),
    Rack: ("name", "status", "network_details", "creation_output"),
    Device: ("name", "status", "description"),
}
"""The fields that a creation sends and its response returns, by type of record."""
METADATA = "metadata."

Memory = Mapping[str, Mapping[str, tuple[object, object]]]
"""Concertim id -> field -> the value sent, and the value returned."""


def not_stored(action: Action, record: Record | None) -> tuple[Change, ...]:
    """The values sent but not stored in `record`, the object in the response; from the stored to the sent value."""
    if record is None or action.verb is Verb.REMOVE:
        return ()
    sent = action.changes if action.verb is Verb.UPDATE else tuple(_created(action))
    return tuple(
        Change(change.field, shown, change.new)
        for change in sent
        if not is_same(shown := _value(record, change.field), change.new)
    )


def without_dropped(difference: Difference, known: Mapping[str, tuple[object, object]]) -> Difference:
    """The difference without values that are useless to send."""
    useless = {
        change.field
        for change in difference.changes
        if (past := known.get(change.field)) and is_same(past[0], change.new) and is_same(past[1], change.old)
    }
    if not useless:
        return difference
    changes = tuple(change for change in difference.changes if change.field not in useless)
    payload = {name: value for name, value in difference.payload.items() if name not in useless}
    if not any(change.field.startswith(METADATA) for change in changes):
        payload.pop("metadata", None)
    details = payload.get("details")
    if isinstance(details, Mapping):
        payload["details"] = {name: value for name, value in details.items() if name not in useless}
        if not payload["details"]:
            del payload["details"]
    return Difference(payload, changes)


def remembered(past: Memory, done: Iterable[tuple[Action, Record | None, tuple[Change, ...]]], now: Actual) -> Memory:
    """`past` updated by these writes, each with the values not stored; without objects that are gone."""
    found = {item: dict(fields) for item, fields in past.items()}
    for action, record, dropped in done:
        if record is None:
            continue
        fields = found.setdefault(record.id, {})
        for change in action.changes:
            fields.pop(change.field, None)
        fields.update({change.field: (change.new, change.old) for change in dropped})
    there = now.templates.keys() | now.racks.keys() | now.devices.keys()
    return {item: fields for item, fields in found.items() if fields and item in there}


def with_notices(plan: Plan, known: Memory, actual: Actual) -> Plan:
    """The plan with a notice for each field that is not stored, by kind of object."""
    counts: Counter[tuple[str, str]] = Counter()
    for item, fields in known.items():
        subject = _subject(item, actual)
        if subject:
            counts.update((subject, name) for name in fields)
    notices = tuple(
        Notice(
            NoticeKind.NOT_STORED,
            subject,
            name,
            "",
            f"this Concertim does not store {name} as sent ({count} of them): not sent again until it changes",
        )
        for (subject, name), count in sorted(counts.items())
    )
    return replace(plan, notices=(*plan.notices, *notices)) if notices else plan


def _subject(item: str, actual: Actual) -> str:
    if device := actual.devices.get(item):
        return device.kind.label
    if item in actual.racks:
        return RACK
    return TEMPLATE if item in actual.templates else ""


def _created(action: Action) -> Iterable[Change]:
    record = action.record
    yield from (Change(name, None, getattr(record, name)) for name in _CREATED[type(record)])
    if isinstance(record, Template):
        return
    yield from (Change(f"{METADATA}{key}", None, value) for key, value in record.metadata.items())
    if isinstance(record, Device):
        details = record.details
        yield from (Change(name, None, getattr(details, name)) for name in details.__dataclass_fields__)


def _value(record: Record, field: str) -> object:
    if field.startswith(METADATA) and not isinstance(record, Template):
        return record.metadata.get(field.removeprefix(METADATA))
    if isinstance(record, Device) and not hasattr(record, field):
        return getattr(record.details, field, None)
    return getattr(record, field, None)
