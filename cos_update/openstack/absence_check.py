"""Confirms absences: requests each object that is missing from a listing by its id, in its own project.

Nova silently omits the servers of a down cell from its listings, and restricted credentials cannot see objects of other
projects. Only a 404 from the service itself, to a session of the object's project, proves that an object is gone.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Collection, Mapping, Sequence
from concurrent.futures import Executor
from itertools import groupby

from cos_update.model.absence import AbsenceCheck, Presence
from cos_update.model.errors import CloudError
from cos_update.model.events import Key
from cos_update.model.kinds import ResourceKind
from cos_update.openstack import nova
from cos_update.openstack.heat import show_stack, stack_url
from cos_update.openstack.refusals import NotFound
from cos_update.openstack.session import (
    COMPUTE,
    MISSHAPEN,
    SERVICE_TYPE,
    ProjectSession,
)
from cos_update.openstack.sessions import Sessions

SAMPLE = 50
"""Maximum number of objects of one kind to request; of more, a sample of this size."""
LONGEST = 60.0
"""Seconds after which no more objects of one kind are requested."""


def confirm(
    sessions: Sessions,
    keys: Sequence[Key],
    pool: Executor,
    wide: Collection[str],
    monotonic: Callable[[], float] = time.monotonic,
) -> dict[Key, AbsenceCheck]:
    """Checks each key; `wide` are the services that were read cloud-wide.

    Above 50 keys of one kind a sample decides: if any of it is not gone, the others are unknown. So are objects that
    were not requested because the service took too long for others.
    """
    absence_checks: dict[Key, AbsenceCheck] = {}
    ordered = sorted(keys, key=lambda key: (key.kind, key.project_id, key.id))
    for kind, group in groupby(ordered, key=lambda key: key.kind):
        missing = list(group)
        asked = _sample(missing)
        end = monotonic() + LONGEST

        def check(key: Key, end: float = end) -> AbsenceCheck:
            if monotonic() >= end:
                return AbsenceCheck(Presence.UNKNOWN, f"{key.kind.service} took too long over others")
            return _absence_check(sessions, key, wide)

        found = dict(zip(asked, pool.map(check, asked), strict=True))
        absence_checks |= found
        rest = [key for key in missing if key not in found]
        absence_checks |= dict.fromkeys(rest, _for_the_rest(kind, len(missing), list(found.values())))
    return absence_checks


def _sample(keys: Sequence[Key]) -> list[Key]:
    if len(keys) <= SAMPLE:
        return list(keys)
    return [keys[index * len(keys) // SAMPLE] for index in range(SAMPLE)]


def _for_the_rest(kind: ResourceKind, count: int, found: Sequence[AbsenceCheck]) -> AbsenceCheck:
    there = sum(absence_check.presence is not Presence.GONE for absence_check in found)
    if not there:
        return AbsenceCheck(Presence.GONE)
    reason = f"{count} {kind.listing} are missing at once, and of {len(found)} that were checked {there} are not gone"
    return AbsenceCheck(Presence.UNKNOWN, reason)


def _absence_check(sessions: Sessions, key: Key, wide: Collection[str]) -> AbsenceCheck:
    try:
        return _ask(sessions, key, wide)
    except NotFound:
        return AbsenceCheck(Presence.GONE)
    except CloudError as error:
        return AbsenceCheck(Presence.UNKNOWN, str(error))
    except MISSHAPEN:
        return AbsenceCheck(Presence.UNKNOWN, "a response in an unexpected format")


def _ask(sessions: Sessions, key: Key, wide: Collection[str]) -> AbsenceCheck:
    cloud_wide = key.kind.service in wide
    session = sessions.for_object(key.project_id, cloud_wide=cloud_wide) if key.project_id else sessions.scoped
    if key.kind is ResourceKind.STACK:
        stack = show_stack(session, stack_url(session, key.project_id, key.id))
        gone = stack.get("stack_status") == "DELETE_COMPLETE"
        return AbsenceCheck(Presence.GONE if gone else Presence.EXISTS)
    if key.kind is ResourceKind.SERVER:
        return _ask_nova(session, key)
    session.get(SERVICE_TYPE[key.kind.service], f"/{key.kind.listing}/{key.id}", key=key.kind.value, of_many=True)
    return AbsenceCheck(Presence.EXISTS)


def _ask_nova(session: ProjectSession, key: Key) -> AbsenceCheck:
    """Nova omits soft-deleted servers from its listings, but returns them by id."""
    version = session.microversion(COMPUTE, nova.SERVERS_VERSION)
    record = session.get(COMPUTE, f"/servers/{key.id}", key="server", microversion=version, of_many=True)["server"]
    is_soft = isinstance(record, Mapping) and record.get("OS-EXT-STS:vm_state") == "soft-delete"
    server = nova.server_from(record) if is_soft and record.get("tenant_id") == key.project_id else None
    return AbsenceCheck(Presence.EXISTS, soft_deleted=server)
