"""Converts the model's records to Concertim's request bodies, for each of its APIs.

Rules observed on the app: sizes of templates are positive or null; a null `volume_details` causes a 500, a null
`creation_output` breaks the rack's page; an update merges details and replaces everything else.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import fields

from cos_update.model.concertim import DETAILS_TYPE, ApiFlavour, Device, Rack, Template
from cos_update.model.errors import Refused
from cos_update.model.kinds import ResourceKind

Body = dict[str, object]

_SIZES = ("vcpus", "ram", "disk")
_TEMPLATE_FIELDS = {name: name for name in ("name", "description", "foreign_id", *_SIZES)}
_RACK_FIELDS = {name: name for name in ("name", "status", "metadata", "network_details", "creation_output")}
_RACK_FIELDS["height"] = "u_height"
_CHANGED_RACK_FIELDS = {**_RACK_FIELDS, "order_id": "order_id"}
_DEVICE_FIELDS = {name: name for name in ("name", "status", "description", "metadata")}


def new_template(template: Template) -> Body:
    """POST /templates."""
    sent = {name: getattr(template, name) for name in _TEMPLATE_FIELDS}
    return {"template": {"height": template.height, **_with_sizes(sent)}}


def changed_template(changes: Mapping[str, object]) -> Body:
    """PATCH /templates/ID; `changes` has the model's field names. Raises ValueError for fields that cannot change."""
    return {"template": _with_sizes(_renamed(changes, _TEMPLATE_FIELDS))}


def new_rack(rack: Rack, flavour: ApiFlavour) -> Body:
    """POST /racks."""
    owner_key = "user_id" if flavour is ApiFlavour.USERS else "team_id"
    sent = {column: getattr(rack, name) for name, column in _RACK_FIELDS.items()}
    if flavour is ApiFlavour.CREDITS:
        sent |= {"cloud_created_at": rack.created, "cluster_type_name": rack.cluster_type}
    else:
        sent |= {**({"order_id": rack.order_id} if rack.order_id else {}), **_cost(rack.cost)}
    return {"rack": {owner_key: rack.owner_id, **sent}}


def changed_rack(changes: Mapping[str, object]) -> Body:
    """PATCH /racks/ID; `changes` has the model's field names. Raises ValueError for fields that cannot change."""
    sent = _renamed(changes, _CHANGED_RACK_FIELDS)
    if "creation_output" in sent:
        sent["creation_output"] = sent["creation_output"] or ""
    return {"rack": sent}


def new_device(device: Device, flavour: ApiFlavour) -> Body:
    """POST /nodes. Raises Refused for devices that the older API does not support."""
    sent: Body = {name: getattr(device, name) for name in _DEVICE_FIELDS}
    sent |= {"cloud_created_at": device.created} if flavour is ApiFlavour.CREDITS else _cost(device.cost)
    place = device.location
    sent["location"] = {"rack_id": device.rack_id, "start_u": place.start_u, "facing": place.facing}
    given = {item.name: getattr(device.details, item.name) for item in fields(device.details)}
    details = _details(given, flavour)
    if flavour is not ApiFlavour.USERS:
        sent |= {"type": device.kind.device_type, "details": {"type": DETAILS_TYPE[device.kind], **details}}
    elif device.kind is ResourceKind.SERVER:
        sent |= details
    else:
        raise Refused(f"this Concertim's older API does not support a {device.kind.label}")
    return {"template_id": device.template_id, "device": sent}


def changed_device(changes: Mapping[str, object], flavour: ApiFlavour) -> Body:
    """PATCH /devices/ID; `changes` has the model's field names, with changed fields of the details in `details`.

    Raises ValueError for fields that never change: a sent `type` breaks the device, `rack_id` is ignored (observed).
    """
    sent = _renamed({name: value for name, value in changes.items() if name != "details"}, _DEVICE_FIELDS)
    details = changes.get("details")
    if isinstance(details, Mapping):
        found = _details(details, flavour)
        sent |= found if flavour is ApiFlavour.USERS else {"details": found}
    return {"device": sent}


def _cost(cost: str) -> Body:
    """The cost of a recreated record; the app rejects values that are not a number."""
    return {"cost": cost} if re.fullmatch(r"\d+(\.\d+)?", cost) and cost.strip("0.") else {}


def _renamed(changes: Mapping[str, object], known: Mapping[str, str]) -> Body:
    if unknown := changes.keys() - known.keys():
        raise ValueError(f"Concertim does not change {', '.join(sorted(unknown))}")
    return {known[name]: value for name, value in changes.items()}


def _with_sizes(sent: Body) -> Body:
    return {name: (value or None) if name in _SIZES else value for name, value in sent.items()}


def _details(details: Mapping[str, object], flavour: ApiFlavour) -> Body:
    # The older API stores only objects.
    nothing: object = {} if flavour is ApiFlavour.USERS else []
    return {name: (value or nothing) if name == "volume_details" else value for name, value in details.items()}
