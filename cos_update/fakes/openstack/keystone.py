"""Keystone v3: projects, users, roles and role assignments, with Zed's default policy."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import TypeVar

from aiohttp import web

from cos_update.fakes.openstack.records import Assignment, Domain, Group, Project, Role, Scope, User
from cos_update.fakes.openstack.service import Call, Refusal, Service, found

Named = TypeVar("Named", Project, User, Role)
TITLES = {400: "Bad Request", 401: "Unauthorized", 403: "Forbidden", 404: "Not Found"}
ASSIGNMENT_QUERY = (
    "user.id group.id role.id scope.project.id scope.domain.id scope.system include_names effective include_subtree"
)


def refusal(status: int, message: str) -> Refusal:
    """A refusal in Keystone's form."""
    return Refusal(status, {"error": {"code": status, "message": message, "title": TITLES[status]}})


class Keystone(Service):
    """The calls that need a token; the tokens themselves are in `tokens`."""

    name = "keystone"
    has_own_clock = False
    prefix = "/identity"

    def add_routes(self, router: web.UrlDispatcher) -> None:
        for path in ("", "/"):
            self.get(router, path, self._root, open_=True)
            self.get(router, f"/v3{path}", lambda _: found({"version": self._version()}), open_=True)
        self.get(router, "/v3/auth/projects", self._own_projects)
        self.get(router, "/v3/projects", self._projects, query="name domain_id enabled")
        self.get(router, "/v3/users", self._users, query="name domain_id")
        self.get(router, "/v3/roles", self._roles, query="name")
        self.get(router, "/v3/role_assignments", self._assignments, query=ASSIGNMENT_QUERY)

    def bad_request(self, message: str) -> Refusal:
        return refusal(400, message)

    def _root(self, call: Call) -> web.Response:
        body = {"versions": {"values": [self._version()]}}
        return found(body, 300, {"Location": f"{self.url}/v3/"})

    def _version(self) -> dict[str, object]:
        return {
            "id": "v3.14",
            "status": "stable",
            "updated": "2020-04-07T00:00:00Z",
            "links": [{"rel": "self", "href": f"{self.url}/v3/"}],
            "media-types": [{"base": "application/json", "type": "application/vnd.openstack.identity-v3+json"}],
        }

    def _own_projects(self, call: Call) -> web.Response:
        return self._listing(call, "projects", map(self._project_view, self.state.projects_of(call.token.user.id)))

    def _projects(self, call: Call) -> web.Response:
        _admins_only(call, "list_projects")
        projects = [self.state.projects[id_] for id_ in sorted(self.state.projects)]
        if (enabled := call.query("enabled")) is not None:
            projects = [project for project in projects if project.enabled == (enabled.lower() not in ("false", "0"))]
        return self._listing(call, "projects", map(self._project_view, _matching(call, projects)))

    def _users(self, call: Call) -> web.Response:
        _admins_only(call, "list_users")
        return self._listing(call, "users", map(self._user_view, _matching(call, self.state.users.values())))

    def _roles(self, call: Call) -> web.Response:
        _admins_only(call, "list_roles")
        return self._listing(call, "roles", map(self._role_view, _matching(call, self.state.roles.values())))

    def _assignments(self, call: Call) -> web.Response:
        _admins_only(call, "list_role_assignments")
        effective, subtree = _flag(call, "effective"), _flag(call, "include_subtree")
        if subtree and call.query("scope.project.id") is None:
            raise refusal(400, "scope.project.id must be specified if include_subtree is also specified")
        if subtree:
            raise refusal(400, "The fake does not serve include_subtree.")
        if effective and call.query("group.id") is not None:
            raise refusal(400, "Combining effective and group filter will always result in an empty list.")
        pairs = list(self.state.effective()) if effective else [(held, held) for held in self.state.assignments]
        names = _flag(call, "include_names")
        return self._listing(
            call,
            "role_assignments",
            [self._assignment_view(held, given, names) for held, given in pairs if _wanted(call, held)],
        )

    def _assignment_view(self, held: Assignment, given: Assignment, names: bool) -> dict[str, object]:
        state = self.state
        scope: dict[str, object] = {Scope.SYSTEM: {"all": True}} if held.scope is Scope.SYSTEM else {}
        if held.scope is Scope.PROJECT:
            scope = {"project": self._reference(state.projects[held.target_id], names)}
        elif held.scope is Scope.DOMAIN:
            scope = {"domain": self._reference(state.domains[held.target_id], names)}
        if held.inherited:
            scope["OS-INHERIT:inherited_to"] = "projects"
        holder: User | Group
        if held.user_id is not None:
            kind, holder = "user", state.users[held.user_id]
        else:
            kind, holder = "group", state.groups[held.group_id or ""]
        links = {"assignment": self._assignment_url(given)}
        if held.user_id != given.user_id:
            links["membership"] = f"{self.url}/v3/groups/{given.group_id}/users/{held.user_id}"
        if held.role_id != given.role_id:
            links["prior_role"] = f"{self.url}/v3/prior_role/{held.role_id}/implies/{given.role_id}"
        return {
            "links": links,
            "scope": scope,
            kind: self._reference(holder, names),
            "role": self._reference(state.roles[held.role_id], names),
        }

    def _assignment_url(self, given: Assignment) -> str:
        target = "system" if given.scope is Scope.SYSTEM else f"{given.scope}s/{given.target_id}"
        holder = f"users/{given.user_id}" if given.user_id else f"groups/{given.group_id}"
        prefix, end = ("OS-INHERIT/", "/inherited_to_projects") if given.inherited else ("", "")
        return f"{self.url}/v3/{prefix}{target}/{holder}/roles/{given.role_id}{end}"

    def _reference(self, thing: Project | Domain | User | Group | Role, names: bool) -> dict[str, object]:
        if not names:
            return {"id": thing.id}
        reference: dict[str, object] = {"id": thing.id, "name": thing.name}
        if isinstance(thing, Project | User | Group):
            domain = self.state.domains[thing.domain_id]
            reference["domain"] = {"id": domain.id, "name": domain.name}
        return reference

    def _project_view(self, project: Project) -> dict[str, object]:
        return {
            "id": project.id,
            "name": project.name,
            "domain_id": project.domain_id,
            "description": project.description,
            "enabled": project.enabled,
            "parent_id": project.parent_id,
            "is_domain": False,
            "tags": [],
            "options": {},
            "links": {"self": f"{self.url}/v3/projects/{project.id}"},
        }

    def _user_view(self, user: User) -> dict[str, object]:
        extra = {"email": user.email, "description": user.description}
        return {name: value for name, value in extra.items() if value is not None} | {
            "id": user.id,
            "name": user.name,
            "domain_id": user.domain_id,
            "enabled": user.enabled,
            "password_expires_at": None,
            "options": {},
            "links": {"self": f"{self.url}/v3/users/{user.id}"},
        }

    def _role_view(self, role: Role) -> dict[str, object]:
        return {
            "id": role.id,
            "name": role.name,
            "domain_id": None,
            "description": None,
            "options": {"immutable": True} if role.name in ("admin", "member", "reader") else {},
            "links": {"self": f"{self.url}/v3/roles/{role.id}"},
        }

    def _listing(self, call: Call, name: str, items: Iterable[Mapping[str, object]]) -> web.Response:
        links = {"next": None, "self": f"{self._address()}{call.request.raw_path}", "previous": None}
        return found({name: list(items), "links": links})


