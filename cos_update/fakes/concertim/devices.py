"""The endpoints of devices, except for updates."""

from __future__ import annotations

import re
import uuid
from dataclasses import dataclass
from decimal import Decimal

from cos_update.fakes.concertim import templates
from cos_update.fakes.concertim.call import Call
from cos_update.fakes.concertim.checks import check_cost, check_length, is_blank, sentence
from cos_update.fakes.concertim.devicetypes import COMPUTE, DETAILS, FLAT_FIELDS, TYPES, stored_details
from cos_update.fakes.concertim.params import objects, scalars
from cos_update.fakes.concertim.placing import check_place, new_place
from cos_update.fakes.concertim.problems import Errors, Refusal, failure, forbidden, missing, not_found
from cos_update.fakes.concertim.records import Device, Json, Rack, Template
from cos_update.fakes.concertim.shapes import device_shape
from cos_update.fakes.concertim.state import State
from cos_update.fakes.concertim.values import (
    COLUMN_LIMIT,
    decimal,
    moment,
    refuse_null_cost,
    refuse_unstorable,
    stored_object,
    text,
    too_long,
)
from cos_update.model.concertim import ApiFlavour

FIELDS = ("name", "description", "status", "cost", "type")
LOCATION_FIELDS = ("rack_id", "start_u", "facing")
CREATED = "cloud_created_at"
NAME_LIMIT = 150
CHASSIS_OVERHEAD = 25
"""What a timestamp and hyphens add to the hidden chassis' name, which holds the template's and rack's names."""

_NAMES = {
    ApiFlavour.TEAMS: (
        re.compile(r"[A-Za-z0-9.-]*\n?"),
        "can contain only alphanumeric characters, dots and hyphens.",
    ),
    ApiFlavour.CREDITS: (
        re.compile(r"[A-Za-z0-9.-]*\n?"),
        "can contain only alphanumeric characters, dots and hyphens.",
    ),
    ApiFlavour.USERS: (
        re.compile(r"[A-Za-z0-9-]*\n?"),
        "can contain only alphanumeric characters and hyphens.",
    ),
}
_SUBCLASS_NOT_FOUND = (
    "The single-table inheritance mechanism failed to locate the subclass: '{}'. This error is raised because "
    "the column 'type' is reserved for storing the class in case of inheritance. Please rename this column if "
    "you didn't intend it to be used for storing the inheritance class or overwrite Device.inheritance_column "
    "to use another column for that information."
)


@dataclass(slots=True)
class DeviceFields:
    """A device's own fields as they would be after a save, with the values as sent."""

    id: str
    given: Json
    name: str | None
    type: str
    status: str | None
    description: str | None
    cost: Decimal | None


async def index(call: Call) -> object:
    """GET /devices."""
    state = call.state
    readable = {rack.id for rack in tuple(state.racks.values()) if state.may_read(call.user, rack.owner_id)}
    return [
        device_shape(state, device, index=True)
        for device in state.listed(state.devices.rows())
        if device.rack_id in readable
    ]


async def show(call: Call) -> object:
    """GET /devices/:id."""
    device = find(call.state, call.id)
    if not call.state.may_read(call.user, call.state.racks[device.rack_id].owner_id):
        raise forbidden()
    return device_shape(call.state, device)


async def delete(call: Call) -> object:
    """DELETE /devices/:id."""
    device = find(call.state, call.id)
    if not call.state.may_write(call.user, call.state.racks[device.rack_id].owner_id):
        raise forbidden()
    call.state.devices.pop(device.id, None)
    return {}


async def create(call: Call) -> object:
    """POST /nodes; `template_id` stands outside `device`."""
    state = call.state
    if not call.params["template_id"]:
        raise missing("template_id")
    template = templates.find(state, call.params["template_id"])
    root = call.params.root("device")
    given = permitted(state, scalars(root, (*FIELDS, CREATED)))
    metadata = objects(root, ["metadata"]).get("metadata", {})
    place = new_place(state, scalars(objects(root, ["location"]).get("location", {}), LOCATION_FIELDS), template.height)
    fields = _new_fields(state, given)
    details_type, details = _new_details(state, root)
    if not state.may_write(call.user, place.rack.owner_id if place.rack else None):
        raise forbidden()
    _refuse(check_place(state, place))
    if place.rack is None or place.start_u is None:
        raise not_found()
    _refuse_long_chassis_name(template, place.rack)
    errors = check_fields(state, fields, place.rack.id)
    _check_kind(errors, fields.type, details_type, template)
    check_created(state, errors, given)
    _check_licence(state, errors)
    _refuse(errors)
    refuse_unstorable(fields.description)
    device = Device(
        fields.id,
        str(fields.name),
        fields.type,
        place.rack.id,
        template.id,
        place.start_u,
        template.height,
        str(fields.status),
        details_type,
        stored_details(details),
        str(place.facing),
        fields.description,
        refuse_null_cost(fields.cost, "devices"),
        stored_object(metadata),
    )
    await call.between()
    if place.rack.id not in state.racks:
        raise failure(
            "ActiveRecord::InvalidForeignKey",
            'PG::ForeignKeyViolation: ERROR:  insert or update on table "locations" violates foreign key constraint\n',
        )
    state.devices[device.id] = state.touched(device)
    return device_shape(state, device, sent={"metadata": metadata, **details})


