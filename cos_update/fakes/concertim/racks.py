"""The endpoints of racks."""

from __future__ import annotations

import re
import uuid
from dataclasses import dataclass
from decimal import Decimal

from cos_update.fakes.concertim.call import Call
from cos_update.fakes.concertim.checks import check_cost, check_number, is_blank, sentence
from cos_update.fakes.concertim.devices import CREATED, check_created, permitted
from cos_update.fakes.concertim.params import objects, scalars
from cos_update.fakes.concertim.problems import Errors, Refusal, failure, forbidden, not_found, unknown_attribute
from cos_update.fakes.concertim.records import Json, Rack
from cos_update.fakes.concertim.shapes import device_shape, rack_shape
from cos_update.fakes.concertim.state import State
from cos_update.fakes.concertim.values import (
    decimal,
    integer,
    refuse_null_cost,
    refuse_unstorable,
    small_integer,
    stored_object,
    text,
)
from cos_update.model.concertim import MAX_RACK_HEIGHT, ApiFlavour

DEFAULT_HEIGHT = 42
STATUSES = ("IN_PROGRESS", "FAILED", "ACTIVE", "STOPPED")
FIELDS = ("name", "u_height", "status", "cost", "creation_output", "order_id")
CLUSTER_TYPE = "cluster_type_name"
OBJECTS = ("metadata", "network_details")

_NAME = re.compile(r"[A-Za-z0-9_-]*\n?")
_LAST_NUMBER = re.compile(r"(\d+)(\D*)$")


@dataclass(slots=True)
class _Draft:
    """A rack as it would be after a save, with the values as sent."""

    id: str
    given: Json
    name: str | None
    owner_id: str | None
    u_height: int | None
    status: str | None
    order_id: str | None
    cost: Decimal | None
    creation_output: str | None


async def index(call: Call) -> object:
    """GET /racks."""
    racks = call.state.listed(tuple(call.state.racks.values()))
    return [rack_shape(call.state, rack) for rack in racks if call.state.may_read(call.user, rack.owner_id)]


async def show(call: Call) -> object:
    """GET /racks/:id, with the devices, highest first."""
    rack = find(call.state, call.id)
    if not call.state.may_read(call.user, rack.owner_id):
        raise forbidden()
    shape = rack_shape(call.state, rack)
    shape["devices"] = [device_shape(call.state, device, index=True) for device in call.state.devices_of(rack)]
    return shape


async def create(call: Call) -> object:
    """POST /racks."""
    given, columns = _permitted(call)
    owner_id = _owner(call)
    if not call.state.may_write(call.user, owner_id):
        raise forbidden()
    draft = _new_draft(call.state, owner_id, given)
    errors = _check(call.state, draft)
    check_created(call.state, errors, given)
    if call.state.flavour is ApiFlavour.CREDITS and is_blank(text(given.get(CLUSTER_TYPE))):
        errors.add(CLUSTER_TYPE, "blank")
    limit = call.state.rack_limit
    if limit is not None and len(call.state.racks) >= limit:
        errors.add("base", f"The rack limit of {limit} has been exceeded")
    errors.refuse()
    rack = Rack(draft.id, "", str(owner_id), 0, "", "", call.state.next_serial())
    await _save(call, rack, draft, columns)
    call.state.racks[rack.id] = call.state.touched(rack)
    return rack_shape(call.state, rack, dict(columns))


async def update(call: Call) -> object:
    """PATCH /racks/:id; objects are replaced, the owner stays."""
    rack = find(call.state, call.id)
    if not call.state.may_write(call.user, rack.owner_id):
        raise forbidden()
    given, columns = _permitted(call)
    draft = _changed_draft(rack, given)
    errors = _check(call.state, draft)
    highest = max((device.end_u for device in call.state.devices.in_rack(rack.id)), default=0)
    if draft.u_height is not None and draft.u_height < highest:
        errors.add("u_height", f"must be greater than the highest occupied U (minimum is therefore {highest}).")
    errors.refuse()
    await _save(call, rack, draft, columns)
    call.state.touched(rack)
    return rack_shape(call.state, rack, dict(columns))


async def delete(call: Call) -> object:
    """DELETE /racks/:id; `recurse` deletes its devices too."""
    rack = find(call.state, call.id)
    if not call.state.may_write(call.user, rack.owner_id):
        raise forbidden()
    if call.state.devices.in_rack(rack.id) and not call.params.asks("recurse"):
        raise Refusal(422, {"errors": "rack is not empty"})
    call.state.remove_rack(rack.id)
    return {}


def find(state: State, rack_id: str) -> Rack:
    """The rack with this id. Raises the 404."""
    if rack_id not in state.racks:
        raise not_found()
    return state.racks[rack_id]