def _forbidden(action: str) -> Refusal:
    return refusal(403, f"You are not authorized to perform the requested action: identity:{action}.")


def _admins_only(call: Call, action: str) -> None:
    if not call.is_admin:
        raise _forbidden(action)


def _flag(call: Call, name: str) -> bool:
    """A flag is set by its name alone, and by any value but 0 (keystone.server.flask.query_filter_is_true)."""
    return call.query(name) not in (None, "0")


def _matching(call: Call, things: Iterable[Named]) -> list[Named]:
    """The things that the query's `name` and `domain_id` leave."""
    name, domain_id = call.query("name"), call.query("domain_id")
    return [
        thing
        for thing in things
        if name in (None, thing.name) and domain_id in (None, getattr(thing, "domain_id", None))
    ]


def _wanted(call: Call, held: Assignment) -> bool:
    asked: Mapping[str, str | None] = {
        "user.id": held.user_id,
        "group.id": held.group_id,
        "role.id": held.role_id,
        "scope.project.id": held.target_id if held.scope is Scope.PROJECT else None,
        "scope.domain.id": held.target_id if held.scope is Scope.DOMAIN else None,
        "scope.system": held.target_id if held.scope is Scope.SYSTEM else None,
    }
    return all(call.query(name) in (None, value) for name, value in asked.items())
