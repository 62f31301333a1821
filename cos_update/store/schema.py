"""The plain form of the view, which other services read too: dicts, lists, tuples, strings, numbers, None.

Increase `SCHEMA` with every change of the plain form that a reader could notice.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from functools import lru_cache
from sys import intern
from typing import Any, TypeVar

from cos_update.model.cloud_memory import CloudMemory
from cos_update.model.concertim import (
    MAX_RACK_HEIGHT,
    OBJECT_ID,
    Actual,
    ApiFlavour,
    Details,
    Device,
    InstanceDetails,
    Location,
    NetworkDetails,
    Owner,
    Rack,
    Template,
    VolumeDetails,
)
from cos_update.model.kinds import BY_DEVICE_TYPE, ResourceKind
from cos_update.model.openstack import Output, Project, RememberedStack, StackContent
from cos_update.store.cloud_memory import EncodedCloud, cloud_plain
from cos_update.store.extras import accounts_from, extras_plain, view_for_from
from cos_update.store.records import RecordSchema, SchemaError, dict_of, records, texts
from cos_update.store.view import Origin, Resync, View

SCHEMA = 1
"""The version of the plain form that this release writes and reads."""

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class _PlainDevice:
    """The fields of a plain device that are read back; its OpenStack fields come from the origins."""

    id: str
    name: str
    type: str
    rack_id: str
    template_id: str
    status: str
    start_u: int
    end_u: int
    facing: str
    details: Mapping[str, object] = field(default_factory=dict)
    description: str = ""
    metadata: Mapping[str, object] = field(default_factory=dict)
    cost: str = ""
    known_as: str = ""


_OWNER = RecordSchema(Owner)
_TEMPLATE = RecordSchema(Template)
_RACK = RecordSchema(Rack)
_DEVICE = RecordSchema(_PlainDevice)
_DETAILS: Mapping[str, RecordSchema[Any]] = {
    ResourceKind.SERVER.device_type: RecordSchema(InstanceDetails),
    ResourceKind.VOLUME.device_type: RecordSchema(VolumeDetails),
    ResourceKind.NETWORK.device_type: RecordSchema(NetworkDetails),
}
_PROJECT = RecordSchema(Project)
_ORIGIN = RecordSchema(Origin)
_OUTPUT = RecordSchema(Output)
_CONTENT = RecordSchema(StackContent, nested=("servers", "volumes", "networks"))
_MEMORY = RecordSchema(RememberedStack, nested=("content", "absent"))
_RESYNC = RecordSchema(Resync)

_KINDS = {kind.value: kind for kind in ResourceKind}
_FLAVOURS = {flavour.value: flavour for flavour in ApiFlavour}
_UNDATED = {"created": ""}
"""Most origins are undated: missing fields that have a default would take longer to find."""
_UNKNOWN = Origin(ResourceKind.RESOURCE, name="", state="", project_id="")


def to_plain(view: View) -> dict[str, Any]:
    """The view in plain containers, for pickling. Racks and devices include their OpenStack name and state."""
    actual, origin_of = view.actual, view.origins.get
    return {
        "schema": SCHEMA,
        "saved_at": view.saved_at,
        "saved_by": view.saved_by,
        "openstack": {
            "read_at": view.cloud_read_at,
            "passes_since_membership": view.passes_since_membership,
            "gaps": list(view.gaps),
        },
        "concertim": {
            "began": actual.began,
            "read_at": view.concertim_read_at,
            "full_read_at": view.concertim_full_read_at,
            "passes_since_full": view.passes_since_full,
            "flavour": actual.flavour.value,
        },
        "projects": _plain_all(view.projects, _PROJECT.plain),
        "owners": _plain_all(actual.owners, _OWNER.plain),
        "templates": _plain_all(actual.templates, template_plain),
        "racks": {key: rack_plain(rack, origin_of(rack.stack_id)) for key, rack in actual.racks.items()},
        "devices": {key: device_plain(device, origin_of(device.object_id)) for key, device in actual.devices.items()},
        "origins": _plain_all(view.origins, origin_plain),
        "stacks": _plain_all(view.stacks, memory_plain),
        "strays": dict(view.unowned),
        "unsure": list(view.needs_reread),
        "dropped": {key: dict(fields) for key, fields in view.dropped.items()},
        "told": list(view.reported),
        "last_read": view.last_read,
        "cloud": _cloud_plain(view.cloud),
        "recheck": {key: tuple(what) for key, what in view.recheck.items()},
        "former": _plain_all(view.former, device_plain),
        "still": dict(view.still),
        "journal_seq": view.journal_seq,
        "resync": resync_plain(view.resync),
        **extras_plain(view.view_for, view.view_for_since, actual.accounts),
    }


def from_plain(plain: object) -> View:
    """The view from plain containers; nested values (metadata, ...) are shared, not copied.

    Raises SchemaError, a ValueError, for data that does not match this schema. Fields with a default may be missing.
    """
    whole = dict_of(plain, "view")
    check_schema(whole)
    cloud, concertim = dict_of(whole.get("openstack"), "openstack"), dict_of(whole.get("concertim"), "concertim")
    actual = Actual(
        began=_number(concertim, "began"),
        flavour=_word(concertim.get("flavour"), _FLAVOURS, "flavour"),
        owners=records(whole.get("owners"), _OWNER.record, "owners"),
        templates=records(whole.get("templates"), template_from, "templates"),
        racks=records(whole.get("racks"), rack_from, "racks"),
        devices=records(whole.get("devices"), device_from, "devices"),
        accounts=accounts_from(whole),
    )
    view_for, view_for_since = view_for_from(whole)
    return View(
        actual=actual,
        projects=records(whole.get("projects"), _PROJECT.record, "projects"),
        origins=records(whole.get("origins"), origin_from, "origins"),
        stacks=records(whole.get("stacks"), memory_from, "stacks"),
        unowned=records(whole.get("strays", {}), _truth, "strays"),
        needs_reread=texts(whole.get("unsure", ()), "unsure"),
        dropped=records(whole.get("dropped", {}), _dropped, "dropped"),
        reported=texts(whole.get("told", ()), "told"),
        cloud=None if whole.get("cloud") is None else EncodedCloud(dict_of(whole["cloud"], "cloud")),
        still=dict_of(whole.get("still", {}), "still"),
        recheck=records(whole.get("recheck", {}), _kind_and_project, "recheck"),
        last_read=_is({"last_read": "", **whole}, "last_read", str),
        former=records(whole.get("former", {}), device_from, "former"),
        cloud_read_at=_number(cloud, "read_at"),
        concertim_read_at=_number(concertim, "read_at"),
        concertim_full_read_at=_number(concertim, "full_read_at"),
        passes_since_full=_is(concertim, "passes_since_full", int),
        passes_since_membership=_is(cloud, "passes_since_membership", int),
        gaps=texts(cloud.get("gaps"), "gaps"),
        saved_at=_number(whole, "saved_at"),
        saved_by=_is(whole, "saved_by", str),
        journal_seq=_is(whole, "journal_seq", int),
        resync=resync_from(whole.get("resync")),
        view_for=view_for,
        view_for_since=view_for_since,
    )


def check_schema(plain: Mapping[str, Any]) -> None:
    """Raises SchemaError unless the plain data has our schema version."""
    found = plain.get("schema")
    if type(found) is not int or found != SCHEMA:
        raise SchemaError(f"schema {_shown(found)}, but this release reads {SCHEMA}")


def template_plain(template: Template) -> dict[str, Any]:
    return _TEMPLATE.plain(template)


def template_from(plain: object) -> Template:
    """A template from a dict. Raises SchemaError."""
    return _TEMPLATE.record(plain)


def rack_plain(rack: Rack, origin: Origin | None = None) -> dict[str, Any]:
    """A rack as a dict, with its stack's id, name, state and project ("" if it is not ours or they are unknown)."""
    known = origin or _UNKNOWN
    plain = _RACK.plain(rack)
    plain["openstack_id"] = rack.stack_id
    plain["openstack_name"] = known.name
    plain["openstack_state"] = known.state
    plain["project_id"] = known.project_id
    return plain


