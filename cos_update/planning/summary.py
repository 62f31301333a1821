"""A plan or its outcomes as lines of text; `diff`, `bulk` and the logs use the same wording.

Separate from `document`, the format for programs, and from the command line, which prints these lines.
"""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from operator import attrgetter

from cos_update.model.concertim import Device, Rack, Template
from cos_update.model.kinds import ResourceKind
from cos_update.model.openstack import Project
from cos_update.planning.outcome import Outcome, Result
from cos_update.planning.plan import Action, Change, Notice, Plan, RackPlan, Verb

MARKS: Mapping[Verb, str] = {Verb.CREATE: "+", Verb.UPDATE: "~", Verb.REMOVE: "-"}
LEFT_ALONE = "!"
LONGEST_VALUE = 60
OUTPUTS = frozenset({"creation_output", "metadata.openstack_stack_output"})


@dataclass(frozen=True, slots=True)
class Line:
    """One object: its mark, kind, name, and details, each in a column (`cells`) or a row."""

    mark: str
    kind: str
    name: str
    cells: tuple[str, ...] = ()
    rows: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Section:
    """A heading with its lines and subsections. `aside` is printed on the right."""

    title: str
    aside: str = ""
    lines: tuple[Line, ...] = ()
    sections: tuple[Section, ...] = ()


def sections(plan: Plan, projects: Mapping[str, Project], outcomes: Sequence[Outcome] = ()) -> tuple[Section, ...]:
    """The plan's actions and notices, by project and rack; with `outcomes`, their results."""
    outcome_of = {_identity(outcome.action): outcome for outcome in outcomes}
    found: dict[tuple[str, str], list[Section]] = {}
    for rack_plan in plan.rack_plans:
        lines = (*_lines(rack_plan.actions, outcome_of), *(_notice_line(notice) for notice in rack_plan.notices))
        if lines:
            project = projects.get(rack_plan.project_id)
            heading = (project.name if project else rack_plan.owner_name or "(no project)", rack_plan.owner_name)
            found.setdefault(heading, []).append(_rack_section(rack_plan, lines))
    general = tuple(_notice_line(notice) for notice in plan.notices)
    teams = [Section(project, f"team {owner}", sections=tuple(racks)) for (project, owner), racks in found.items()]
    of_templates = sorted((*plan.templates, *plan.last), key=attrgetter("name"))
    templates = _lines(of_templates, outcome_of)
    if templates:
        teams.append(Section("templates", lines=tuple(templates)))
    if general:
        teams.append(Section("cloud", lines=general))
    if plan.held:
        teams.append(Section("held back", lines=tuple(_held(action) for action in plan.held)))
    return tuple(teams)


def in_short(found: Sequence[Section]) -> tuple[Section, ...]:
    """The sections with a count of each mark instead of lines."""
    return tuple(
        replace(section, aside=_counts(section) or section.aside, lines=(), sections=in_short(section.sections))
        for section in found
    )


def _counts(section: Section) -> str:
    counted = Counter(line.mark for line in section.lines)
    return "  ".join(f"{mark}{counted[mark]}" for mark in (*MARKS.values(), LEFT_ALONE) if counted[mark])


def _rack_section(rack_plan: RackPlan, lines: tuple[Line, ...]) -> Section:
    stack = f"stack {rack_plan.stack_id[:8]}" if rack_plan.stack_id else "of no stack"
    aside = f"{stack} · {'new' if rack_plan.new else rack_plan.status}"
    return Section(f"rack {rack_plan.rack_name}", aside, lines)


def _identity(action: Action) -> tuple[Verb, ResourceKind, str, str]:
    return (action.verb, action.kind, action.openstack_id, "" if action.verb is Verb.CREATE else action.concertim_id)


def _lines(
    actions: Iterable[Action],
    outcome_of: Mapping[tuple[Verb, ResourceKind, str, str], Outcome],
) -> list[Line]:
    lines = []
    for action in actions:
        line = _line(action)
        outcome = outcome_of.get(_identity(action))
        if outcome is not None and outcome.result is not Result.DONE:
            line = Line(LEFT_ALONE, line.kind, line.name, rows=(f"{_outcome_text(outcome)}: {outcome.reason}",))
        lines.append(line)
    return lines


def _outcome_text(outcome: Outcome) -> str:
    text = f"not {outcome.action.verb.past}"
    return f"{text}, refused" if outcome.result is Result.REFUSED else text


def _line(action: Action) -> Line:
    mark = MARKS[action.verb]
    if action.verb is Verb.REMOVE:
        return Line(mark, action.kind.label, action.name, rows=(action.why,))
    if action.verb is Verb.UPDATE:
        return Line(mark, action.kind.label, action.name, rows=tuple(change_text(c) for c in action.changes))
    return Line(mark, action.kind.label, action.name, _cells(action))


def _held(action: Action) -> Line:
    where = f"in {action.rack_name}: " if action.rack_name else ""
    return Line(LEFT_ALONE, action.kind.label, action.name, rows=(f"{where}{action.why}",))


def _cells(action: Action) -> tuple[str, ...]:
    match action.record:
        case Device(location=place, status=status):
            units = f"U{place.start_u}" if place.height == 1 else f"U{place.start_u}-U{place.end_u}"
            return (units, action.size, status)
        case Template() as template:
            disk = f"{template.disk} GB" if template.disk else "no disk"
            return (f"{template.height}U", f"{template.vcpus or 0} vCPU", _memory(template.ram), disk)
        case Rack(height=height, status=status):
            return (f"{height}U", status)


def _memory(mebibytes: int | None) -> str:
    amount = mebibytes or 0
    return f"{amount / 1024:g} GiB" if amount >= 1024 else f"{amount} MiB"


def _notice_line(notice: Notice) -> Line:
    return Line(LEFT_ALONE, notice.subject, notice.name, rows=(notice.text,))


def change_text(change: Change) -> str:
    """A change as text: field, old -> new; without the values of stack outputs, which may contain passwords."""
    if change.field in OUTPUTS:
        return f"{change.field}  (changed)"
    return f"{change.field}  {value_text(change.old)} -> {value_text(change.new)}"


def value_text(value: object) -> str:
    """A value shortened to fit a line; "-" for nothing."""
    if value in (None, "", (), [], {}):
        return "-"
    text = value if isinstance(value, str) else json.dumps(value, ensure_ascii=False, default=str)
    text = "".join(char if char.isprintable() else "?" for char in text)
    return text if len(text) <= LONGEST_VALUE else text[: LONGEST_VALUE - 1] + "…"
