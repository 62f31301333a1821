"""Requests to a fake OpenStack over plain HTTP, as different users."""

from __future__ import annotations

import requests

from cos_update.fakes.openstack import OpenStackApp
from cos_update.fakes.openstack.records import Project, User

TIMEOUT = 10


class Asker:
    """Logs in once per user and scope."""

    def __init__(self, app: OpenStackApp) -> None:
        self.app = app
        self.state = app.state
        self._tokens: dict[tuple[str, str], str] = {}

    def login(self, identity: object, scope: object = None) -> requests.Response:
        """POST /v3/auth/tokens."""
        auth = {"identity": identity} if scope is None else {"identity": identity, "scope": scope}
        return requests.post(f"{self.app.auth_url}/auth/tokens", json={"auth": auth}, timeout=TIMEOUT)

    def token(self, user: User, project: Project | None = None, scope: object = None) -> str:
        """The token of a user: in a project, in another scope, or unscoped."""
        wanted = {"project": {"id": project.id}} if project else scope
        key = user.id, str(wanted)
        if key not in self._tokens:
            self._tokens[key] = self.login(by_password(user), wanted).headers["X-Subject-Token"]
        return self._tokens[key]

    def get(self, path: str, token: str | None = None, **headers: str) -> requests.Response:
        """GET a path of the fake, or a whole URL; redirects are not followed."""
        if token is not None:
            headers["X-Auth-Token"] = token
        url = path if path.startswith("http") else self.app.url + path
        return requests.get(url, headers=headers, timeout=TIMEOUT, allow_redirects=False)

    def as_admin(self, path: str, **headers: str) -> requests.Response:
        """GET as the watching user in the project `admin`, where it is admin."""
        return self.get(path, self.token(self.state.watcher, self.state.admin_project), **headers)

    def as_watcher(self, project: Project, path: str, **headers: str) -> requests.Response:
        """GET as the watching user in a watched project."""
        return self.get(path, self.token(self.state.watcher, project), **headers)


def by_password(user: User, password: str | None = None) -> dict[str, object]:
    """The identity part of a login."""
    return {
        "methods": ["password"],
        "password": {"user": {"id": user.id, "password": user.password if password is None else password}},
    }


def named(state_projects: dict[str, Project], name: str) -> Project:
    """The project of this name."""
    return next(project for project in state_projects.values() if project.name == name)


def nova_version(version: str) -> dict[str, str]:
    """The header that asks for a microversion."""
    return {"OpenStack-API-Version": f"compute {version}"}
