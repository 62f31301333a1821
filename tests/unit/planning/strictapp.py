"""A Concertim of dictionaries that rejects whatever the app rejects, for the pure core's tests."""

from __future__ import annotations

import itertools
import re
import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import replace
from typing import Any

from cos_update.model.concertim import Actual, ApiFlavour, Device, Owner, Rack, Record, Template
from cos_update.model.errors import Gone, Refused
from cos_update.model.kinds import ResourceKind
from cos_update.planning.plan import RackPlan
from cos_update.sync.executor import OnPosted

NETWORK = Template("t-network", "network", 1, tag="network")
VOLUME = Template("t-volume", "volume", 2, tag="volume")
NAMES = {Template: "template", Rack: "rack", Device: "device"}


class StrictApp:
    """Satisfies `cos_update.sync.executor.Concertim`; every refusal is kept in `refusals`."""

    def __init__(self, owners: Mapping[str, str], flavour: ApiFlavour = ApiFlavour.TEAMS) -> None:
        self.flavour = flavour
        self.owners = {f"o-{name}": Owner(f"o-{name}", name, project) for name, project in owners.items()}
        tagged = () if flavour is ApiFlavour.USERS else (NETWORK, VOLUME)
        self.templates: dict[str, Template] = {template.id: template for template in tagged}
        self.racks: dict[str, Rack] = {}
        self.devices: dict[str, Device] = {}
        self.refusals: list[str] = []
        self.writes = 0
        self._numbers = itertools.count(1)
        self._lock = threading.RLock()

    def actual(self) -> Actual:
        """All that is there."""
        with self._lock:
            return Actual(
                0.0, self.flavour, dict(self.owners), dict(self.templates), dict(self.racks), dict(self.devices)
            )

    def _refuse(self, why: str) -> Refused:
        self.refusals.append(why)
        return Refused(why, status=422)

    def _check(self, fine: bool, why: str) -> None:
        if not fine:
            raise self._refuse(why)

    def _new_id(self, kind: str) -> str:
        self.writes += 1
        return f"{kind}-{next(self._numbers):05d}"

    def create(self, record: Record) -> Record:
        return getattr(self, f"_create_{NAMES[type(record)]}")(record)

    def update(self, record: Record, changes: Mapping[str, object]) -> Record:
        return getattr(self, f"_update_{NAMES[type(record)]}")(record.id, changes)

    def delete(self, record: Record) -> None:
        getattr(self, f"_delete_{NAMES[type(record)]}")(record.id)

    def _create_template(self, template: Template) -> Template:
        with self._lock:
            made = replace(template, id=self._new_id("t"))
            self._check_template(made)
            self.templates[made.id] = made
            return made

    def _check_template(self, template: Template) -> None:
        names = {t.name for t in self.templates.values() if t.id != template.id} | {"rack"}
        self._check(template.name not in names, f"template name {template.name!r} is taken")
        self._check(0 < len(template.name) <= 255 and bool(template.name.strip()), "template name")
        self._check("\0" not in template.name, "NUL")
        self._check(1 <= template.height <= 6, "template height")
        for value in (template.vcpus, template.ram, template.disk):
            self._check(value is None or 0 < value < 2**31, "must be greater than 0")

    def _update_template(self, template_id: str, changes: Mapping[str, object]) -> Template:
        with self._lock:
            self.writes += 1
            if template_id not in self.templates:
                raise Gone("template")
            made = _with(self.templates[template_id], changes)
            self._check("height" not in changes, "the height is ignored")
            self._check_template(made)
            self.templates[template_id] = made
            return made

    def _delete_template(self, template_id: str) -> None:
        with self._lock:
            self.writes += 1
            used = any(device.template_id == template_id for device in self.devices.values())
            self._check(not used, "devices have been created from this template")
            self.templates.pop(template_id, None)

    def _create_rack(self, rack: Rack) -> Rack:
        with self._lock:
            made = replace(rack, id=self._new_id("r"))
            self._check(made.owner_id in self.owners, "team must exist")
            orders = {r.order_id for r in self.racks.values()}
            if self.flavour is ApiFlavour.CREDITS:
                self._check(bool(made.created and made.cluster_type), "cloud_created_at or cluster_type_name is blank")
            else:
                self._check(bool(made.order_id) and made.order_id not in orders, "order_id is taken")
            self._check_rack(made)
            self.racks[made.id] = made
            return made

    def _check_rack(self, rack: Rack) -> None:
        names = {r.name for r in self.racks.values() if r.id != rack.id and r.owner_id == rack.owner_id}
        self._check(rack.name not in names, f"rack name {rack.name!r} is taken")
        self._check(bool(re.fullmatch(r"[A-Za-z0-9_-]{1,255}", rack.name)), f"rack name {rack.name!r}")
        self._check(rack.status in {"IN_PROGRESS", "FAILED", "ACTIVE", "STOPPED"}, "rack status")
        top = max((d.location.end_u for d in self.devices.values() if d.rack_id == rack.id), default=0)
        self._check(max(top, 1) <= rack.height <= 72, "u_height")

    def _update_rack(self, rack_id: str, changes: Mapping[str, object]) -> Rack:
        with self._lock:
            self.writes += 1
            if rack_id not in self.racks:
                raise Gone("rack")
            made = _with(self.racks[rack_id], changes)
            self._check_rack(made)
            self.racks[rack_id] = made
            return made

    def _delete_rack(self, rack_id: str) -> None:
        with self._lock:
            self.writes += 1
            empty = not any(device.rack_id == rack_id for device in self.devices.values())
            self._check(empty, "rack is not empty")
            self.racks.pop(rack_id, None)

    def _create_device(self, device: Device) -> Device:
        with self._lock:
            made = replace(device, id=self._new_id("d"))
            self._check(made.rack_id in self.racks and made.template_id in self.templates, "500")
            template = self.templates[made.template_id]
            tag = None if made.kind is ResourceKind.SERVER else made.kind.template_tag
            self._check(template.tag == tag, "template of another type")
            self._check(self.flavour is not ApiFlavour.CREDITS or bool(made.created), "cloud_created_at is blank")
            self._check(template.height == made.location.height, "the height is the template's")
            self._check_device(made)
            self.devices[made.id] = made
            return made

    def _check_device(self, device: Device) -> None:
        rack = self.racks[device.rack_id]
        others = [d for d in self.devices.values() if d.rack_id == rack.id and d.id != device.id]
        legal = "[A-Za-z0-9-]{1,150}" if self.flavour is ApiFlavour.USERS else "[A-Za-z0-9.-]{1,150}"
        self._check(bool(re.fullmatch(legal, device.name)), f"device name {device.name!r}")
        self._check(device.name not in {d.name for d in others}, f"device name {device.name!r} is taken")
        place = device.location
        self._check(place.start_u >= 1 and place.end_u <= rack.height, "outside the rack")
        # Stricter than the app, which looks at the first unit only: two devices must never overlap.
        free = all(d.location.end_u < place.start_u or d.location.start_u > place.end_u for d in others)
        self._check(free, f"{device.name} is over another device")
        self._check(device.status in _STATUSES[device.kind], f"{device.kind} status {device.status}")
        self._check(len(device.description) <= 255, "description")

    def _update_device(self, device_id: str, changes: Mapping[str, object]) -> Device:
        with self._lock:
            self.writes += 1
            if device_id not in self.devices:
                raise Gone("device")
            there = self.devices[device_id]
            fields = dict(changes)
            details: Any = fields.pop("details", {})
            made = replace(_with(there, fields), details=replace(there.details, **details))
            self._check_device(made)
            self.devices[device_id] = made
            return made

    def _delete_device(self, device_id: str) -> None:
        with self._lock:
            self.writes += 1
            self.devices.pop(device_id, None)

    def device(self, device_id: str) -> Device | None:
        return self.devices.get(device_id)


_STATUSES: Mapping[ResourceKind, frozenset[str]] = {
    ResourceKind.SERVER: frozenset({"IN_PROGRESS", "FAILED", "ACTIVE", "STOPPED", "SUSPENDED"}),
    ResourceKind.VOLUME: frozenset({"IN_PROGRESS", "FAILED", "ACTIVE", "AVAILABLE"}),
    ResourceKind.NETWORK: frozenset({"IN_PROGRESS", "FAILED", "ACTIVE", "STOPPED"}),
}


def _with(record: Any, changes: Mapping[str, object]) -> Any:
    return replace(record, **changes)


@contextmanager
def unguarded(_: RackPlan) -> Iterator[OnPosted]:
    """A guard that lets every lane run."""
    yield lambda _: None
