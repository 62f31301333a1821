"""Cinder's JSON to records: volumes. Keys that policy or release may leave out are optional."""

from __future__ import annotations

from collections.abc import Mapping
from sys import intern
from typing import Any

from cos_update.model.openstack import Volume
from cos_update.openstack.values import truth


def volume_from(record: Mapping[str, Any]) -> Volume:
    """A volume as shown or listed; `bootable` is the string "true" or "false"."""
    return Volume(
        id=intern(str(record["id"])),
        project_id=intern(str(record.get("os-vol-tenant-attr:tenant_id") or "")),
        name=intern(str(record.get("name") or "")),
        status=intern(str(record.get("status") or "")),
        size=record["size"] if isinstance(record.get("size"), int) else 0,
        availability_zone=intern(str(record.get("availability_zone") or "")),
        bootable=truth(record.get("bootable")),
        encrypted=truth(record.get("encrypted")),
        read_only=truth((record.get("metadata") or {}).get("readonly")),
        volume_type=intern(str(record.get("volume_type") or "")),
        description=str(record.get("description") or ""),
        created=str(record.get("created_at") or ""),
        server_ids=tuple(
            intern(str(held["server_id"])) for held in record.get("attachments") or [] if held["server_id"]
        ),
    )
