"""Compares actual and desired records field by field, in Concertim's own form.

The one place that decides what differs; what is known about each side is decided elsewhere.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from cos_update.model.concertim import Device, Rack, Template
from cos_update.planning.desired import DesiredDevice, DesiredRack, DesiredTemplate
from cos_update.planning.plan import Change
from cos_update.planning.values import canonical


@dataclass(frozen=True, slots=True)
class Difference:
    """The fields to send (`payload`, with the model's names) and the changes, for people."""

    payload: Mapping[str, object]
    changes: tuple[Change, ...]

    def __bool__(self) -> bool:
        return bool(self.payload)


def template_difference(template: Template, wanted: DesiredTemplate, name: str) -> Difference:
    """How a template differs. The app cannot change its height, so that is not compared."""
    changes = _fields(
        template,
        {
            "name": name,
            "description": wanted.description,
            "vcpus": wanted.vcpus,
            "ram": wanted.ram,
            "disk": wanted.disk,
        },
    )
    return _difference(changes)


def rack_difference(rack: Rack, wanted: DesiredRack, name: str, height: int, order_id: str = "") -> Difference:
    """How a rack differs, in known fields and our own metadata keys only; `order_id` is one to add, or ""."""
    changes = _fields(
        rack,
        {
            "name": name,
            "status": wanted.status,
            "height": height,
            "network_details": wanted.network_details,
            "creation_output": wanted.creation_output,
            "order_id": order_id or None,
        },
        leave_none=True,
    )
    return _difference(changes, _metadata(rack.metadata, wanted.metadata), rack.metadata)


def device_difference(device: Device, wanted: DesiredDevice, name: str) -> Difference:
    """How a device differs. People may move it, so its position is not compared."""
    changes = _fields(device, {"name": name, "status": wanted.status, "description": wanted.description})
    details = _fields(device.details, wanted.details)
    difference = _difference(changes, _metadata(device.metadata, wanted.metadata), device.metadata)
    if not details:
        return difference
    sent = {change.field: change.new for change in details}
    return Difference({**difference.payload, "details": sent}, (*difference.changes, *details))


def _fields(record: object, wanted: Mapping[str, object], *, leave_none: bool = False) -> list[Change]:
    changes = []
    for field, new in wanted.items():
        old = getattr(record, field)
        if (new is None and leave_none) or old == new:
            continue
        if _plain(old) != _plain(new):
            changes.append(Change(field, old, new))
    return changes


def is_same(one: object, other: object) -> bool:
    """Whether two values are equal in Concertim's form, in which all empty values are the same."""
    return one == other or _plain(one) == _plain(other)


def _plain(value: object) -> object:
    """`canonical`, with a single form for empty values."""
    return None if value in (None, "", (), [], {}) else canonical(value)


def _metadata(there: Mapping[str, object], wanted: Mapping[str, object]) -> list[Change]:
    return [
        Change(f"metadata.{key}", there.get(key), new)
        for key, new in wanted.items()
        if key not in there or (there[key] != new and canonical(there[key]) != canonical(new))
    ]


def _difference(
    fields: Iterable[Change], metadata: Iterable[Change] = (), there: Mapping[str, object] | None = None
) -> Difference:
    fields, metadata = tuple(fields), tuple(metadata)
    payload: dict[str, object] = {change.field: change.new for change in fields}
    if metadata:
        # The app replaces the whole object, so other writers' keys are included.
        ours = {change.field.removeprefix("metadata."): change.new for change in metadata}
        payload["metadata"] = {**(there or {}), **ours}
    return Difference(payload, fields + metadata)
