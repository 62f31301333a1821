"""The structure read (`GET /irv/racks`): racks and devices without metadata and details, at a tenth of the cost.

The response is XML converted to JSON (observed): every value is text; several children are a list, a single one is the
bare object, none are absent. A device is the Machine in its chassis' slot; the chassis has its own id and name.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping
from sys import intern
from typing import Any, NamedTuple

from cos_update.concertim.codec import Json, UnexpectedAnswer, device_kind
from cos_update.model.concertim import ApiFlavour, Device
from cos_update.model.kinds import ResourceKind

_MONEY = re.compile(r"\$?(\d[\d,]*(?:\.\d+)?)")
_MISUNDERSTOOD = (LookupError, TypeError, ValueError)


class StructureDevice(NamedTuple):
    """A device in the structure; `kind` is None if its type is unknown."""

    id: str
    name: str
    status: str
    kind: ResourceKind | None
    start_u: int
    end_u: int
    facing: str
    template_id: str
    cost: str = ""
    """Text for people, with the currency; a difference in it does not cause the device to be read."""


class StructureRack(NamedTuple):
    """A rack in the structure, with its devices."""

    id: str
    name: str
    height: int
    status: str
    owner_id: str
    devices: tuple[StructureDevice, ...]


def object_hook_for(flavour: ApiFlavour) -> Callable[[dict[str, Any]], object]:
    """For the JSON decoder: converts each rack as soon as it is complete, since its JSON is far larger."""

    def object_hook(body: dict[str, Any]) -> object:
        if "uHeight" not in body:
            return body
        try:
            return _rack(body, flavour)
        except _MISUNDERSTOOD:
            return body  # `racks` will report the error

    return object_hook


def racks(answer: object, flavour: ApiFlavour) -> tuple[StructureRack, ...]:
    """The racks of a response, whose objects may be records already (see `object_hook_for`).

    Raises UnexpectedAnswer (an Unavailable) for other formats: a device that cannot be parsed must not pass for gone.
    """
    try:
        # Even without racks it would be {"Rack": []}: the key is always present.
        found = _object(_object(answer)["Racks"])["Rack"]
        return tuple(
            body if isinstance(body, StructureRack) else _rack(_object(body), flavour)
            for body in (found if isinstance(found, list) else _children(found))
        )
    except _MISUNDERSTOOD as error:
        raise UnexpectedAnswer(f"Concertim's structure of racks has an unknown format ({error})") from None


def sort_out(
    shown: Iterable[StructureRack],
    remembered: Mapping[str, Device],
    needs_reread: Collection[str],
    racks: Collection[str],
) -> tuple[dict[str, Device], list[str]]:
    """The unchanged devices by id, and the ids of those that must be read.

    The latter are devices that are new or differ, those in `needs_reread`, and those missing though their rack is in
    `racks`: devices that the structure omits may still exist.
    """
    known: dict[str, Device] = {}
    rest: list[str] = []
    for rack in shown:
        for device in rack.devices:
            past = remembered.get(device.id)
            if past and past.rack_id == rack.id and device.id not in needs_reread and _is_as_shown(past, device):
                known[device.id] = past
            else:
                rest.append(device.id)
    asked = set(rest)
    hidden = (item for item in remembered if item not in known and item not in asked)
    return known, rest + [item for item in hidden if remembered[item].rack_id in racks]


def _is_as_shown(past: Device, shown: StructureDevice) -> bool:
    # A device of an unknown type is remembered as an instance that is not ours.
    is_unknown = shown.kind is None and past.kind is ResourceKind.SERVER and not past.object_id
    kind = None if is_unknown else past.kind
    place = (past.location.start_u, past.location.end_u, past.location.facing)
    return shown[:-1] == (past.id, past.name, past.status, kind, *place, past.template_id)


def is_shown_alike(one: Device, other: Device) -> bool:
    """Whether the structure shows these two states of a device in the same way."""
    names = ("id", "name", "status", "kind", "location", "template_id", "rack_id")
    return all(getattr(one, name) == getattr(other, name) for name in names)


def costs(shown: Iterable[StructureRack]) -> dict[str, str]:
    """The current costs of devices by id, in the app's other format; without unreadable ones."""
    found = ((device.id, _MONEY.fullmatch(device.cost)) for rack in shown for device in rack.devices)
    return {item: intern(match[1].replace(",", "")) for item, match in found if match}


def _rack(body: Json, flavour: ApiFlavour) -> StructureRack:
    owner = body.get("owner")
    return StructureRack(
        id=_text(body, "id"),
        name=_text(body, "name"),
        height=int(_text(body, "uHeight")),
        status=_text(body, "buildStatus"),
        owner_id=_text(owner, "id") if isinstance(owner, dict) else "",
        devices=tuple(_devices(body, flavour)),
    )


def _devices(rack: Json, flavour: ApiFlavour) -> Iterator[StructureDevice]:
    for chassis in _children(rack.get("Chassis")):
        for slot in _children(chassis.get("Slots")):
            for machine in _children(slot.get("Machine")):
                yield _device(chassis, machine, flavour)


def _device(chassis: Json, machine: Json, flavour: ApiFlavour) -> StructureDevice:
    return StructureDevice(
        id=_text(machine, "id"),
        name=_text(machine, "name"),
        status=_text(machine, "buildStatus"),
        kind=device_kind(machine.get("type"), flavour),
        start_u=int(_text(chassis, "uStart")),
        end_u=int(_text(chassis, "uEnd")),
        facing=_text(chassis, "facing") if chassis.get("facing") else "f",
        template_id=_text(_object(chassis["template"]), "id"),
        cost=intern(cost) if isinstance(cost := machine.get("cost"), str) else "",
    )


def _children(value: object) -> list[Json]:
    if value is None:
        return []
    return [_object(item) for item in value] if isinstance(value, list) else [_object(value)]


def _object(value: object) -> Json:
    if not isinstance(value, dict):
        raise TypeError(f"{type(value).__name__} instead of an object")
    return value


def _text(body: Json, key: str) -> str:
    value = body[key]
    if not isinstance(value, str | int) or value == "":
        raise ValueError(f"no {key}")
    return value if isinstance(value, str) else str(value)
