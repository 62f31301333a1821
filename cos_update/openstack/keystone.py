"""Determines the watched projects: those in which the watcher user has the watcher role."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from concurrent.futures import Executor
from dataclasses import dataclass, field

from cos_update.model.errors import CloudError, CloudLoginError
from cos_update.model.openstack import Project
from cos_update.model.settings import CloudSettings
from cos_update.openstack.pages import listing
from cos_update.openstack.session import IDENTITY, ProjectSession
from cos_update.openstack.sessions import Sessions

_MAY_NOT = (401, 403)


@dataclass(frozen=True, slots=True)
class Watched:
    """Watched projects by id, disabled ones, and the names of projects for which this is unknown."""

    projects: Mapping[str, Project]
    disabled: Mapping[str, Project] = field(default_factory=dict)
    undetermined: Sequence[str] = ()


def watched_projects(sessions: Sessions, settings: CloudSettings, pool: Executor) -> Watched:
    """The watched projects. Inherited and group assignments count; disabled projects don't.

    Uses role assignments if Keystone lets these credentials read them (admins), else the accessible projects and the
    roles in each one's token. Raises CloudLoginError, or CloudError if neither can be read.
    """
    try:
        return _by_assignments(sessions, settings, pool)
    except CloudLoginError:
        raise
    except CloudError as error:
        if error.status not in _MAY_NOT:
            raise _unknown_projects(error) from None
    return _by_tokens(sessions, settings, pool)


def _unknown_projects(error: CloudError) -> CloudError:
    return CloudError(f"cannot determine the watched projects from Keystone ({error})", error.hint, error.status)


def _by_assignments(sessions: Sessions, settings: CloudSettings, pool: Executor) -> Watched:
    base = sessions.base
    disabled_ids = pool.submit(_disabled, base)
    named = pool.submit(listing, base, IDENTITY, "/roles", "roles", {"name": settings.watcher_role})
    users = listing(base, IDENTITY, "/users", "users", {"name": settings.watcher_user})
    roles = named.result()
    if not users or not roles:
        what = f"user {settings.watcher_user!r}" if not users else f"role {settings.watcher_role!r}"
        raise CloudError(
            f"Keystone has no {what}: no project is watched",
            f"openstack {'user' if not users else 'role'} create {what.split(chr(39))[1]}, or set "
            f"openstack.{'watcher_user' if not users else 'watcher_role'}.",
        )
    found: dict[str, Project] = {}
    for user in users:
        for role in roles:
            params = {"user.id": user["id"], "role.id": role["id"], "effective": "true", "include_names": "true"}
            body = base.get(IDENTITY, "/role_assignments", params, key="role_assignments")
            for assignment in body["role_assignments"]:
                project = (assignment.get("scope") or {}).get("project")
                if project and project.get("id"):
                    found[project["id"]] = Project(project["id"], str(project.get("name") or project["id"]))
    disabled = {item: found.pop(item) for item in disabled_ids.result() & found.keys()}
    return Watched(found, disabled)


def _disabled(base: ProjectSession) -> frozenset[str]:
    """The ids of all disabled projects; none if these credentials may not list projects."""
    try:
        projects = listing(base, IDENTITY, "/projects", "projects", {"enabled": "false"})
    except CloudError:
        return frozenset()
    return frozenset(str(project["id"]) for project in projects if project.get("enabled") is False)


def _by_tokens(sessions: Sessions, settings: CloudSettings, pool: Executor) -> Watched:
    try:
        body = sessions.base.get(IDENTITY, "/auth/projects", key="projects")
    except CloudLoginError:
        raise
    except CloudError as error:
        raise _unknown_projects(error) from None
    reachable = [project for project in body["projects"] if project.get("enabled", True)]
    # No token tells the role in a disabled project, so that each of them may be a watched one.
    disabled = {
        str(project["id"]): Project(str(project["id"]), str(project.get("name") or project["id"]))
        for project in body["projects"]
        if not project.get("enabled", True)
    }

    def is_watched(project_id: str) -> bool | None:
        try:
            return settings.watcher_role in sessions.of_project(project_id).access().role_names
        except CloudLoginError as error:
            if error.status == 401:
                return False
            raise
        except CloudError:
            return None

    found: dict[str, Project] = {}
    undetermined = []
    for project, watched in zip(reachable, pool.map(is_watched, [p["id"] for p in reachable]), strict=True):
        name = str(project.get("name") or project["id"])
        if watched:
            found[project["id"]] = Project(project["id"], name)
        elif watched is None:
            undetermined.append(name)
    return Watched(found, disabled, undetermined)
