"""Which Concertim object stands for which OpenStack object, when every one of them may be there twice.

Of two objects with one OpenStack id the one in the right place stays (a rack under the project's owner, a device in
the stack's rack with the flavor's template); among equals the one that holds most, then the smallest id: the app
does not tell which one is older.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from cos_update.model.concertim import Actual, Device, Rack, Template
from cos_update.planning.desired import Desired, DesiredDevice


@dataclass(frozen=True, slots=True)
class Matches:
    """What stands for what.

    `racks` by stack id, `devices` by OpenStack id, `templates` by flavor id, `tagged` by tag; `in_rack` tells by
    rack id what each rack holds.
    """

    racks: Mapping[str, Rack]
    devices: Mapping[str, Device]
    templates: Mapping[str, Template]
    tagged: Mapping[str, Template]
    in_rack: Mapping[str, tuple[Device, ...]]

    def template_of(self, device: DesiredDevice) -> Template | None:
        """The template that a device is to have, None when there is none yet."""
        if device.kind.template_tag:
            return self.tagged.get(device.template)
        return self.templates.get(device.template)


def match(desired: Desired, actual: Actual) -> Matches:
    """Finds for every managed OpenStack id the one Concertim object that stands for it."""
    in_rack: dict[str, list[Device]] = defaultdict(list)
    users: Counter[str] = Counter()
    for device in actual.devices.values():
        in_rack[device.rack_id].append(device)
        users[device.template_id] += 1
    templates = _templates(desired, actual, users)
    racks = _racks(desired, actual, in_rack)
    return Matches(
        racks=racks,
        devices=_devices(desired, actual, racks, templates),
        templates=templates,
        tagged={t.tag: t for t in sorted(actual.templates.values(), key=lambda t: t.id, reverse=True) if t.tag},
        in_rack={rack_id: tuple(sorted(held, key=lambda d: d.id)) for rack_id, held in in_rack.items()},
    )


def is_managed(template: Template) -> bool:
    """Whether a template carries the id of a flavor; those with a tag are Concertim's own."""
    return bool(template.foreign_id) and template.tag is None


def _templates(desired: Desired, actual: Actual, users: Mapping[str, int]) -> dict[str, Template]:
    found: dict[str, Template] = {}
    candidates = [template for template in actual.templates.values() if is_managed(template)]
    for template in sorted(candidates, key=lambda t: (-users.get(t.id, 0), t.id)):
        wanted = desired.templates.get(template.foreign_id)
        # The app ignores a new height: a flavor that was made anew with other vCPUs needs another template.
        if wanted is None or wanted.height == template.height:
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
