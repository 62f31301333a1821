"""Maps the states of OpenStack objects to Concertim's statuses.

The tables are complete for the states of Nova, Heat, Cinder and Neutron; an unknown state counts as failed if it
contains "error", else as in progress.
"""

from __future__ import annotations

from collections.abc import Mapping

from cos_update.model.openstack import Network, Server, Stack, Volume

IN_PROGRESS = "IN_PROGRESS"
FAILED = "FAILED"
ACTIVE = "ACTIVE"
STOPPED = "STOPPED"
SUSPENDED = "SUSPENDED"
AVAILABLE = "AVAILABLE"

_SERVER: Mapping[str, str] = {
    "active": ACTIVE,
    "rescued": ACTIVE,
    "resized": ACTIVE,
    "stopped": STOPPED,
    "shelved": STOPPED,
    "shelved_offloaded": STOPPED,
    "suspended": SUSPENDED,
    "paused": SUSPENDED,
    "building": IN_PROGRESS,
    "soft-delete": IN_PROGRESS,
    "deleted": IN_PROGRESS,
    "error": FAILED,
}

_HARMLESS_TASKS = frozenset(
    {
        "image_snapshot",
        "image_snapshot_pending",
        "image_pending_upload",
        "image_uploading",
        "image_backup",
        "updating_password",
    }
)
"""Tasks of Nova that do not change a server's status."""

_VOLUME: Mapping[str, str] = {"in-use": ACTIVE, "available": AVAILABLE}

_VOLUME_ON_ITS_WAY = frozenset(
    {
        "creating",
        "reserved",
        "attaching",
        "detaching",
        "maintenance",
        "deleting",
        "awaiting-transfer",
        "backing-up",
        "restoring-backup",
        "downloading",
        "uploading",
        "retyping",
        "extending",
    }
)

_NETWORK: Mapping[str, str] = {"ACTIVE": ACTIVE, "DOWN": STOPPED, "BUILD": IN_PROGRESS, "ERROR": FAILED}


def server_status(server: Server) -> str:
    """Concertim's status of an instance, from Nova's vm_state and task_state."""
    status = _SERVER.get(server.vm_state) or _guess(server.vm_state)
    if status == FAILED or server.task_state is None or server.task_state in _HARMLESS_TASKS:
        return status
    return IN_PROGRESS


def stack_status(stack: Stack) -> str:
    """Concertim's status of a rack, from Heat's `<ACTION>_<STATUS>`."""
    word = stack.status
    if word.endswith("_FAILED"):
        return FAILED
    if word.endswith("_IN_PROGRESS") or word == "DELETE_COMPLETE":
        return IN_PROGRESS
    if word == "SUSPEND_COMPLETE":
        return STOPPED
    return ACTIVE if word.endswith("_COMPLETE") else _guess(word)


def volume_status(volume: Volume) -> str:
    """Concertim's status of a volume, from Cinder's."""
    return _VOLUME.get(volume.status) or _guess(volume.status)


def network_status(network: Network) -> str:
    """Concertim's status of a network, from Neutron's."""
    return _NETWORK.get(network.status) or _guess(network.status)


def unknown_word(item: Server | Stack | Volume | Network) -> str | None:
    """The state of `item` if the tables do not contain it, else None."""
    if isinstance(item, Server):
        return None if item.vm_state in _SERVER else item.vm_state
    if isinstance(item, Stack):
        known = item.status.endswith(("_COMPLETE", "_FAILED", "_IN_PROGRESS"))
    elif isinstance(item, Volume):
        known = item.status in _VOLUME or item.status in _VOLUME_ON_ITS_WAY or item.status.startswith("error")
    else:
        known = item.status in _NETWORK
    return None if known else item.status


def origin_state(item: Server | Stack | Volume | Network) -> str:
    """OpenStack's own name of the state of `item`."""
    return item.vm_state if isinstance(item, Server) else item.status


def _guess(word: str) -> str:
    return FAILED if "error" in word.lower() else IN_PROGRESS