def permitted(state: State, given: Json) -> Json:
    """The fields of this API: the newer one has the creation time instead of costs."""
    strange = ("cost", "order_id") if state.flavour is ApiFlavour.CREDITS else (CREATED,)
    return {name: value for name, value in given.items() if name not in strange}


def check_created(state: State, errors: Errors, given: Json) -> None:
    """The newer API requires the creation time of the object; an invalid time counts as missing."""
    if state.flavour is ApiFlavour.CREDITS and moment(given.get(CREATED)) is None:
        errors.add(CREATED, "blank")


def find(state: State, device_id: str) -> Device:
    """The device with this id. Raises the 404."""
    if device_id not in state.devices:
        raise not_found()
    return state.devices[device_id]


def check_fields(state: State, fields: DeviceFields, rack_id: str) -> Errors:
    """Check a device's own fields."""
    errors = Errors()
    refuse_unstorable(fields.name, limit=None)
    allowed, sentence_about_names = _NAMES[state.flavour]
    if is_blank(fields.name):
        errors.add("name", "blank")
    elif not allowed.fullmatch(fields.name or ""):
        errors.add("name", "invalid", sentence_about_names, value=fields.name)
    check_length(errors, "name", fields.name, NAME_LIMIT)
    neighbours = state.devices.in_rack(rack_id)
    if any(device.name == fields.name and device.id != fields.id for device in neighbours):
        errors.add("name", "taken")
    statuses = TYPES[fields.type].statuses if fields.type in TYPES else ()
    if is_blank(fields.status):
        errors.add("status", "blank")
    elif fields.status not in statuses:
        errors.add("status", f"must be one of {sentence(statuses)}")
    if "cost" in fields.given:
        check_cost(errors, fields.given["cost"], fields.cost)
    return errors


def flat_details(root: Json) -> Json:
    """The compute details among a device's other fields."""
    flat = scalars(root, [field for field in FLAT_FIELDS if field != "volume_details"])
    return {**flat, **objects(root, ["volume_details"])}


def _new_fields(state: State, given: Json) -> DeviceFields:
    kind = "Instance" if state.flavour is ApiFlavour.USERS else text(given.get("type")) or "Device"
    if kind != "Device" and kind not in TYPES:
        raise failure("ActiveRecord::SubclassNotFound", _SUBCLASS_NOT_FOUND.format(kind))
    return DeviceFields(
        str(uuid.uuid4()),
        given,
        text(given.get("name")),
        kind,
        text(given.get("status")),
        text(given.get("description")),
        decimal(given.get("cost", 0)),
    )


def _new_details(state: State, root: Json) -> tuple[str, Json]:
    """The type and the fields of a new device's details: without any, empty compute details."""
    given = objects(root, ["details"]).get("details")
    if not given or state.flavour is ApiFlavour.USERS:
        compute = DETAILS[COMPUTE]
        flat = {field: value for field, value in flat_details(root).items() if field not in state.unstored}
        return COMPUTE, {**compute.empty(), **compute.cast(flat)}
    details_type = given.get("type")
    if details_type is None:
        raise failure("NoMethodError", "undefined method `constantize' for nil:NilClass")
    if not isinstance(details_type, str) or details_type not in DETAILS:
        raise failure("NameError", f"uninitialized constant {details_type}")
    found = DETAILS[details_type]
    return details_type, {
        **found.empty(),
        **found.cast({key: value for key, value in given.items() if key != "type" and key not in state.unstored}),
    }


def _check_kind(errors: Errors, kind: str, details_type: str, template: Template) -> None:
    if kind not in TYPES:
        return
    if details_type != TYPES[kind].details_type:
        errors.add("details_type", TYPES[kind].details_error)
    if template.tag != TYPES[kind].tag:
        errors.add("template", TYPES[kind].template_error)


def _check_licence(state: State, errors: Errors) -> None:
    if state.device_limit is not None and len(state.devices) >= state.device_limit:
        errors.add("base", f"The device limit of {state.device_limit} has been exceeded")


def _refuse_long_chassis_name(template: Template, rack: Rack) -> None:
    kept = re.sub(r"[^A-Za-z0-9-]", "", template.name)
    if len(kept) + len(rack.name) + CHASSIS_OVERHEAD > COLUMN_LIMIT:
        raise too_long()


def _refuse(errors: Errors) -> None:
    if errors:
        raise Refusal(422, errors.details())