def _permitted(call: Call) -> tuple[Json, dict[str, Json]]:
    call.params.wrap("rack", None)
    root = call.params.root("rack", may_be_empty=True)
    if "description" in root:
        raise unknown_attribute("description", "HwRack")
    given = permitted(call.state, scalars(root, (*FIELDS, CREATED, CLUSTER_TYPE)))
    if not call.user.root:
        given.pop("order_id", None)
    return given, objects(root, OBJECTS)


def _owner(call: Call) -> str | None:
    root = call.params.root("rack", may_be_empty=True)
    if call.state.flavour is ApiFlavour.USERS:
        if not call.user.root:
            return call.user.id
        user_id = root.get("user_id")
        return user_id if isinstance(user_id, str) and user_id in call.state.users else None
    team_id = root.get("team_id")
    return team_id if isinstance(team_id, str) and team_id in call.state.teams else None


def _new_draft(state: State, owner_id: str | None, given: Json) -> _Draft:
    newest = state.newest_rack(owner_id)
    name = text(given.get("name"))
    if name is None:
        name = "Rack-1" if newest is None else _LAST_NUMBER.sub(_raised, newest.name)
    if "u_height" not in given:
        given["u_height"] = DEFAULT_HEIGHT
    elif given["u_height"] is None:
        given["u_height"] = DEFAULT_HEIGHT if newest is None else newest.u_height
    return _Draft(
        str(uuid.uuid4()),
        given,
        name,
        owner_id,
        integer(given["u_height"]),
        text(given.get("status")),
        text(given.get("order_id")),
        decimal(given.get("cost", 0)),
        text(given.get("creation_output")),
    )


def _raised(match: re.Match[str]) -> str:
    return f"{int(match[1]) + 1}{match[2]}"


def _changed_draft(rack: Rack, given: Json) -> _Draft:
    return _Draft(
        rack.id,
        given,
        text(given.get("name", rack.name)),
        rack.owner_id,
        integer(given.get("u_height", rack.u_height)),
        text(given.get("status", rack.status)),
        text(given.get("order_id", rack.order_id)),
        decimal(given["cost"]) if "cost" in given else rack.cost,
        text(given.get("creation_output", rack.creation_output)),
    )


def _check(state: State, draft: _Draft) -> Errors:
    errors = Errors()
    refuse_unstorable(draft.name, draft.order_id, limit=None)
    others = [rack for rack in tuple(state.racks.values()) if rack.id != draft.id]
    if draft.owner_id is None:
        errors.add("user" if state.flavour is ApiFlavour.USERS else "team", "required")
    if is_blank(draft.name):
        errors.add("name", "blank")
    elif not _NAME.fullmatch(draft.name or ""):
        errors.add("name", "can contain only alphanumeric characters, hyphens and underscores.")
    if any(rack.name == draft.name and rack.owner_id == draft.owner_id for rack in others):
        errors.add("name", "taken")
    raw_height = draft.given.get("u_height", draft.u_height)
    check_number(errors, "u_height", raw_height, whole=True, above=0, below=MAX_RACK_HEIGHT + 1)
    if is_blank(draft.status):
        errors.add("status", "blank")
    if draft.status not in STATUSES:
        errors.add("status", f"must be one of {sentence(STATUSES)}")
    if "cost" in draft.given:
        check_cost(errors, draft.given["cost"], draft.cost)
    if state.flavour is ApiFlavour.CREDITS:
        return errors
    if is_blank(draft.order_id):
        errors.add("order_id", "blank")
    elif any(rack.order_id == draft.order_id for rack in others):
        errors.add("order_id", "taken")
    return errors


async def _save(call: Call, rack: Rack, draft: _Draft, columns: dict[str, Json]) -> None:
    """Write a validated draft. Raises the 500s for values that only the database rejects."""
    refuse_unstorable(draft.name)
    refuse_unstorable(draft.creation_output, limit=None)
    cost = refuse_null_cost(draft.cost, "racks")
    stored_columns = {name: stored_object(value) for name, value in columns.items()}
    await call.between()
    others = [] if call.state.flavour is ApiFlavour.CREDITS else tuple(call.state.racks.values())
    if any(other.order_id == draft.order_id for other in others if other is not rack):
        raise failure(
            "ActiveRecord::RecordNotUnique",
            "PG::UniqueViolation: ERROR:  duplicate key value violates unique constraint "
            f'"index_racks_on_order_id"\nDETAIL:  Key (order_id)=({draft.order_id}) already exists.\n',
        )
    if "name" in draft.given or not rack.name:
        rack.name = str(draft.name)
    if "u_height" in draft.given:
        rack.u_height = small_integer(draft.u_height) or 0
    if "status" in draft.given:
        rack.status = str(draft.status)
    if "order_id" in draft.given:
        rack.order_id = str(draft.order_id)
    if "cost" in draft.given:
        rack.cost = cost
    if "creation_output" in draft.given:
        rack.creation_output = draft.creation_output
    for name, value in stored_columns.items():
        setattr(rack, name, value)
