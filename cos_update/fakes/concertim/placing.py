"""The app's checks of a location, which consider only the lowest unit."""

from __future__ import annotations

from dataclasses import dataclass

from cos_update.fakes.concertim.checks import check_number
from cos_update.fakes.concertim.problems import Errors, failure
from cos_update.fakes.concertim.records import Json, Rack
from cos_update.fakes.concertim.state import State
from cos_update.fakes.concertim.values import integer, text

FACINGS = ("b", "f")


@dataclass(frozen=True, slots=True)
class Place:
    """A requested location, for a device of a known height."""

    rack: Rack | None
    raw_start: object
    height: int
    facing: str | None
    device_id: str = ""
    """The device to be placed, if it exists."""

    @property
    def start_u(self) -> int | None:
        return integer(self.raw_start)

    @property
    def end_u(self) -> int | None:
        return None if self.start_u is None else self.start_u + self.height - 1


def new_place(state: State, location: Json, height: int) -> Place:
    """The place of a new device."""
    rack_id = location.get("rack_id")
    rack = state.racks.get(rack_id) if isinstance(rack_id, str) else None
    return Place(rack, location.get("start_u"), height, text(location.get("facing", "f")))


def check_place(state: State, place: Place) -> Errors:
    """Check a place. Raises the 500 that a missing rack provokes once a unit is given."""
    errors = Errors()
    start_u, end_u = place.start_u, place.end_u
    if place.rack is None:
        if start_u is not None:
            raise failure("NoMethodError", "undefined method `u_height' for nil:NilClass")
        errors.add("rack", "blank")
        errors.add("rack", "blank")
    check_number(errors, "start_u", place.raw_start, whole=True, above=0)
    check_number(errors, "end_u", end_u, whole=True, above=0)
    if place.rack is not None and start_u is not None and end_u is not None:
        if not 1 <= start_u <= place.rack.u_height:
            errors.add("start_u", "is invalid")
            errors.add("start_u", "is invalid")
        if end_u > place.rack.u_height:
            errors.add("end_u", "is invalid")
        neighbours = state.devices.in_rack(place.rack.id)
        if any(device.start_u <= start_u <= device.end_u and device.id != place.device_id for device in neighbours):
            errors.add("start_u", "is occupied")
    if place.facing not in FACINGS:
        errors.add("facing", "inclusion", "must be either 'b' or 'f'", permitted=list(FACINGS), value=place.facing)
    return errors
