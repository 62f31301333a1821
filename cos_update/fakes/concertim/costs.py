"""The durations of the real app's calls in seconds, measured on two cores, with one process and a local database.

The app's threads share one interpreter lock, so concurrent calls wait for each other.
"""

from __future__ import annotations

from cos_update.fakes.concertim.state import State

LOGIN = 0.216
OTHER = 0.01
PER_DEVICE = 0.0058
PER_DEVICE_IN_STRUCTURE = 0.0005
PER_RACK = 0.0012

_FIXED = {
    ("POST", "racks"): 0.027,
    ("PATCH", "racks"): 0.023,
    ("POST", "nodes"): 0.063,
    ("PATCH", "devices"): 0.117,
    ("DELETE", "devices"): 0.046,
    ("POST", "users"): LOGIN,
}


def cost_of(method: str, path: str, state: State) -> float:
    """The seconds that one call takes."""
    parts = path.removeprefix("/api/v1/").strip("/").removesuffix(".json").split("/")
    if method == "GET":
        match parts:
            case ["devices"]:
                return PER_DEVICE * len(state.devices)
            case ["racks"]:
                return PER_RACK * len(state.racks)
            case ["racks", rack_id]:
                return OTHER + PER_DEVICE * len(state.devices.in_rack(rack_id))
            case ["irv", "racks"]:
                return PER_DEVICE_IN_STRUCTURE * len(state.devices)
    return _FIXED.get((method, parts[0]), OTHER)
