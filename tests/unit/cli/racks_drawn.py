"""A few racks for drawing."""

from __future__ import annotations

from collections.abc import Sequence

from cos_update.model.concertim import (
    Actual,
    Details,
    Device,
    InstanceDetails,
    Location,
    NetworkDetails,
    Owner,
    Rack,
    VolumeDetails,
)
from cos_update.model.kinds import ResourceKind

DETAILS: dict[ResourceKind, Details] = {
    ResourceKind.SERVER: InstanceDetails(),
    ResourceKind.VOLUME: VolumeDetails(),
    ResourceKind.NETWORK: NetworkDetails(),
}


def device(
    name: str, start: int, end: int, status: str = "ACTIVE", kind: ResourceKind = ResourceKind.SERVER, rack: str = "1"
) -> Device:
    return Device(f"{name}-{start}-{rack}", name, kind, rack, "t", status, Location(start, end), DETAILS[kind])


def actual(devices: Sequence[Device], *names: str, height: int = 10, status: str = "ACTIVE") -> Actual:
    """Racks of these names ("cluster-1" if there are none), with ids "1", "2", ..."""
    racks = {
        str(number): Rack(str(number), name, "o", height, status)
        for number, name in enumerate(names or ("cluster-1",), start=1)
    }
    return Actual(
        began=0.0,
        owners={"o": Owner("o", "CM_team_a", "p")},
        racks=racks,
        devices={device.id: device for device in devices},
    )