def rack_from(plain: object) -> Rack:
    """A rack from a dict. Raises SchemaError."""
    return _RACK.record(plain)


def device_plain(device: Device, origin: Origin | None = None) -> dict[str, Any]:
    """A device as a dict, with its object's id, name, state, project and stack ("" if not ours or unknown)."""
    known = origin or _UNKNOWN
    location = device.location
    return {
        "id": device.id,
        "openstack_id": device.object_id,
        "name": device.name,
        "openstack_name": known.name,
        "openstack_state": known.state,
        "project_id": known.project_id,
        "stack_id": known.stack_id,
        "status": device.status,
        "type": device.kind.device_type,
        "rack_id": device.rack_id,
        "template_id": device.template_id,
        "start_u": location.start_u,
        "end_u": location.end_u,
        "facing": location.facing,
        "description": device.description,
        "metadata": device.metadata,
        "cost": device.cost,
        "known_as": device.known_as,
        "details": _details_plain(device.details),
    }


def device_from(plain: object) -> Device:
    """A device from a dict. Raises SchemaError."""
    (
        key, name, kind, rack, template, status, start_u, end_u, facing, details, description, metadata, cost, known_as,
    ) = _DEVICE.values(plain)  # fmt: skip
    shape = _DETAILS.get(kind)
    if shape is None:
        raise SchemaError(f"type: {kind!r:.40} is unknown")
    location = _location(start_u, end_u, facing)
    if (object_id := metadata.get(OBJECT_ID)) and type(object_id) is str:
        intern(object_id)  # shared with the next reading of the cloud
    found: Details = shape.record(details)
    return Device(
        key,
        intern(name),
        BY_DEVICE_TYPE[kind],
        rack,
        template,
        status,
        location,
        found,
        description,
        metadata,
        intern(cost),
        known_as,
    )


@lru_cache(maxsize=MAX_RACK_HEIGHT**2)
def _location(start_u: int, end_u: int, facing: str) -> Location:
    """A shared object: there are few locations and many devices."""
    return Location(start_u, end_u, facing)


