"""Matches Concertim objects to OpenStack objects, any of which may have duplicates.

Of two objects with the same OpenStack id the one in the right place is kept (a rack of the project's owner, a device in
the stack's rack with the flavor's template); among equals the one with the most content, then the smallest id: the app
does not tell which one is older.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from cos_update.model.concertim import Actual, Device, Rack, Template
from cos_update.model.kinds import ResourceKind
from cos_update.planning.desired import Desired, DesiredDevice


@dataclass(frozen=True, slots=True)
class Matches:
    """The matches.

    `racks` by stack id, `devices` by OpenStack id, `templates` by flavor id, `tagged` by tag; `in_rack` has the devices
    of each rack by rack id, `serving` the flavor that a template fits, by template id.
    """

    racks: Mapping[str, Rack]
    devices: Mapping[str, Device]
    templates: Mapping[str, Template]
    tagged: Mapping[str, Template]
    in_rack: Mapping[str, tuple[Device, ...]]
    serving: Mapping[str, str]

    def template_of(self, device: DesiredDevice) -> Template | None:
        """The template for a device, None if it does not exist yet."""
        if device.kind.template_tag:
            return self.tagged.get(device.template)
        return self.templates.get(device.template)

    def has_template_of(self, there: Device, device: DesiredDevice) -> bool:
        """Whether a device has the desired template, or another one for the same flavor."""
        template = self.template_of(device)
        if template is not None and there.template_id == template.id:
            return True
        return device.kind is ResourceKind.SERVER and self.serving.get(there.template_id) == device.template


def match(desired: Desired, actual: Actual) -> Matches:
    """Finds the one Concertim object for every managed OpenStack id."""
    in_rack: dict[str, list[Device]] = defaultdict(list)
    users: Counter[str] = Counter()
    for device in actual.devices.values():
        in_rack[device.rack_id].append(device)
        users[device.template_id] += 1
    serving = [template for template in actual.templates.values() if _serves(template, desired)]
    templates = _templates(desired, serving, users)
    racks = _racks(desired, actual, in_rack)
    return Matches(
        racks=racks,
        devices=_devices(desired, actual, racks, templates),
        templates=templates,
        tagged={t.tag: t for t in sorted(actual.templates.values(), key=lambda t: t.id, reverse=True) if t.tag},
        serving={template.id: template.foreign_id for template in serving},
        in_rack={rack_id: tuple(sorted(held, key=lambda d: d.id)) for rack_id, held in in_rack.items()},
    )


def is_managed(template: Template) -> bool:
    """Whether a template has the id of a flavor; those with a tag are Concertim's own."""
    return bool(template.foreign_id) and template.tag is None


def _serves(template: Template, desired: Desired) -> bool:
    """Whether a template is ours, and has an acceptable height for its flavor.

    The app ignores a new height: a flavor recreated with other vCPUs needs another template.
    """
    wanted = desired.templates.get(template.foreign_id)
    return is_managed(template) and (wanted is None or template.height in wanted.heights)


def _templates(desired: Desired, serving: Iterable[Template], users: Mapping[str, int]) -> dict[str, Template]:
    def rank(template: Template) -> tuple[int, bool, str]:
        wanted = desired.templates.get(template.foreign_id)
        return -users.get(template.id, 0), wanted is not None and template.height != wanted.height, template.id

    found: dict[str, Template] = {}
    for template in sorted(serving, key=rank):
        found.setdefault(template.foreign_id, template)
    return found


def _racks(desired: Desired, actual: Actual, in_rack: Mapping[str, list[Device]]) -> dict[str, Rack]:
    def rank(rack: Rack) -> tuple[bool, int, str]:
        wanted = desired.racks.get(rack.stack_id)
        return (
            wanted is not None and wanted.owner.id != rack.owner_id,
            -len(in_rack.get(rack.id, ())),
            rack.id,
        )

    return _first(sorted((rack for rack in actual.racks.values() if rack.stack_id), key=rank))


def _first(racks: Iterable[Rack]) -> dict[str, Rack]:
    found: dict[str, Rack] = {}
    for rack in racks:
        found.setdefault(rack.stack_id, rack)
    return found


def _devices(
    desired: Desired, actual: Actual, racks: Mapping[str, Rack], templates: Mapping[str, Template]
) -> dict[str, Device]:
    wanted = {device.object_id: (rack.stack_id, device) for rack in desired.racks.values() for device in rack.devices}

    def rank(device: Device) -> tuple[bool, bool, bool, str]:
        place = wanted.get(device.object_id)
        if place is None:
            return (False, False, False, device.id)
        rack = racks.get(place[0])
        template = templates.get(place[1].template)
        return (
            rack is None or device.rack_id != rack.id,
            device.kind is not place[1].kind,
            template is not None and device.template_id != template.id,
            device.id,
        )

    found: dict[str, Device] = {}
    for device in actual.devices.values():
        if object_id := device.object_id:
            other = found.get(object_id)
            if other is None or rank(device) < rank(other):
                found[object_id] = device
    return found
