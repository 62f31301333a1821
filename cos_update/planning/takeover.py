"""Decides whether a deployment's update handlers can be replaced safely, by its racks and the first plan."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, fields
from enum import StrEnum

from cos_update.model.concertim import Actual, ApiFlavour, Device, Owner, Rack, Record
from cos_update.model.kinds import ResourceKind
from cos_update.planning.desired import heights_in_the_field, template_height
from cos_update.planning.plan import Action, NoticeKind, Plan, Verb
from cos_update.planning.report import describe

OWNER_ID = "openstack_stack_owner_id"


class Author(StrEnum):
    """Who created a rack, or was the last to complete its metadata."""

    FIRST = "first generation"
    """Update handlers of the releases 0.1 to 1.1: they write Heat's own project for the stack's users as the owner."""
    SECOND = "second generation"
    """Update handlers of 1.2 and later: they write the id of the stack's project."""
    OURS = "cos-update"
    PERSON = "by hand"
    """It has no stack id, so it belongs to the person who created it."""
    UNKNOWN = "unknown"


def author_of(rack: Rack, owner: Owner | None, flavour: ApiFlavour) -> Author:
    """Who created a rack, by its metadata and its order id; `owner` is its team (or user).

    A rack of theirs that we have updated looks like one of the second generation, which only knows teams.
    """
    owner_id = rack.metadata.get(OWNER_ID)
    if not rack.stack_id:
        return Author.PERSON
    if rack.order_id == rack.stack_id:
        return Author.OURS
    if not isinstance(owner_id, str) or not owner_id or owner is None:
        return Author.UNKNOWN
    if owner_id != owner.project_id:
        return Author.FIRST
    return Author.OURS if flavour is ApiFlavour.USERS else Author.SECOND


@dataclass(frozen=True, slots=True)
class Racks:
    """Counts of racks: by author, and those of stacks that have an order id; and the number of templates with a height
    that only the second generation uses."""

    authors: Mapping[Author, int]
    with_order_id: int
    templates_of_other_height: int


def racks_found(actual: Actual) -> Racks:
    """Counts the racks in Concertim by author."""
    racks = actual.racks.values()
    authors = Counter(author_of(rack, actual.owners.get(rack.owner_id), actual.flavour) for rack in racks)
    ours = [template for template in actual.templates.values() if template.foreign_id and template.vcpus]
    return Racks(
        {author: authors[author] for author in Author if authors[author]},
        sum(bool(rack.stack_id and rack.order_id) for rack in racks),
        sum(
            template.height in heights_in_the_field(template.vcpus or 0) - {template_height(template.vcpus or 0)}
            for template in ours
        ),
    )


@dataclass(frozen=True, slots=True)
class Reason:
    """A reason why the handlers cannot be replaced now, with a fix. `subject` is its category in a word."""

    subject: str
    text: str
    fix: str


_IF_GONE = "let the running handlers remove it, or remove it in Concertim, so that cos-update need not"
_IF_TWICE = "see `cos-update diff --dry-run` and `cos-update explain`: it would be recreated"


def reasons_of_plan(plan: Plan, actual: Actual) -> Iterator[Reason]:
    """Reasons why the first pass would do more than adopt: it removes or recreates objects, or its plan has gaps."""
    for action in plan.actions:
        if action.verb is Verb.REMOVE:
            why = f": {action.why}" if action.why else ""
            yield Reason("removes", f"the first pass would remove {_exactly(action)}{why}", _IF_GONE)
    for action in plan.held:
        yield Reason("removes", f"a pass would remove {_exactly(action)}, if it were not held back", _IF_GONE)
    shown = {(record.kind, record.openstack_id) for record in _records(actual).values() if record.openstack_id}
    for action in plan.actions:
        if action.verb is Verb.CREATE and (action.kind, action.openstack_id) in shown:
            yield Reason("creates", f"the first pass would recreate {_exactly(action)}, which exists", _IF_TWICE)
    for notice in plan.all_notices:
        if notice.kind is NoticeKind.UNREAD:
            text = f"{notice.subject} {notice.name}: {notice.text}"
            yield Reason("unread", text, "fix what `cos-update check` reports; until then the plan is incomplete")


def _exactly(action: Action) -> str:
    return f"{describe(action)} ({action.openstack_id or action.concertim_id})"


def changed_between(first: Actual, second: Actual) -> tuple[str, ...]:
    """Changes by others between two readings, a phrase for each object; costs are ignored."""
    before, after = _records(first), _records(second)
    found = []
    for key in sorted({*before, *after}):
        old, new = before.get(key), after.get(key)
        if old is None and new is not None:
            found.append(f"{_described(new, second)} was created")
        elif new is None and old is not None:
            found.append(f"{_described(old, first)} was removed")
        elif old is not None and new is not None and old != new:
            found.append(f"{_described(new, second)} was changed ({', '.join(_fields_changed(old, new))})")
    return tuple(found)


def _records(actual: Actual) -> dict[tuple[str, str], Record]:
    sides: tuple[tuple[str, Mapping[str, Record]], ...] = (
        ("template", actual.templates),
        ("rack", actual.racks),
        ("device", actual.devices),
    )
    return {(side, item): record for side, records in sides for item, record in records.items()}


def _described(record: Record, actual: Actual) -> str:
    kind = record.kind.label if record.kind is not ResourceKind.STACK else "rack"
    rack = actual.racks.get(record.rack_id) if isinstance(record, Device) else None
    return f"{kind} {record.name}" + (f" in {rack.name}" if rack else "")


def _fields_changed(old: Record, new: Record) -> list[str]:
    compared = [field.name for field in fields(old) if field.compare]
    return [name for name in compared if getattr(old, name) != getattr(new, name)]
