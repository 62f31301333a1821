"""Plans templates: they are created before anything else, and removed after everything else.

Separate from the racks' plans, since templates belong to no project and are shared by all racks.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass

from cos_update.model.concertim import Actual, Template
from cos_update.planning.compare import template_difference
from cos_update.planning.desired import Desired, DesiredTemplate
from cos_update.planning.matching import Matches, is_managed
from cos_update.planning.names import TEMPLATE_NAME, Rename, Wish, assign, in_order
from cos_update.planning.plan import TEMPLATE, Action, Change, Notice, NoticeKind, Verb
from cos_update.planning.stored import Memory, without_dropped

HIDDEN_NAMES = frozenset({"rack"})
"""The app's rack template occupies a name, but is not listed."""


@dataclass(frozen=True, slots=True)
class TemplatePlan:
    """Actions on templates in order: `actions` before, `removals` after all others."""

    actions: tuple[Action, ...]
    removals: tuple[Action, ...]
    notices: tuple[Notice, ...]


def plan_templates(
    desired: Desired,
    actual: Actual,
    matches: Matches,
    lost: Mapping[str, str],
    leaving: Collection[str],
    *,
    sweep: bool,
    dropped: Memory,
    renames_others: bool = True,
) -> TemplatePlan:
    """Plans the templates. `lost` are those whose flavor is gone, `leaving` the ids of devices to be removed.

    `sweep` allows removing superseded and duplicate templates too; `dropped` are values that Concertim does not store.
    Without `renames_others`, templates of unknown flavors keep their names: another machine may know these flavors, and
    the two would rename each other's templates forever.
    """
    kept = {template.id for template in matches.templates.values() if template.foreign_id in desired.templates}
    rest = [t for t in actual.templates.values() if is_managed(t) and t.id not in kept]
    taken = {t.name for t in actual.templates.values() if not is_managed(t)} | HIDDEN_NAMES
    bearing = {flavor_id: template.name for flavor_id, template in matches.templates.items()}
    wishes = [
        Wish(w.flavor_id, w.name, 0 if w.listed else 1, bearing.get(w.flavor_id, ""))
        for w in desired.templates.values()
    ]
    if renames_others:
        wishes += [Wish(t.id, t.name, 2) for t in rest]
    else:
        taken |= {t.name for t in rest}
    names = assign(wishes, taken, TEMPLATE_NAME)
    updates = [
        *(_renamed(rest, names) if renames_others else ()),
        *_updates(desired, matches, names, dropped),
    ]
    removals, notices = _removals(rest, desired, actual, lost, leaving, sweep=sweep)
    return TemplatePlan((*_ordered(updates), *_creations(desired, matches, names)), removals, notices)


def _updates(desired: Desired, matches: Matches, names: Mapping[str, str], dropped: Memory) -> list[Action]:
    actions = []
    for flavor_id, wanted in sorted(desired.templates.items()):
        template = matches.templates.get(flavor_id)
        if template is None:
            continue
        difference = template_difference(template, wanted, names[flavor_id])
        if difference := without_dropped(difference, dropped.get(template.id, {})):
            actions.append(Action(Verb.UPDATE, template, difference.payload, difference.changes))
    return actions


def _renamed(templates: Collection[Template], names: Mapping[str, str]) -> list[Action]:
    return [
        Action(Verb.UPDATE, template, {"name": name}, (Change("name", template.name, name),))
        for template in sorted(templates, key=lambda t: t.id)
        if (name := names[template.id]) != template.name
    ]


def _ordered(updates: list[Action]) -> list[Action]:
    """Orders updates so that no name exists twice."""
    named = {a.concertim_id: a for a in updates if a.new_name is not None}
    first, then = in_order([Rename(i, a.name, a.new_name) for i, a in named.items() if a.new_name is not None])
    parked = [named[rename.object_id].renaming_only(rename.new) for rename in first]
    others = [action for action in updates if action.concertim_id not in named]
    return [*others, *parked, *(named[rename.object_id] for rename in then)]


def _creations(desired: Desired, matches: Matches, names: Mapping[str, str]) -> list[Action]:
    return [
        Action(Verb.CREATE, _record(wanted, names[flavor_id]), flavor_id=flavor_id)
        for flavor_id, wanted in sorted(desired.templates.items())
        if flavor_id not in matches.templates
    ]


def _record(wanted: DesiredTemplate, name: str) -> Template:
    return Template(
        id="",
        name=name,
        height=wanted.height,
        foreign_id=wanted.flavor_id,
        vcpus=wanted.vcpus,
        ram=wanted.ram,
        disk=wanted.disk,
        description=wanted.description,
    )


def _removals(
    rest: Collection[Template],
    desired: Desired,
    actual: Actual,
    lost: Mapping[str, str],
    leaving: Collection[str],
    *,
    sweep: bool,
) -> tuple[tuple[Action, ...], tuple[Notice, ...]]:
    used = {device.template_id for device in actual.devices.values() if device.id not in leaving}
    actions, notices = [], []
    for template in sorted(rest, key=lambda t: t.id):
        why = lost.get(template.id)
        if why is None and sweep and template.foreign_id in desired.templates:
            why = "another template is used for its flavor"
        if why is None:
            continue
        if template.id in used:
            text = f"{why}, but devices still use it: kept until the last one is gone"
            notices.append(Notice(NoticeKind.IN_USE, TEMPLATE, template.name, template.foreign_id, text))
        else:
            actions.append(Action(Verb.REMOVE, template, why=why))
    return tuple(actions), tuple(notices)
