"""Reads the cloud for a pass: incrementally, based on the view's memory, or in full."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace

from cos_update.model.absence import AbsenceCheck, Presence
from cos_update.model.events import Key
from cos_update.model.kinds import DEVICES
from cos_update.model.openstack import Membership
from cos_update.model.progress import OnProgress
from cos_update.model.shards import Shards
from cos_update.openstack.inventory import CloudReader, CloudReading
from cos_update.store import View, cloud_memory

_KINDS = {kind.value: kind for kind in DEVICES}


def read_cloud(
    cloud: CloudReader,
    past: View,
    membership: Membership | None,
    on_progress: OnProgress,
    *,
    projects: tuple[str, ...],
    every: int,
    full: str,
    shards: Shards | None,
) -> CloudReading:
    """Reads all watched projects (of `shards`), or only `projects`, which is always a full reading without memory for
    the next.

    `every` is the setting full_cloud_read_every; `full` is the reason for a full reading, or "". Raises
    CloudLoginError or CloudError.
    """
    if projects:
        return CloudReading(cloud.read(membership, projects, on_progress), None, "of some projects only")
    recheck = [Key(_KINDS[kind], item, project) for item, (kind, project) in past.recheck.items() if kind in _KINDS]
    known = None if full or past.torn else cloud_memory(past)
    if known is not None and membership is None:
        full = "the members of every stack are read"
    return cloud.refresh(known, membership, on_progress, every=every, full=full, recheck=recheck, shards=shards)


def with_absences(reading: CloudReading, absence_checks: Iterable[AbsenceCheck]) -> CloudReading:
    """The reading, marked as doubtful for the next one if it may lack existing objects."""
    unexplained = any(check.presence is not Presence.GONE and check.soft_deleted is None for check in absence_checks)
    if reading.memory is None or reading.memory.doubt or not unexplained:
        return reading
    doubt = "some objects are no longer listed, but not proven gone"
    return replace(reading, memory=replace(reading.memory, doubt=doubt))
