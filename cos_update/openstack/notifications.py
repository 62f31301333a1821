"""Parses notifications from the message bus into the objects that have changed. Pure.

Accepts both envelopes: oslo.messaging's 2.0, whose `oslo.message` is JSON text, and the older bare one. Only the fields
that identify an object must be well-formed; the rest of a payload is ignored.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterable, Mapping
from typing import Any, TypeGuard

from cos_update.model.errors import MalformedNotification
from cos_update.model.events import Event, Key
from cos_update.model.kinds import ResourceKind

LONGEST_ID = 255
"""Maximum length of an id: the services' own columns hold no more."""
LONGEST_WORD = 255
"""Maximum length of an event type or a timestamp."""
_ID = re.compile(r"(?![. ]+$)[^\x00-\x1f\x7f-\x9f\ud800-\udfff/?#%\\]+")
"""Ids become parts of URLs. A flavor's id may be almost any text."""

Payload = Mapping[str, Any]
_Reader = Callable[[str, Payload], Iterable[Key]]


def parse(body: bytes) -> Event:
    """The event in a message body. Raises only MalformedNotification."""
    message = _message(body)
    event_type = message.get("event_type")
    if not _is_word(event_type):
        raise MalformedNotification("it has no event_type")
    timestamp = message.get("timestamp")
    read = _reader_of(event_type)
    keys: tuple[Key, ...] = ()
    if read is not None:
        payload = message.get("payload")
        if not isinstance(payload, dict):
            raise MalformedNotification(f"{_shown(event_type)} without a payload")
        keys = tuple(dict.fromkeys(read(event_type, payload)))
    return Event(
        event_type,
        timestamp if _is_word(timestamp) else "",
        keys,
        lags=event_type.startswith(("port.", "floatingip.")),
    )


def _message(body: bytes) -> Payload:
    outer = _json(body, "the body")
    if "oslo.message" not in outer:
        return outer
    inner = outer["oslo.message"]
    return _json(inner, "oslo.message") if isinstance(inner, str) else _mapping(inner, "oslo.message")


def _json(text: str | bytes, what: str) -> Payload:
    try:
        # Given bytes, json would guess the encoding; oslo sends UTF-8.
        return _mapping(json.loads(text.decode() if isinstance(text, bytes) else text), what)
    except UnicodeDecodeError:
        raise MalformedNotification(f"{what} is not UTF-8") from None
    except RecursionError:
        raise MalformedNotification(f"{what} is nested too deeply") from None
    except ValueError:
        raise MalformedNotification(f"{what} is not JSON") from None


def _mapping(value: object, what: str) -> Payload:
    if not isinstance(value, dict):
        raise MalformedNotification(f"{what} is not a JSON object")
    return value


def _is_word(value: object) -> TypeGuard[str]:
    return isinstance(value, str) and 0 < len(value) <= LONGEST_WORD and value.isprintable()


def _is_id(value: object) -> TypeGuard[str]:
    return isinstance(value, str) and len(value) <= LONGEST_ID and _ID.fullmatch(value) is not None


def _id(payload: Payload, name: str) -> str:
    value = _optional(payload, name)
    if not value:
        raise MalformedNotification(f"it has no {name}")
    return value


def _optional(payload: Payload, name: str) -> str:
    """An optional id, "" if missing. Keystone's and Neutron's may be empty strings."""
    value = payload.get(name)
    if value is None or value == "":
        return ""
    if not _is_id(value):
        raise MalformedNotification(f"its {name} is not an id")
    return value


def _project(payload: Payload) -> str:
    return _optional(payload, "tenant_id") or _optional(payload, "project_id")


def _instance(event_type: str, payload: Payload) -> Iterable[Key]:
    """Nova's unversioned events of servers, including volume attachments."""
    project_id = _project(payload)
    yield Key(ResourceKind.SERVER, _id(payload, "instance_id"), project_id)
    if volume_id := _optional(payload, "volume_id"):
        yield Key(ResourceKind.VOLUME, volume_id, project_id)


def _failed_task(event_type: str, payload: Payload) -> Iterable[Key]:
    """A server that could not be built, rebuilt or moved; its project is in the request spec."""
    server_id = _optional(payload, "instance_id") or _optional(payload, "instance_uuid")
    if server_id:
        yield Key(ResourceKind.SERVER, server_id, _project(_within(payload, "request_spec", "instance_properties")))


def _within(payload: Payload, *names: str) -> Payload:
    """The object at this path of keys; empty if the path does not exist."""
    found: Any = payload
    for name in names:
        found = found.get(name) if isinstance(found, dict) else None
    return found if isinstance(found, dict) else {}


def _versioned(payload: Payload) -> Payload:
    return _mapping(payload.get("nova_object.data"), "nova_object.data")


def _versioned_instance(event_type: str, payload: Payload) -> Iterable[Key]:
    data = _versioned(payload)
    project_id = _project(data)
    yield Key(ResourceKind.SERVER, _id(data, "uuid"), project_id)
    if volume_id := _optional(data, "volume_id"):
        yield Key(ResourceKind.VOLUME, volume_id, project_id)


def _versioned_failed_task(event_type: str, payload: Payload) -> Iterable[Key]:
    data = _versioned(payload)
    if server_id := _optional(data, "instance_uuid"):
        yield Key(ResourceKind.SERVER, server_id, _project(_within(data, "request_spec", "nova_object.data")))


