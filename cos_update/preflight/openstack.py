"""Checks OpenStack by reading it as a pass would."""

from __future__ import annotations

import time
from collections.abc import Iterator, Sequence
from email.utils import parsedate_to_datetime

from cos_update.model.errors import CloudError, CosUpdateError
from cos_update.model.kinds import ResourceKind
from cos_update.model.openstack import Gap, Inventory, Membership
from cos_update.model.settings import CloudSettings, ReadScope, Settings
from cos_update.openstack.inventory import CloudReader
from cos_update.openstack.listings import ABSENT, CLOUD_WIDE
from cos_update.openstack.pages import listing
from cos_update.openstack.session import IDENTITY
from cos_update.openstack.sessions import Sessions
from cos_update.preflight.clocks import compared
from cos_update.preflight.finding import Finding, fail, failed, ok, skip, warn
from cos_update.preflight.owners import Seen
from cos_update.store import ViewStore

_FORBIDDEN = (401, 403)
_COUNTED = {"Nova": "servers", "Heat": "stacks", "Cinder": "volumes", "Neutron": "networks"}
_INDISPENSABLE = ("Nova", "Heat")
"""Required services: without Heat there are no racks, without Nova no servers in them. The others are optional."""
_SHOWN = 5
"""Maximum number of projects and regions to list by name."""


def cloud(settings: Settings, seen: Seen | None = None, *, has_billing: bool = False) -> Iterator[Finding]:
    """Checks login, roles, watched projects, each service with what these credentials may list, and the clock.

    Records in `seen` what the other side's check needs. If the installation `has_billing`, also checks what that needs
    in OpenStack.
    """
    seen = seen or Seen()
    if settings.openstack is None:
        yield skip("openstack", "skipped: its section is missing or wrong")
        return
    reader = CloudReader(settings.openstack)
    try:
        yield _login(reader.sessions, settings.openstack)
        yield from _regions(reader.sessions)
    except CosUpdateError as error:
        yield failed("keystone", error)
        yield from _skipped("no login")
        return
    try:
        yield from _accounts(reader.sessions, settings.openstack, has_billing=has_billing)
        yield from _services(reader, settings, seen)
        yield from _clock(reader.sessions)
    finally:
        reader.close()


def _login(sessions: Sessions, settings: CloudSettings) -> Finding:
    access = sessions.base.access()
    scope = f"project {access.project_name}" if access.project_name else "no project"
    where = settings.auth.get("auth_url") or f"cloud {settings.cloud}"
    roles = ", ".join(sorted(access.role_names)) or "none"
    return ok("keystone", f"{where} as {access.username}, {scope}, roles: {roles}")


def _regions(sessions: Sessions) -> Iterator[Finding]:
    if regions := sessions.base.regions():
        names = ", ".join(regions[:_SHOWN])
        text = f"the catalog has {len(regions)} regions ({names}), and the first one in it is read for each service"
        yield warn("keystone", text, "set openstack.region_name")


def _skipped(why: str) -> Iterator[Finding]:
    for service in _COUNTED:
        yield skip(service.lower(), f"skipped: {why}")


_WATCHING = "watches projects"
_BILLING = (("role", "rating", "belongs to billing", False), ("user", "cloudkitty", "belongs to billing", False))


def _accounts(sessions: Sessions, settings: CloudSettings, *, has_billing: bool) -> Iterator[Finding]:
    """The users and roles that must exist, as far as they are visible."""
    watching = (("role", settings.watcher_role, _WATCHING, True), ("user", settings.watcher_user, _WATCHING, True))
    for kind, name, why, is_needed in watching + (_BILLING if has_billing else ()):
        try:
            found = listing(sessions.base, IDENTITY, f"/{kind}s", f"{kind}s", {"name": name})
        except CloudError as error:
            reason = "not visible with these credentials" if error.status in _FORBIDDEN else str(error)
            yield skip(kind, f"{name}: {reason}")
            continue
        if found:
            yield ok(kind, name)
        else:
            text, fix = f"there is no {kind} {name}, which {why}", f"openstack {kind} create {name}"
            yield fail(kind, text, fix) if is_needed else warn(kind, text, fix)


def _services(reader: CloudReader, settings: Settings, seen: Seen) -> Iterator[Finding]:
    try:
        inventory = reader.read(_memory(settings))
    except CosUpdateError as error:
        yield failed("projects", error)
        yield from _skipped("the watched projects are unknown")
        return
    seen.projects, seen.stacks = inventory.projects, inventory.stacks
    names = sorted(project.name for project in inventory.projects.values())
    if not names:
        user, role = reader.settings.watcher_user, reader.settings.watcher_role
        fix = f"openstack role add --project PROJECT --user {user} {role}"
        yield fail("projects", "no project is watched", fix)
        yield from _skipped("no project is watched")
        return
    more = f" and {len(names) - _SHOWN} more" if len(names) > _SHOWN else ""
    yield ok("projects", f"{len(names)} watched: {', '.join(names[:_SHOWN])}{more}")
    for gap in inventory.gaps:
        if gap.kind is ResourceKind.PROJECT:
            yield warn("projects", gap.reason, gap.hint)
    for service in _COUNTED:
        yield _service(service, reader, inventory)


def _memory(settings: Settings) -> Membership | None:
    """The view's memory of stacks, which saves a request to Heat for each."""
    try:
        view = ViewStore(settings.data_dir, "check").peek()
    except CosUpdateError:
        return None
    return Membership(view.stacks, view.unowned) if view else None


def _service(service: str, reader: CloudReader, inventory: Inventory) -> Finding:
    name = service.lower()
    way = reader.read_scopes.get(service)
    if way == ABSENT:
        return _absent(service)
    gaps = [gap for gap in inventory.gaps if gap.kind.service == service]
    if gaps:
        return _incomplete(service, gaps, inventory)
    count = f"{len(getattr(inventory, _COUNTED[service]))} {_COUNTED[service]}"
    if way == CLOUD_WIDE:
        return ok(name, f"cloud-wide: {count} in watched projects")
    chosen = reader.settings.scope is ReadScope.PROJECT
    why = "set by openstack.scope" if chosen else "these credentials cannot list the whole cloud"
    return ok(name, f"per project ({why}): {count}")


def _absent(service: str) -> Finding:
    text = f"the catalog has no {service}: its {_COUNTED[service]} cannot be shown"
    if service in _INDISPENSABLE:
        return fail(
            service.lower(), text, "see `openstack catalog list`, openstack.region_name and openstack.interface"
        )
    return warn(service.lower(), text)


def _incomplete(service: str, gaps: Sequence[Gap], inventory: Inventory) -> Finding:
    whole = [gap for gap in gaps if gap.stack_id is None]
    gap = (whole or gaps)[0]
    project = inventory.projects.get(gap.project_id or "")
    more = f" (and {len(gaps) - 1} more)" if len(gaps) > 1 else ""
    text = f"{gap.kind.listing}{f' of {project.name}' if project else ''}: {gap.reason}{more}"
    fix = gap.hint or f"check whether {service} responds, and what its policy allows these credentials"
    # A single stack may be in deletion, or broken; the others are shown nevertheless.
    return fail(service.lower(), text, fix) if whole else warn(service.lower(), text, fix)


def _clock(sessions: Sessions) -> Iterator[Finding]:
    date = sessions.base.date()
    if date is None:
        return
    try:
        # The header is truncated to whole seconds.
        ahead = parsedate_to_datetime(date).timestamp() + 0.5 - time.time()
    except ValueError:
        return
    yield compared("OpenStack", ahead)
