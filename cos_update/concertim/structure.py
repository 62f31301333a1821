"""The structure read (`GET /irv/racks`): racks and devices without metadata and details, at a tenth of the cost.

Its answer is XML turned into JSON (observed): every value is text; several children are a list, one is the bare
object, none are absent. A device is the Machine in its chassis' slot; ids and names of the chassis are its own.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from cos_update.concertim.codec import Json, UnexpectedAnswer, device_type
from cos_update.model.racks import ApiFlavour, DeviceType


@dataclass(frozen=True, slots=True)
class StructureDevice:
    """A device as the structure shows it; `type` is None when it is one that we don't know."""

    id: str
    name: str
    status: str
    type: DeviceType | None
    start_u: int
    end_u: int
    facing: str
    template_id: str


@dataclass(frozen=True, slots=True)
class StructureRack:
    """A rack as the structure shows it, with its devices."""

    id: str
    name: str
    height: int
    status: str
    owner_id: str
    devices: tuple[StructureDevice, ...]


def racks(answer: object, flavour: ApiFlavour) -> tuple[StructureRack, ...]:
    """The racks of an answer.

    Raises UnexpectedAnswer (an Unavailable) for another shape: a device that is not understood must not pass for gone.
    """
    try:
        # A dictionary of no racks at all would be {"Rack": []}: the key is always there.
        return tuple(_rack(body, flavour) for body in _children(_object(_object(answer)["Racks"])["Rack"]))
    except (LookupError, TypeError, ValueError) as error:
        raise UnexpectedAnswer(f"Concertim's structure of racks has an unknown shape ({error})") from None


def _rack(body: Json, flavour: ApiFlavour) -> StructureRack:
    owner = body.get("owner")
    return StructureRack(
        id=_text(body, "id"),
        name=_text(body, "name"),
        height=int(_text(body, "uHeight")),
        status=_text(body, "buildStatus"),
        owner_id=_text(owner, "id") if isinstance(owner, Mapping) else "",
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
        type=device_type(machine.get("type"), flavour),
        start_u=int(_text(chassis, "uStart")),
        end_u=int(_text(chassis, "uEnd")),
        facing=_text(chassis, "facing") if chassis.get("facing") else "f",
        template_id=_text(_object(chassis["template"]), "id"),
    )


def _children(value: object) -> list[Json]:
    if value is None:
        return []
    return [_object(item) for item in value] if isinstance(value, list) else [_object(value)]


def _object(value: object) -> Json:
    if not isinstance(value, Mapping):
        raise TypeError(f"{type(value).__name__} in place of an object")
    return value


def _text(body: Json, key: str) -> str:
    value = body[key]
    if not isinstance(value, str | int) or value == "":
        raise ValueError(f"no {key}")
    return str(value)
