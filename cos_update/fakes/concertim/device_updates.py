"""PATCH /devices/:id: three consecutive saves, any of which may fail without affecting the others."""

from __future__ import annotations

from cos_update.fakes.concertim import devices
from cos_update.fakes.concertim.call import Call
from cos_update.fakes.concertim.devices import FIELDS, LOCATION_FIELDS, DeviceFields, flat_details
from cos_update.fakes.concertim.devicetypes import DETAILS, TYPES, stored_details
from cos_update.fakes.concertim.params import objects, scalars
from cos_update.fakes.concertim.placing import Place, check_place
from cos_update.fakes.concertim.problems import Errors, Refusal, forbidden
from cos_update.fakes.concertim.records import Device, Json
from cos_update.fakes.concertim.shapes import device_shape, location_shape
from cos_update.fakes.concertim.state import State
from cos_update.fakes.concertim.values import decimal, refuse_null_cost, refuse_unstorable, stored_object, text
from cos_update.model.concertim import ApiFlavour

COLUMNS = ("name", "description", "metadata", "status", "cost", "type")


async def update(call: Call) -> object:
    """PATCH /devices/:id. The response has the location from before the update."""
    state = call.state
    device = devices.find(state, call.id)
    if not state.may_write(call.user, state.racks[device.rack_id].owner_id):
        raise forbidden()
    call.params.wrap("device", COLUMNS)
    root = call.params.root("device")
    location_before = location_shape(device)
    sent: Json = {}
    errors = [
        await _save_fields(call, device, root, sent),
        await _save_location(call, device, root),
        _save_details(state, device, root, sent),
    ]
    found = {field: messages for part in errors for field, messages in part.messages().items()}
    if found:
        raise Refusal(422, {"errors": found})
    state.touched(device)
    return device_shape(state, device, location=location_before, sent=sent)


async def _save_fields(call: Call, device: Device, root: Json, sent: Json) -> Errors:
    given = devices.permitted(call.state, scalars(root, FIELDS))
    fields = DeviceFields(
        device.id,
        given,
        text(given.get("name", device.name)),
        device.type,
        text(given.get("status", device.status)),
        text(given.get("description", device.description)),
        decimal(given["cost"]) if "cost" in given else device.cost,
    )
    errors = devices.check_fields(call.state, fields, device.rack_id)
    _check_whole(device, errors)
    if errors:
        return errors
    metadata = objects(root, ["metadata"])
    refuse_unstorable(fields.description)
    cost = refuse_null_cost(fields.cost, "devices")
    stored_metadata = stored_object(metadata.get("metadata", {}))
    await call.between()
    for field, value in (("name", fields.name), ("status", fields.status), ("description", fields.description)):
        if field in given:
            setattr(device, field, value)
    if "cost" in given:
        device.cost = cost
    if metadata:
        device.metadata = stored_metadata
        sent.update(metadata)
    if call.state.flavour is not ApiFlavour.USERS and given.get("type", device.type) != device.type:
        _wreck(device, given["type"], errors)
    return errors


def _check_whole(device: Device, errors: Errors) -> None:
    """The errors of every update of a device with a changed type."""
    kind = TYPES[device.type]
    if device.details_type != kind.details_type:
        errors.add("details", "is invalid")
        errors.add("details_type", kind.details_error)
        errors.add("template", kind.template_error)


def _wreck(device: Device, kind: object, errors: Errors) -> None:
    """Another type is rejected, and yet saved."""
    errors.add("details", "is invalid")
    if isinstance(kind, str) and kind in TYPES:
        device.type = kind


async def _save_location(call: Call, device: Device, root: Json) -> Errors:
    """Move the device within its rack: `rack_id` is ignored, and missing fields become null."""
    location = scalars(objects(root, ["location"]).get("location", {}), LOCATION_FIELDS)
    if not location:
        return Errors()
    rack = call.state.racks.get(device.rack_id)
    facing = text(location.get("facing"))
    place = Place(rack, location.get("start_u"), device.height, facing, device.id)
    errors = check_place(call.state, place)
    if not errors and place.start_u is not None:
        await call.between()
        device.start_u, device.facing = place.start_u, str(facing)
    return errors


def _save_details(state: State, device: Device, root: Json, sent: Json) -> Errors:
    """Merge the given fields into the details. Raises the 500s for unknown fields and nulls."""
    errors = Errors()
    given = {} if state.flavour is ApiFlavour.USERS else objects(root, ["details"]).get("details", {})
    given = given or flat_details(root)
    if given.get("type", device.details_type) != device.details_type:
        for error in ("required", "blank"):
            errors.add("details", error)
        errors.add("details_type", "Cannot be changed once a device has been created")
        errors.add("details_type", TYPES[device.type].details_error)
        return errors
    known = {key: value for key, value in given.items() if key != "type" and key not in state.unstored}
    changes = DETAILS[device.details_type].cast(known)
    device.details = {**device.details, **stored_details(changes)}
    sent.update(changes)
    return errors