def _details_plain(details: Details) -> dict[str, Any]:
    match details:
        case InstanceDetails():  # nearly all of them, so without the generic path
            return {
                "public_ips": details.public_ips,
                "private_ips": details.private_ips,
                "ssh_key": details.ssh_key,
                "login_user": details.login_user,
                "volume_details": details.volume_details,
            }
        case VolumeDetails():
            return _DETAILS[ResourceKind.VOLUME.device_type].plain(details)
        case NetworkDetails():
            return _DETAILS[ResourceKind.NETWORK.device_type].plain(details)


def origin_plain(origin: Origin) -> dict[str, Any]:
    plain = {
        "kind": origin.kind.value,
        "name": origin.name,
        "state": origin.state,
        "project_id": origin.project_id,
        "stack_id": origin.stack_id,
    }
    if origin.created:
        plain["created"] = origin.created
    return plain


def origin_from(plain: object) -> Origin:
    """An origin from a dict. Raises SchemaError."""
    kind, name, state, project_id, stack_id, created = _ORIGIN.values({**_UNDATED, **dict_of(plain, "origin")})
    return Origin(_word(kind, _KINDS, "kind"), name, state, project_id, stack_id, created)


def memory_plain(memory: RememberedStack) -> dict[str, Any]:
    """A remembered stack as a dict."""
    content = _CONTENT.plain(memory.content)
    if memory.content.outputs is not None:
        content["outputs"] = [_OUTPUT.plain(output) for output in memory.content.outputs]
    return {"status": memory.status, "updated": memory.updated, "content": content, "absent": memory.absent}


def memory_from(plain: object) -> RememberedStack:
    """A remembered stack from a dict. Raises SchemaError."""
    status, updated, content, absent = _MEMORY.values(plain)
    parts = dict_of(content, "content")
    outputs = parts.get("outputs")
    if outputs is not None and type(outputs) not in (list, tuple):
        raise SchemaError("outputs: not a list")
    return RememberedStack(
        status,
        updated,
        StackContent(
            servers=texts(parts.get("servers"), "servers"),
            volumes=texts(parts.get("volumes"), "volumes"),
            networks=texts(parts.get("networks"), "networks"),
            outputs=None if outputs is None else tuple(_OUTPUT.record(output) for output in outputs),
            whole=_is(parts, "whole", bool),
        ),
        texts(absent, "absent"),
    )


def resync_plain(resync: Resync | None) -> dict[str, Any] | None:
    """A resync request as a dict, or None."""
    return None if resync is None else _RESYNC.plain(resync)


def resync_from(plain: object) -> Resync | None:
    """A resync request from a dict, or None. Raises SchemaError."""
    return None if plain is None else _RESYNC.record(plain)


def _plain_all(mapping: Mapping[str, T], convert: Callable[[T], dict[str, Any]]) -> dict[str, Any]:
    return {key: convert(value) for key, value in mapping.items()}


def cloud_memory(view: View) -> CloudMemory | None:
    """The view's cloud memory; None if there is none, or it is invalid."""
    return view.cloud.decode() if isinstance(view.cloud, EncodedCloud) else view.cloud


def _cloud_plain(cloud: CloudMemory | EncodedCloud | None) -> Mapping[str, Any] | None:
    if isinstance(cloud, EncodedCloud):
        return cloud.plain()
    return None if cloud is None else cloud_plain(cloud)


def _kind_and_project(plain: object) -> tuple[str, str]:
    kind, project_id = texts(plain, "kind and project")
    return kind, project_id


def _dropped(plain: object) -> dict[str, tuple[object, object]]:
    fields = dict_of(plain, "fields")
    if not all(type(pair) in (list, tuple) and len(pair) == 2 for pair in fields.values()):
        raise SchemaError("not a pair of sent and shown values")
    return {name: (pair[0], pair[1]) for name, pair in fields.items()}


def _truth(plain: object) -> bool:
    if type(plain) is not bool:
        raise SchemaError(f"expected a boolean, found a {type(plain).__name__}")
    return plain


def _number(plain: Mapping[str, Any], key: str) -> float:
    value = plain.get(key)
    if type(value) is not float and type(value) is not int:
        raise SchemaError(f"{key}: not a number")
    return value


def _is(plain: Mapping[str, Any], key: str, wanted: type[T]) -> T:
    value = plain.get(key)
    if type(value) is not wanted:
        raise SchemaError(f"{key}: expected a {wanted.__name__}, found a {type(value).__name__}")
    return value


def _word(value: object, words: Mapping[str, T], what: str) -> T:
    if type(value) is not str or value not in words:
        raise SchemaError(f"{what}: {_shown(value)} is unknown")
    return words[value]


def _shown(value: object) -> str:
    """A short description of a value. Containers are not printed: in a small file, one may take hours to expand."""
    is_short = value is None or isinstance(value, str) or (isinstance(value, int) and value.bit_length() < 64)
    return f"{value!r:.40}" if is_short else f"a {type(value).__name__}"
