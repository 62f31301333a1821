"""Manual changes to racks and devices in Concertim."""

from __future__ import annotations

from cos_update.fakes.concertim.records import Device, Rack
from cos_update.fakes.concertim.state import State

SHOWN = ("rename", "move", "restate", "remove", "add", "rename rack", "restate rack", "remove rack")
"""What the structure read shows."""
HIDDEN = ("details", "description", "metadata", "note")
"""What only a full reading shows."""


def tamper(state: State, what: str, number: int) -> None:
    """Does one of these to some rack or device, chosen by `number`, if there is one."""
    racks = sorted(state.racks.values(), key=lambda rack: rack.name)
    devices = sorted(state.devices.rows(), key=lambda device: (device.rack_id, device.start_u))
    if racks and what in ("rename rack", "restate rack", "remove rack", "add"):
        _tamper_rack(state, racks[number % len(racks)], what)
    elif devices:
        _tamper_device(state, devices[number % len(devices)], what)


def _tamper_rack(state: State, rack: Rack, what: str) -> None:
    if what == "rename rack":
        rack.name = f"by-hand-{len(rack.name)}-{rack.id[:8]}"
    elif what == "restate rack":
        rack.status = "STOPPED" if rack.status == "ACTIVE" else "ACTIVE"
    elif what == "remove rack":
        state.remove_rack(rack.id)
    elif (place := _free(state, rack, 1)) is not None:
        template = next((t for t in state.templates.values() if t.name == "by-hand"), None)
        template = template or state.add_template("by-hand", 1)
        state.add_device(rack, f"by-hand-{place}", template, place)


def _tamper_device(state: State, device: Device, what: str) -> None:
    if what == "rename":
        device.name = f"by-hand-{device.id[:8]}"
    elif what == "move":
        place = _free(state, state.racks[device.rack_id], device.height)
        device.start_u = place or device.start_u
    elif what == "restate":
        device.status = "FAILED" if device.status != "FAILED" else "ACTIVE"
    elif what == "remove":
        del state.devices[device.id]
    elif what == "details":
        changed = {"Instance": ("private_ips", "by hand"), "Volume": ("size", 999), "Network": ("mtu", 999)}
        key, value = changed[device.type]
        device.details = {**device.details, key: value}
    elif what == "description":
        device.description = "by hand"
    elif what == "metadata":
        device.metadata = {key: value for key, value in device.metadata.items() if key != "openstack_stack_id"}
    elif what == "note":
        device.metadata = {**device.metadata, "note": "keep"}


def _free(state: State, rack: Rack, height: int) -> int | None:
    taken = {unit for device in state.devices_of(rack) for unit in range(device.start_u, device.end_u + 1)}
    starts = range(rack.u_height - height + 1, 0, -1)
    return next((start for start in starts if taken.isdisjoint(range(start, start + height))), None)
