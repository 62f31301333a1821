"""Explains why Concertim shows an object as it does, or not at all, from the plan and the state of both sides. Pure.

Separate from the planner since nothing is decided here: the answers are the planner's, in the order of a person's
questions.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime

from cos_update.model.concertim import Actual, Device, Rack, Template
from cos_update.model.kinds import DEVICES, ResourceKind
from cos_update.model.openstack import Flavor, Project
from cos_update.planning.plan import NoticeKind, Plan, Verb
from cos_update.planning.summary import MARKS, change_text
from cos_update.store import JournalEntry, Origin

_SHORTEST_PREFIX = 6
"""The minimum length of an id prefix."""

_REMEDIES: Mapping[NoticeKind, str] = {
    NoticeKind.UNREAD: "It is read again as soon as that service can be read.",
    NoticeKind.NO_OWNER: "Create a team in Concertim with the project's id.",
    NoticeKind.OTHER_OWNER: "Concertim cannot move a rack: remove it there, and a pass recreates it in the right team.",
    NoticeKind.ORPHANED: "`bulk --prune-unwatched` removes it; the role on the project makes it managed again.",
    NoticeKind.HELD_BACK: "`bulk --allow-deletes` removes it.",
    NoticeKind.UNCONFIRMED: "It is checked again in the next pass, and removed once its service returns 404.",
    NoticeKind.UNPLACED: "Make room in the rack, or remove unneeded objects from the stack.",
}
_NO_STACK = "It is in no Heat stack of a watched project, and only members of those are shown."


@dataclass(frozen=True, slots=True)
class Picture:
    """The state that explanations are based on. Without a plan (the view alone) they do not mention the next pass.

    `origins` and `flavors` are by OpenStack id; times are Unix times, 0 for never.
    """

    actual: Actual
    origins: Mapping[str, Origin]
    projects: Mapping[str, Project]
    flavors: Mapping[str, Flavor] = field(default_factory=dict)
    plan: Plan | None = None
    journal_entries: Sequence[JournalEntry] = ()
    cloud_read_at: float = 0.0
    concertim_read_at: float = 0.0
    gaps: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Explanation:
    """The explanation of one object: `facts` are pairs of a label and a sentence; labels may repeat."""

    kind: str
    name: str
    openstack_id: str
    concertim_id: str
    facts: tuple[tuple[str, str], ...]


def explain(word: str, picture: Picture) -> tuple[Explanation, ...]:
    """Every object with that name or id (of either side; the first six characters suffice), best matches first."""
    subjects = list(_subjects(picture))
    exact = [s for s in subjects if word in s.words]
    found = exact or [
        s for s in subjects if len(word) >= _SHORTEST_PREFIX and any(w.startswith(word) for w in s.ids if w)
    ]
    return tuple(_explanation(subject, picture) for subject in found)


@dataclass(frozen=True, slots=True)
class _Subject:
    """One object as both sides know it."""

    kind: str
    name: str
    openstack_id: str = ""
    origin: Origin | None = None
    shown: Rack | Device | Template | None = None

    @property
    def ids(self) -> tuple[str, str]:
        return self.openstack_id, self.shown.id if self.shown else ""

    @property
    def words(self) -> set[str]:
        return {self.name, *self.ids, self.shown.name if self.shown else ""} - {""}


def _subjects(picture: Picture) -> Iterator[_Subject]:
    actual = picture.actual
    racks = {rack.stack_id: rack for rack in actual.racks.values() if rack.stack_id}
    devices = {device.object_id: device for device in actual.devices.values() if device.object_id}
    templates = {template.foreign_id: template for template in actual.templates.values() if template.foreign_id}
    for project in picture.projects.values():
        yield _Subject("project", project.name, project.id)
    for key, origin in picture.origins.items():
        shown = racks.get(key) if origin.kind == ResourceKind.STACK else devices.get(key)
        yield _Subject(origin.kind, origin.name, key, origin, shown)
    for flavor in picture.flavors.values():
        yield _Subject("flavor", flavor.name, flavor.id, shown=templates.get(flavor.id))
    for rack in actual.racks.values():
        if rack.stack_id not in picture.origins:
            yield _Subject("rack", rack.name, rack.stack_id, shown=rack)
    for device in actual.devices.values():
        if device.object_id not in picture.origins:
            yield _Subject("device", device.name, device.object_id, shown=device)
    for template in actual.templates.values():
        if template.foreign_id not in picture.flavors:
            yield _Subject("template", template.name, template.foreign_id, shown=template)


def _explanation(subject: _Subject, picture: Picture) -> Explanation:
    facts = [
        *_belonging(subject, picture),
        *_place(subject, picture),
        *_state(subject, picture),
        *_times(subject, picture),
        *_outlook(subject, picture),
    ]
    openstack_id, concertim_id = subject.ids
    return Explanation(subject.kind, subject.name, openstack_id, concertim_id, tuple(facts))


def _belonging(subject: _Subject, picture: Picture) -> Iterator[tuple[str, str]]:
    origin = subject.origin
    if subject.kind == "project":
        yield "project", _watched(subject.openstack_id, picture)
    elif origin is not None:
        yield "project", _watched(origin.project_id, picture)
    if origin is not None and origin.kind in DEVICES:
        home = picture.origins.get(origin.stack_id)
        if origin.stack_id:
            yield "stack", f"{home.name if home else 'not read'} ({origin.stack_id})"
        else:
            yield "stack", f"none. {_NO_STACK}"
    if origin is None and isinstance(subject.shown, Rack | Device) and not subject.openstack_id:
        yield "managed", "no: not created by us. It is never changed or removed, but it occupies units and names."
    elif origin is None and isinstance(subject.shown, Rack | Device):
        yield "managed", f"yes, for {subject.openstack_id}, which the last reading of OpenStack did not contain"


def _watched(project_id: str, picture: Picture) -> str:
    project = picture.projects.get(project_id)
    if project is None:
        return f"{project_id}, not watched: the watcher user lacks the role there"
    owner = next((o for o in picture.actual.owners.values() if o.project_id == project_id), None)
    team = f"its team is {owner.name}" if owner else "it has no team in Concertim"
    return f"{project.name} ({project_id}), watched; {team}"


def _place(subject: _Subject, picture: Picture) -> Iterator[tuple[str, str]]:
    shown, actual = subject.shown, picture.actual
    if isinstance(shown, Device):
        rack, template = actual.racks.get(shown.rack_id), actual.templates.get(shown.template_id)
        place = f"U{shown.location.start_u} to U{shown.location.end_u}"
        of = f", template {template.name} ({template.height}U)" if template else ""
        yield "rack", f"{rack.name if rack else shown.rack_id}, {place}{of}"
    elif isinstance(shown, Rack):
        owner = actual.owners.get(shown.owner_id)
        count = sum(device.rack_id == shown.id for device in actual.devices.values())
        yield "rack", f"{shown.name}, {shown.height}U, {count} devices, of {owner.name if owner else shown.owner_id}"
    elif isinstance(shown, Template):
        count = sum(device.template_id == shown.id for device in actual.devices.values())
        yield "template", f"{shown.name}, {shown.height}U, used by {count} devices"


def _state(subject: _Subject, picture: Picture) -> Iterator[tuple[str, str]]:
    origin, shown = subject.origin, subject.shown
    status = shown.status if isinstance(shown, Rack | Device) else ""
    if origin is not None:
        yield "state", f"{origin.state} in OpenStack, " + (f"shown as {status}" if status else "not shown")
    elif status:
        yield "state", f"shown as {status}"


def _times(subject: _Subject, picture: Picture) -> Iterator[tuple[str, str]]:
    if picture.cloud_read_at:
        yield (
            "read",
            f"OpenStack at {_moment(picture.cloud_read_at)}, Concertim at {_moment(picture.concertim_read_at)}",
        )
    written = [
        entry
        for entry in picture.journal_entries
        if subject.shown is not None
        and (
            subject.shown.id in entry.racks or subject.shown.id in entry.devices or subject.shown.id in entry.templates
        )
    ]
    if written:
        yield "written", f"at {_moment(written[-1].at)} by {written[-1].by}"
    elif subject.shown is not None:
        yield "written", "not recently (the journal goes back an hour)"


def _outlook(subject: _Subject, picture: Picture) -> Iterator[tuple[str, str]]:
    """What the next pass will do, what it will not do and why, and what would change that."""
    plan = picture.plan
    if plan is None:
        yield from (("not read", gap) for gap in picture.gaps)
        return
    ids = set(subject.ids) - {""}
    is_busy = False
    for action in plan.actions:
        if ids & {action.openstack_id, action.concertim_id}:
            is_busy = True
            text = action.why if action.verb is Verb.REMOVE else "; ".join(map(change_text, action.changes))
            yield "next pass", f"{MARKS[action.verb]} {action.verb} {action.kind.label}" + (f": {text}" if text else "")
    for action in plan.held:
        if ids & {action.openstack_id, action.concertim_id}:
            is_busy = True
            yield "held back", f"{action.why}. {_REMEDIES[NoticeKind.HELD_BACK]}"
    for notice in plan.all_notices:
        if notice.openstack_id in ids:
            is_busy = True
            yield "left alone", " ".join(filter(None, (_sentence(notice.text), _REMEDIES.get(notice.kind, ""))))
    if not is_busy and subject.shown is not None:
        yield "next pass", "nothing to do: it is up to date"


def _sentence(text: str) -> str:
    return text if text.endswith((".", "!", "?")) else f"{text}."


def _moment(when: float) -> str:
    return datetime.fromtimestamp(when, UTC).strftime("%Y-%m-%d %H:%M:%S UTC")


def near(word: str, picture: Picture) -> Iterable[str]:
    """Known names that are similar, for suggestions."""
    return sorted({name for subject in _subjects(picture) for name in subject.words if name != word})
