"""Converts Concertim's JSON to the model's records, for all of its APIs.

Missing and null fields are tolerated. A record without an id, or anything that is not a record or list of records, is
an error: it must never pass for "nothing there".
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from sys import intern
from typing import TypeVar

from cos_update.model.accounts import Account, Person
from cos_update.model.concertim import (
    OBJECT_ID,
    STACK_ID,
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
from cos_update.model.errors import Unavailable
from cos_update.model.kinds import BY_DEVICE_TYPE, ResourceKind

Json = Mapping[str, object]
T = TypeVar("T")

DEFAULT_RACK_HEIGHT = 42
"""The app's default height of a rack (observed)."""
HIGHEST_UNIT = 1000
"""The highest unit to accept. Racks have 72 at most (observed); an absurd number must not fill the memory."""
LONGEST_INTEGER = 20
"""Maximum digits of a number in a string; the app's columns hold 10."""


class UnexpectedAnswer(Unavailable):
    """The app's response does not have the format of its API."""

    def __init__(self, message: str) -> None:
        super().__init__(message, "Check that concertim.concertim_url is Concertim's address, and see its log.")


@dataclass(frozen=True, slots=True)
class User:
    """The user that we are logged in as. Only a root user may create racks and templates."""

    id: str
    login: str
    root: bool


def listed(answer: object, what: str, decode: Callable[[Json], T]) -> tuple[T, ...]:
    """The records of an index; `what` names them in the error."""
    if not isinstance(answer, list):
        raise UnexpectedAnswer(f"Concertim's answer is not a list of {what}")
    return tuple(shown(item, what, decode) for item in answer)


def shown(answer: object, what: str, decode: Callable[[Json], T]) -> T:
    """The single record of a response, which must have an id."""
    if not isinstance(answer, Mapping):
        raise UnexpectedAnswer(f"Concertim's answer is not about {what}")
    if not _text(answer.get("id")):
        raise UnexpectedAnswer(f"Concertim's answer about {what} holds a record without an id")
    return decode(answer)


def are_without_billing(answer: object) -> bool:
    """Whether these teams have no costs, as in the newer API; False without any team."""
    teams = [team for team in answer if isinstance(team, Mapping)] if isinstance(answer, list) else []
    return bool(teams) and not any(field in team for team in teams for field in ("cost", "billing_acct_id"))


def user(body: Json) -> User:
    return User(_text(body.get("id")), _text(body.get("login")), body.get("root") is True)


def owner(body: Json) -> Owner:
    """A team, or a user of the older API."""
    name = _text(body.get("name")) or _text(body.get("login"))
    return Owner(_text(body.get("id")), name, _text(body.get("project_id")))


def account(body: Json) -> tuple[str, Account]:
    """The id of a team, or of a user of the older API, and its account."""
    return _text(body.get("id")), Account(
        billing_id=_text(body.get("billing_acct_id")),
        period_start=_text(body.get("billing_period_start")),
        period_end=_text(body.get("billing_period_end")),
        cost=_text(body.get("cost")),
        credits=_text(body.get("credits")),
    )


def person(body: Json) -> Person:
    """A user, with only these fields: some records contain the user's password in the cloud."""
    return Person(
        id=_text(body.get("id")),
        login=_text(body.get("login")),
        full_name=_text(body.get("fullname")) or _text(body.get("name")),
        email=_text(body.get("email")),
        cloud_id=_text(body.get("cloud_user_id")),
        is_root=body.get("root") is True,
    )


def template(body: Json) -> Template:
    return Template(
        id=_text(body.get("id")),
        name=_text(body.get("name")),
        height=_template_height(body),
        foreign_id=_text(body.get("foreign_id")),
        vcpus=_integer(body.get("vcpus")),
        ram=_integer(body.get("ram")),
        disk=_integer(body.get("disk")),
        description=_text(body.get("description")),
        tag=_text(body.get("tag")) or None,
    )


def rack(body: Json) -> Rack:
    """A rack as listed or shown."""
    return Rack(
        id=intern(_text(body.get("id"))),
        name=intern(_text(body.get("name"))),
        owner_id=intern(_text(_object(body.get("owner")).get("id"))),
        height=_units(body.get("u_height")) or DEFAULT_RACK_HEIGHT,
        status=intern(_text(body.get("status"))),
        metadata=_metadata(body),
        network_details=_object(body.get("network_details")),
        creation_output=_text(body.get("creation_output")),
        order_id=_text(body.get("order_id")),
        cost=intern(_text(body.get("cost"))),
        created=_text(body.get("cloud_created_at")),
        cluster_type=_text(body.get("cluster_type_name")),
    )


