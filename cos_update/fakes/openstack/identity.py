"""Projects, users, groups, roles and assignments: the state behind Keystone."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import replace

from cos_update.fakes.openstack.records import (
    ApplicationCredential,
    Assignment,
    Domain,
    Group,
    Project,
    Role,
    Scope,
    User,
)
from cos_update.fakes.openstack.store import Store

DEFAULT_DOMAIN = "default"
SYSTEM = "all"
WATCHER_NAME = "concertim"
WATCHER_PASSWORD = "concertim"  # noqa: S105
ADMIN_PASSWORD = "adminpass"  # noqa: S105


class Identity(Store):
    """A new cloud has the project `admin`, the cloud's admin (`admin`) and the watcher user (`concertim`).

    `admin`: whether the watcher user also has the role admin, in the project `admin`.
    """

    def __init__(self, seed: int, admin: bool) -> None:
        super().__init__(seed)
        self.domains: dict[str, Domain] = {}
        self.projects: dict[str, Project] = {}
        self.users: dict[str, User] = {}
        self.groups: dict[str, Group] = {}
        self.roles: dict[str, Role] = {}
        self.assignments: list[Assignment] = []
        self.application_credentials: dict[str, ApplicationCredential] = {}
        self.domains[DEFAULT_DOMAIN] = Domain(DEFAULT_DOMAIN, "Default", "The default domain")
        self.heat_domain = self.create_domain("heat", "Stack projects and users")
        reader = self.create_role("reader")
        member = self.create_role("member", implies=[reader])
        self.admin_role = self.create_role("admin", implies=[member, reader])
        self.member_role = member
        self.watcher_role = self.create_role("watcher")
        self.admin_project = self._add_project(
            "admin", DEFAULT_DOMAIN, None, "Bootstrap project for initializing the cloud."
        )
        self.admin = self.create_user("admin", ADMIN_PASSWORD)
        self.assign(self.admin_role, self.admin, self.admin_project)
        self.assign(self.admin_role, self.admin, system=True)
        self.watcher = self.create_user(WATCHER_NAME, WATCHER_PASSWORD)
        self.watcher.email, self.watcher.description = f"{WATCHER_NAME}@example.org", "Concertim service user"
        if admin:
            self.assign(self.admin_role, self.watcher, self.admin_project)

    def create_domain(self, name: str, description: str = "") -> Domain:
        with self.lock:
            domain = Domain(self.new_hex(), name, description)
            self.domains[domain.id] = domain
            return domain

    def create_project(
        self,
        name: str,
        *,
        watched: bool = False,
        domain: Domain | None = None,
        parent: Project | None = None,
        description: str = "",
    ) -> Project:
        """A new project with one member, the user `<name>_owner`; a watched one gives `concertim` its role."""
        with self.lock:
            domain_id = parent.domain_id if parent else domain.id if domain else DEFAULT_DOMAIN
            project = self._add_project(name, domain_id, parent, description)
            owner = self.create_user(f"{name}_owner", self.new_hex())
            owner.email = f"{owner.name}@example.org"
            self.assign(self.member_role, owner, project)
            if watched:
                self.watch(project)
            return project

    def _add_project(self, name: str, domain_id: str, parent: Project | None, description: str) -> Project:
        project = Project(self.new_hex(), name, domain_id, parent.id if parent else domain_id, description)
        self.projects[project.id] = project
        return project

    def delete_project(self, project: Project) -> None:
        """Remove a project and its assignments. What it held in other services stays there, as in a real cloud."""
        with self.lock:
            self.projects.pop(project.id, None)
            self.assignments = [held for held in self.assignments if held.target_id != project.id]

    def create_user(self, name: str, password: str, domain: Domain | None = None) -> User:
        """A new user, without any role."""
        with self.lock:
            user = User(self.new_hex(), name, domain.id if domain else DEFAULT_DOMAIN, password)
            self.users[user.id] = user
            return user

    def create_group(self, name: str, members: Iterable[User] = ()) -> Group:
        """A new group in the default domain."""
        with self.lock:
            group = Group(self.new_hex(), name, DEFAULT_DOMAIN, {user.id for user in members})
            self.groups[group.id] = group
            return group

    def create_role(self, name: str, implies: Iterable[Role] = ()) -> Role:
        """A new role, which includes the roles that it implies."""
        with self.lock:
            role = Role(self.new_hex(), name, tuple(implied.id for implied in implies))
            self.roles[role.id] = role
            return role

    def create_application_credential(
        self, user: User, project: Project, name: str = "cos-update", roles: Iterable[Role] | None = None
    ) -> ApplicationCredential:
        """A new application credential, for all of the user's roles in the project or for some."""
        with self.lock:
            names = None if roles is None else frozenset(role.name for role in roles)
            credential = ApplicationCredential(self.new_hex(), name, self.new_hex(), user.id, project.id, names)
            self.application_credentials[credential.id] = credential
            return credential

    def assign(
        self,
        role: Role,
        holder: User | Group,
        target: Project | Domain | None = None,
        *,
        inherited: bool = False,
        system: bool = False,
    ) -> Assignment:
        """Assign a role to a user or group, on a project, a domain or the system."""
        with self.lock:
            assignment = _assignment(role, holder, target, inherited, system)
            if assignment not in self.assignments:
                self.assignments.append(assignment)
            return assignment

    def unassign(self, assignment: Assignment) -> None:
        """Remove an assignment; it is no error if it does not exist."""
        with self.lock:
            self.assignments = [held for held in self.assignments if held != assignment]

    def watch(self, project: Project) -> None:
        """Assign the role `watcher` in a project to `concertim`."""
        self.assign(self.watcher_role, self.watcher, project)

    def unwatch(self, project: Project) -> None:
        """Remove the role `watcher` in a project from `concertim`."""
        self.unassign(_assignment(self.watcher_role, self.watcher, project, False, False))

    def owner_of(self, project_id: str) -> User:
        """The first user who was given a role in the project, else the cloud's admin."""
        with self.lock:
            held = (a.user_id for a in self.assignments if a.target_id == project_id and a.user_id)
            return self.users[next(held, self.admin.id)]

    def effective(self) -> Iterator[tuple[Assignment, Assignment]]:
        """Assignments with groups, inheritance and implied roles expanded, each with the one it comes from."""
        for given in self.assignments:
            for direct in self._per_user(given):
                for landed in self._landed(direct):
                    for role_id in (landed.role_id, *self.roles[landed.role_id].implies):
                        yield replace(landed, role_id=role_id), given

    def roles_of(self, user_id: str, scope: Scope, target_id: str) -> list[Role]:
        """The roles that a user holds on a target by any way, in a stable order."""
        ids = {
            held.role_id
            for held, _ in self.effective()
            if held.user_id == user_id and held.scope == scope and held.target_id == target_id
        }
        return [role for role in self.roles.values() if role.id in ids]

    def projects_of(self, user_id: str) -> list[Project]:
        """The projects in which a user holds any role; disabled ones only if the state says so."""
        ids = {
            held.target_id for held, _ in self.effective() if held.user_id == user_id and held.scope == Scope.PROJECT
        }
        return [
            project
            for id_, project in sorted(self.projects.items())
            if id_ in ids and (project.enabled or self.disabled_projects_listed)
        ]

    def _per_user(self, given: Assignment) -> Iterator[Assignment]:
        if given.group_id is None:
            yield given
            return
        for user_id in sorted(self.groups[given.group_id].members):
            yield replace(given, user_id=user_id, group_id=None)

    def _landed(self, given: Assignment) -> Iterator[Assignment]:
        if not given.inherited:
            yield given
            return
        for project in self.projects.values():
            if self._is_below(project, given.target_id):
                yield replace(given, scope=Scope.PROJECT, target_id=project.id, inherited=False)

    def _is_below(self, project: Project, target_id: str) -> bool:
        if project.parent_id == target_id or project.domain_id == target_id:
            return True
        parent = self.projects.get(project.parent_id)
        return parent is not None and self._is_below(parent, target_id)


def _assignment(
    role: Role, holder: User | Group, target: Project | Domain | None, inherited: bool, system: bool
) -> Assignment:
    if system == (target is not None):
        raise ValueError("a role is held on a project, on a domain, or on the system")
    scope = Scope.SYSTEM if target is None else Scope.PROJECT if isinstance(target, Project) else Scope.DOMAIN
    target_id = SYSTEM if target is None else target.id
    if isinstance(holder, User):
        return Assignment(role.id, scope, target_id, user_id=holder.id, inherited=inherited)
    return Assignment(role.id, scope, target_id, group_id=holder.id, inherited=inherited)
