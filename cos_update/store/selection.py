"""Filters the view by project, rack, status or type.

Separate from the commands, since every output format uses the same filter.
"""

from __future__ import annotations

import difflib
from collections.abc import Collection, Iterable
from dataclasses import dataclass, replace

from cos_update.model.concertim import Device, Rack
from cos_update.model.errors import CosUpdateError
from cos_update.store.view import View


@dataclass(frozen=True, slots=True)
class Selection:
    """What to show; an empty field selects everything.

    `projects` are names or ids; `racks` are names or ids of racks, or ids of their stacks; `statuses` and `types` are
    Concertim's terms, case-insensitive.
    """

    projects: tuple[str, ...] = ()
    racks: tuple[str, ...] = ()
    statuses: tuple[str, ...] = ()
    types: tuple[str, ...] = ()

    def __bool__(self) -> bool:
        return bool(self.projects or self.racks or self.statuses or self.types)


def select(view: View, selection: Selection) -> View:
    """The view with the selected racks and devices, and the owners and templates that they refer to.

    A rack is selected by its own status or by that of a device in it. Raises CosUpdateError for an unknown project or
    rack.
    """
    if not selection:
        return view
    actual = view.actual
    owners = _owners(view, selection.projects)
    racks = _named_racks(actual.racks.values(), selection.racks)
    chosen = {rack.id: rack for rack in racks if owners is None or rack.owner_id in owners}
    statuses, types = _folded(selection.statuses), _folded(selection.types)
    devices = {
        device.id: device
        for device in actual.devices.values()
        if device.rack_id in chosen and _matches(device, statuses, types)
    }
    if statuses or types:
        holding = {device.rack_id for device in devices.values()}
        chosen = {
            key: rack
            for key, rack in chosen.items()
            if key in holding or (not types and rack.status.casefold() in statuses)
        }
    used = {device.template_id for device in devices.values()}
    kept = {rack.owner_id for rack in chosen.values()} | (owners or set())
    return replace(
        view,
        actual=replace(
            actual,
            owners={key: owner for key, owner in actual.owners.items() if key in kept},
            templates={key: template for key, template in actual.templates.items() if key in used},
            racks=chosen,
            devices=devices,
        ),
    )


def _owners(view: View, names: Collection[str]) -> set[str] | None:
    """The ids of the owners for these projects; None for all."""
    if not names:
        return None
    known = {project.name: project.id for project in view.projects.values()}
    ids = {known.get(name, name) for name in names}
    standing = {owner.project_id for owner in view.actual.owners.values()} | set(view.projects)
    if unknown := sorted(ids - standing):
        raise _unknown("project", unknown[0], known)
    return {owner.id for owner in view.actual.owners.values() if owner.project_id in ids}


def _named_racks(racks: Iterable[Rack], names: Collection[str]) -> list[Rack]:
    found = list(racks)
    if not names:
        return found
    for name in names:
        if not any(name in (rack.name, rack.id, rack.stack_id) for rack in found):
            raise _unknown("rack", name, [rack.name for rack in found])
    return [rack for rack in found if {rack.name, rack.id, rack.stack_id}.intersection(names)]


def _unknown(what: str, name: str, known: Iterable[str]) -> CosUpdateError:
    near = difflib.get_close_matches(name, list(known))
    hint = f"Did you mean {' or '.join(near)}?" if near else f"`cos-update view dump` lists every {what} in it."
    return CosUpdateError(f"The view has no {what} {name!r}.", hint)


def _folded(words: Iterable[str]) -> frozenset[str]:
    return frozenset(word.casefold() for word in words)


def _matches(device: Device, statuses: frozenset[str], types: frozenset[str]) -> bool:
    return (not statuses or device.status.casefold() in statuses) and (not types or device.kind.label in types)