def device(body: Json, flavour: ApiFlavour, heights: Mapping[str, int] | None = None) -> Device:
    """A device as listed (with `template_id`) or shown (with `template`); its details are among its other fields.

    `heights` are those of templates by id, for responses without the highest unit.
    """
    embedded = _object(body.get("template"))
    template_id = _text(body.get("template_id")) or _text(embedded.get("id"))
    height = _units(embedded.get("height")) or (heights or {}).get(template_id, 1)
    place = _object(body.get("location"))
    found = Device(
        id=intern(_text(body.get("id"))),
        name=intern(_text(body.get("name"))),
        kind=ResourceKind.SERVER,
        rack_id=intern(_text(place.get("rack_id"))),
        template_id=intern(template_id),
        status=intern(_text(body.get("status"))),
        location=_location(place, height),
        details=InstanceDetails(),
        description=_text(body.get("description")),
        metadata=_metadata(body),
        cost=intern(_text(body.get("cost"))),
        created=_text(body.get("cloud_created_at")),
    )
    kind = device_kind(body.get("type"), flavour)
    if kind is None:
        # It occupies units and a name, but whatever it is, we did not create it.
        return replace(found, metadata={key: value for key, value in found.metadata.items() if key != OBJECT_ID})
    return replace(found, kind=kind, details=_DETAILS[kind](body))


def device_kind(value: object, flavour: ApiFlavour) -> ResourceKind | None:
    """The kind for a type of device; None if unknown. In the older API each is an instance."""
    if flavour is ApiFlavour.USERS:
        return ResourceKind.SERVER
    return BY_DEVICE_TYPE.get(value) if isinstance(value, str) else None


def _location(place: Json, height: int) -> Location:
    start_u = _units(place.get("start_u")) or 0
    end_u = _units(place.get("end_u")) or start_u + height - 1
    return Location(start_u, end_u, _text(place.get("facing")) or "f")


def _instance_details(body: Json) -> Details:
    return InstanceDetails(
        public_ips=_text(body.get("public_ips")),
        private_ips=_text(body.get("private_ips")),
        ssh_key=_text(body.get("ssh_key")),
        login_user=_text(body.get("login_user")),
        volume_details=body.get("volume_details") or (),
    )


def _volume_details(body: Json) -> Details:
    return VolumeDetails(
        availability_zone=_text(body.get("availability_zone")),
        bootable=_boolean(body.get("bootable")),
        encrypted=_boolean(body.get("encrypted")),
        read_only=_boolean(body.get("read_only")),
        size=_integer(body.get("size")),
        volume_type=_text(body.get("volume_type")),
    )


def _network_details(body: Json) -> Details:
    return NetworkDetails(
        admin_state_up=_boolean(body.get("admin_state_up")),
        dns_domain=_text(body.get("dns_domain")),
        l2_adjacency=_boolean(body.get("l2_adjacency")),
        mtu=_integer(body.get("mtu")),
        port_security_enabled=_boolean(body.get("port_security_enabled")),
        shared=_boolean(body.get("shared")),
        qos_policy=_text(body.get("qos_policy")),
    )


_DETAILS: Mapping[ResourceKind, Callable[[Json], Details]] = {
    ResourceKind.SERVER: _instance_details,
    ResourceKind.VOLUME: _volume_details,
    ResourceKind.NETWORK: _network_details,
}


def _metadata(body: Json) -> Json:
    """The metadata, with the ids that we write interned, since our own records of the cloud have them too."""
    found = _object(body.get("metadata"))
    ours = {key: intern(value) for key in (OBJECT_ID, STACK_ID) if isinstance(value := found.get(key), str)}
    return {**found, **ours} if ours else found


def _text(value: object) -> str:
    if isinstance(value, bool):
        return ""
    return str(value) if isinstance(value, str | int | float) else ""


def _integer(value: object) -> int | None:
    if isinstance(value, int) and not isinstance(value, bool):
        return value
    if isinstance(value, str) and value.removeprefix("-").isdecimal() and len(value) <= LONGEST_INTEGER:
        return int(value)
    return None


def _units(value: object) -> int | None:
    number = _integer(value)
    return None if number is None else min(number, HIGHEST_UNIT)


def _template_height(body: Json) -> int:
    # A guess would make all devices with this template look as if their flavor had changed.
    height = _units(body.get("height"))
    if height is None or height < 1:
        raise UnexpectedAnswer(f"Concertim's response has the template {_text(body.get('name'))!r} without a height")
    return height


def _boolean(value: object) -> bool | None:
    return value if isinstance(value, bool) else None


def _object(value: object) -> Json:
    return value if isinstance(value, Mapping) else {}