def _flavor(event_type: str, payload: Payload) -> Iterable[Key]:
    yield Key(ResourceKind.FLAVOR, _id(_versioned(payload), "flavorid"))


def _stack(event_type: str, payload: Payload) -> Iterable[Key]:
    """Heat's events of stacks and autoscaling. Very old releases identify a stack by an ARN that ends with its id."""
    identity = payload.get("stack_identity")
    if isinstance(identity, str) and identity.startswith("arn:"):
        payload = {**payload, "stack_identity": identity.rpartition("/")[2]}
    yield Key(ResourceKind.STACK, _id(payload, "stack_identity"), _project(payload))


def _volume(event_type: str, payload: Payload) -> Iterable[Key]:
    project_id = _project(payload)
    yield Key(ResourceKind.VOLUME, _id(payload, "volume_id"), project_id)
    attachments = payload.get("volume_attachment")
    for attachment in attachments if isinstance(attachments, list) else ():
        if isinstance(attachment, dict) and (server_id := _optional(attachment, "instance_uuid")):
            yield Key(ResourceKind.SERVER, server_id, project_id)


def _backup(event_type: str, payload: Payload) -> Iterable[Key]:
    """Cinder's events of backups: these change a volume's status without an event of the volume."""
    if volume_id := _optional(payload, "volume_id"):
        yield Key(ResourceKind.VOLUME, volume_id, _project(payload))


def _network(event_type: str, payload: Payload) -> Iterable[Key]:
    """Neutron's events of networks, and of subnets, which define a network's CIDRs."""
    kind = event_type.partition(".")[0]
    for record in _records(payload, kind):
        if network_id := _optional(record, "id" if kind == "network" else "network_id"):
            yield Key(ResourceKind.NETWORK, network_id, _project(record))


def _port(event_type: str, payload: Payload) -> Iterable[Key]:
    """Neutron's events of ports, which change a server's addresses. The owner is set some time after the device."""
    for port in _records(payload, "port"):
        if not port.get("device_owner") or _is_of_server(port):
            yield from _server_behind(port, _project(port))


def _floating_ip(event_type: str, payload: Payload) -> Iterable[Key]:
    """Neutron's events of floating IPs, which name their port, or only the address once disassociated."""
    for floating in _records(payload, "floatingip"):
        project_id = _project(floating)
        details = _within(floating, "port_details")
        if _is_of_server(details):
            yield from _server_behind(details, project_id)
        elif address := _optional(floating, "floating_ip_address"):
            yield Key(ResourceKind.ADDRESS, address, project_id)


def _is_of_server(port: Payload) -> bool:
    owner = port.get("device_owner")
    return isinstance(owner, str) and owner.startswith("compute:")


def _server_behind(port: Payload, project_id: str) -> Iterable[Key]:
    """The server of a port. Neutron accepts any device id; one that cannot be a server's id is something else."""
    device_id = port.get("device_id")
    if _is_id(device_id):
        yield Key(ResourceKind.SERVER, device_id, project_id)


def _records(payload: Payload, kind: str) -> Iterable[Payload]:
    """The records in a payload of Neutron: several after a bulk create, none before a delete."""
    found = payload.get(kind, payload.get(f"{kind}s"))
    if found is None:
        return []
    records = found if isinstance(found, list) else [found]
    return [_mapping(record, kind) for record in records]


def _watching(event_type: str, payload: Payload) -> Iterable[Key]:
    """Keystone's events that may change which projects are watched.

    An assignment to a group or domain, or an inherited role, may affect any project. A role assigned to a group shows
    as a change of the group when its members change.
    """
    project_id = ""
    if event_type.startswith("identity.project."):
        project_id = _optional(payload, "resource_info")
    elif event_type.startswith("identity.role_assignment.") and not payload.get("inherited_to_projects"):
        project_id = _optional(payload, "project")
    yield Key(ResourceKind.PROJECT, project_id)


_READERS: Mapping[str, _Reader] = {
    "compute.instance.": _instance,
    "compute_task.": _failed_task,
    "instance.": _versioned_instance,
    "flavor.": _flavor,
    "orchestration.stack.": _stack,
    "orchestration.autoscaling.": _stack,
    "volume.": _volume,
    "backup.create.": _backup,
    "backup.restore.": _backup,
    "network.": _network,
    "subnet.": _network,
    "port.": _port,
    "floatingip.": _floating_ip,
    "identity.project.": _watching,
    "identity.role_assignment.": _watching,
    "identity.group.": _watching,
    "identity.domain.": _watching,
}
_FIRST_WORDS = {prefix.partition(".")[0] for prefix in _READERS}
_NOT_OURS = ("volume.usage", "instance.exists", "compute.instance.exists")
"""Event types of periodic reports, which mean no change."""


def _reader_of(event_type: str) -> _Reader | None:
    if event_type.partition(".")[0] not in _FIRST_WORDS or event_type.startswith(_NOT_OURS):
        return None
    if event_type.startswith("compute_task.") and event_type.endswith(".error"):
        return _versioned_failed_task
    for prefix, reader in _READERS.items():
        if event_type.startswith(prefix):
            return reader
    return None


def _shown(text: str) -> str:
    return repr(text[:60])
