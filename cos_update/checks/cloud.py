"""OpenStack, read just as a pass would read it."""

from __future__ import annotations

import time
from collections.abc import Iterator
from email.utils import parsedate_to_datetime

from cos_update.checks.finding import Finding, fail, failed, ok, skip, warn
from cos_update.model.cloud import SERVICE_OF, Inventory, Membership
from cos_update.model.errors import CloudError, CosUpdateError
from cos_update.model.settings import CloudSettings, Settings
from cos_update.openstack.pages import listing
from cos_update.openstack.reader import CloudReader
from cos_update.openstack.reading import ABSENT, CLOUD_WIDE
from cos_update.openstack.session import IDENTITY, Sessions
from cos_update.view import ViewStore

SKEW = 5.0
"""Seconds by which clocks may differ before somebody is told."""
_FORBIDDEN = (401, 403)
_COUNTED = {"Nova": "servers", "Heat": "stacks", "Cinder": "volumes", "Neutron": "networks"}


def cloud(settings: Settings) -> Iterator[Finding]:
    """Login, roles, watched projects, and each service with what these credentials may list."""
    if settings.openstack is None:
        return
    reader = CloudReader(settings.openstack)
    try:
        access = reader.sessions.base.access()
        scope = f"project {access.project_name}" if access.project_name else "no project"
        where = settings.openstack.auth.get("auth_url") or f"cloud {settings.openstack.cloud}"
        roles = ", ".join(sorted(access.role_names)) or "none"
        yield ok("keystone", f"{where} as {access.username}, {scope}, roles: {roles}")
    except CosUpdateError as error:
        yield failed("keystone", error)
        yield skip("cloud", "its services were not tried, for want of a login")
        return
    yield from _accounts(reader.sessions, settings.openstack)
    yield from _services(reader, settings)
    yield from _clock(reader.sessions)
    reader.close()


def _accounts(sessions: Sessions, settings: CloudSettings) -> Iterator[Finding]:
    """The users and roles that must be there, as far as they may be seen."""
    wanted = (
        ("role", settings.watcher_role, "watches projects", True),
        ("user", settings.watcher_user, "watches projects", True),
        ("role", "rating", "belongs to billing", False),
        ("user", "cloudkitty", "belongs to billing", False),
    )
    for kind, name, why, is_needed in wanted:
        try:
            found = listing(sessions.base, IDENTITY, f"/{kind}s", f"{kind}s", {"name": name})
        except CloudError as error:
            reason = "may not be seen with these credentials" if error.status in _FORBIDDEN else str(error)
            yield skip(kind, f"{name}: {reason}")
            continue
        if found:
            yield ok(kind, name)
        else:
            text, mend = f"there is no {kind} {name}, which {why}", f"openstack {kind} create {name}"
            yield fail(kind, text, mend) if is_needed else warn(kind, text, mend)


def _services(reader: CloudReader, settings: Settings) -> Iterator[Finding]:
    try:
        inventory = reader.read(_memory(settings))
    except CosUpdateError as error:
        yield failed("projects", error)
        return
    names = sorted(project.name for project in inventory.projects.values())
    if not names:
        cloud_settings = reader.settings
        mend = (
            f"openstack role add --project PROJECT --user {cloud_settings.watcher_user} {cloud_settings.watcher_role}"
        )
        yield fail("projects", "no project is watched", mend)
        return
    shown = ", ".join(names[:5]) + (f" and {len(names) - 5} more" if len(names) > 5 else "")
    yield ok("projects", f"{len(names)} watched: {shown}")
    for service in _COUNTED:
        yield _service(service, reader, inventory)


def _memory(settings: Settings) -> Membership | None:
    """What the view remembers of stacks, so that Heat is not asked for each of them."""
    try:
        view = ViewStore(settings.data_dir, "check").peek()
    except CosUpdateError:
        return None
    return Membership(view.stacks, view.strays) if view else None


def _service(service: str, reader: CloudReader, inventory: Inventory) -> Finding:
    name = service.lower()
    way = reader.ways.get(service)
    if way == ABSENT:
        return warn(name, f"the cloud has no {service}: what depends on it is not shown")
    gaps = [gap for gap in inventory.gaps if SERVICE_OF[gap.listing] == service]
    if gaps:
        where = inventory.projects.get(gaps[0].project_id or "")
        text = f"{gaps[0].listing}{f' of {where.name}' if where else ''}: {gaps[0].reason}"
        return fail(name, text, f"see whether {service} answers, and what its policy allows these credentials")
    what = _COUNTED[service]
    count = len(getattr(inventory, what))
    if way == CLOUD_WIDE:
        return ok(name, f"cloud-wide: {count} {what} in watched projects")
    return ok(name, f"per project (the cloud-wide listing is not for these credentials): {count} {what}")


def _clock(sessions: Sessions) -> Iterator[Finding]:
    said = sessions.base.date()
    if said is None:
        return
    try:
        ahead = parsedate_to_datetime(said).timestamp() + 0.5 - time.time()
    except ValueError:
        return
    if abs(ahead) > SKEW:
        yield clock_is_off("OpenStack", ahead)


def clock_is_off(whose: str, ahead: float) -> Finding:
    """The warning of a clock that is `ahead` seconds from ours."""
    return warn("clock", f"{whose}'s is {ahead:+.0f} s from ours", "let both follow a time server (chrony, ntp)")
