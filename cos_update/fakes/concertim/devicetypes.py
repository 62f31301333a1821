"""The types of devices, with the details, templates and statuses of each."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from cos_update.fakes.concertim.problems import unknown_attribute
from cos_update.fakes.concertim.records import Json
from cos_update.fakes.concertim.values import (
    boolean,
    null_in,
    refuse_nul_in_json,
    refuse_unstorable,
    small_integer,
    stored,
    text,
)

COMPUTE = "Device::ComputeDetails"
VOLUME = "Device::VolumeDetails"
NETWORK = "Device::NetworkDetails"


@dataclass(frozen=True, slots=True)
class DeviceType:
    """One row of the app's table of types."""

    details_type: str
    tag: str | None
    """The tag of the only template that it may use; None: any template without a tag."""
    statuses: tuple[str, ...]
    template_error: str
    details_error: str


TYPES = {
    "Instance": DeviceType(
        COMPUTE,
        None,
        ("IN_PROGRESS", "FAILED", "ACTIVE", "STOPPED", "SUSPENDED"),
        "must use an instance template",
        "must have compute details",
    ),
    "Volume": DeviceType(
        VOLUME,
        "volume",
        ("IN_PROGRESS", "FAILED", "ACTIVE", "AVAILABLE"),
        "must use the volume template",
        "must have volume details",
    ),
    "Network": DeviceType(
        NETWORK,
        "network",
        ("IN_PROGRESS", "FAILED", "ACTIVE", "STOPPED"),
        "must use the network template",
        "must have network details",
    ),
}


def _any_json(value: object) -> object:
    if value is None:
        raise null_in("volume_details", "device_compute_details")
    refuse_nul_in_json(value)
    return value


def _any_text(value: object) -> object:
    cast = text(value)
    refuse_unstorable(cast, limit=None)
    return cast


@dataclass(frozen=True, slots=True)
class DetailsType:
    """The fields of one type of details, each with the conversion from sent to stored values."""

    name: str
    fields: dict[str, Callable[[object], object]]

    def empty(self) -> Json:
        """The details of a device created without any."""
        return {field: {} if field == "volume_details" else None for field in self.fields}

    def cast(self, given: Json) -> Json:
        """The given fields in the types of their columns. Raises the 500s for unknown fields and nulls."""
        for field in given:
            if field not in self.fields:
                raise unknown_attribute(field, self.name)
        return {field: self.fields[field](value) for field, value in given.items()}


DETAILS = {
    COMPUTE: DetailsType(
        COMPUTE,
        {
            "public_ips": _any_text,
            "private_ips": _any_text,
            "ssh_key": _any_text,
            "login_user": _any_text,
            "volume_details": _any_json,
        },
    ),
    VOLUME: DetailsType(
        VOLUME,
        {
            "availability_zone": _any_text,
            "bootable": boolean,
            "encrypted": boolean,
            "read_only": boolean,
            "size": small_integer,
            "volume_type": _any_text,
        },
    ),
    NETWORK: DetailsType(
        NETWORK,
        {
            "admin_state_up": boolean,
            "dns_domain": _any_text,
            "l2_adjacency": boolean,
            "mtu": small_integer,
            "port_security_enabled": boolean,
            "shared": boolean,
            "qos_policy": _any_text,
        },
    ),
}

FLAT_FIELDS = tuple(DETAILS[COMPUTE].fields)
"""The compute details, which may also be among a device's other fields (in the older API: only there)."""


def stored_details(details: Json) -> Json:
    """Details as the database returns them."""
    return {field: stored(value) if isinstance(value, dict | list) else value for field, value in details.items()}
