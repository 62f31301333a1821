"""The whole fake cloud for tests."""

from __future__ import annotations

import copy
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from cos_update.fakes.openstack.machines import Machines
from cos_update.fakes.openstack.records import (
    ApplicationCredential,
    Network,
    Project,
    Role,
    Scope,
    Server,
    Stack,
    User,
    Volume,
)

DATABASES = (
    "flavors", "servers", "deleted_servers", "volumes", "networks", "ports", "ports_of", "floating_ips", "stacks",
)  # fmt: skip


@dataclass(eq=False)
class Token:
    """A token. Its times are real ones: clients compare them with their own clock."""

    id: str
    user: User
    scope: Scope | None
    """None: an unscoped token."""
    target_id: str
    method: str
    issued: datetime
    expires: datetime
    credential: ApplicationCredential | None = None


class CloudState(Machines):
    """A cloud in memory, which tests change while it is served. Thread-safe, and the same for the same seed.

    Adding, changing and removing servers leaves the status and the times of their stack alone (as autoscaling
    does with a real parent stack): call `update_stack` where an update is meant.
    """

    def __init__(self, seed: int = 0, *, admin: bool = True) -> None:
        super().__init__(seed, admin)
        self._tokens: dict[str, Token] = {}

    def rename(self, thing: Server | Volume | Network | Project, name: str) -> None:
        """Give a server, volume, network or project another name."""
        with self.lock:
            if isinstance(thing, Network):
                self._rename_network(thing, name)
            else:
                thing.name = name
            if not isinstance(thing, Project):
                thing.updated = self.now()

    def delete_stack(self, stack: Stack) -> None:
        """Delete a stack with all its members: DELETE_COMPLETE, in no listing, but still returned by id."""
        with self.lock:
            for resource in list(stack.resources.values()):
                self._delete_resource(resource.physical_id, resource.nested)
            self._mark_deleted(stack)
            if stack.parent_id is None:
                self.projects.pop(stack.user_project_id, None)

    def backup(self) -> dict[str, Any]:
        """A backup of the databases of Nova, Cinder, Neutron and Heat."""
        with self.lock:
            return copy.deepcopy({name: getattr(self, name) for name in DATABASES})

    def restore(self, backup: Mapping[str, Any]) -> None:
        """Restore the databases from a backup; the clocks keep running."""
        with self.lock:
            for name, kept in copy.deepcopy(dict(backup)).items():
                records = getattr(self, name)
                records.clear()
                records.update(kept)
            self.public, self.shared = self.networks[self.public.id], self.networks[self.shared.id]

    def issue_token(
        self,
        user: User,
        scope: Scope | None,
        target_id: str = "",
        method: str = "password",
        credential: ApplicationCredential | None = None,
    ) -> Token:
        """A new token for a user, valid for `token_life` seconds from now."""
        with self.lock:
            issued = self.keystones_time()
            token = Token(
                f"gAAAAA{self.new_hex()}{self.new_hex()}",
                user,
                scope,
                target_id,
                method,
                issued,
                issued + timedelta(seconds=self.token_life),
                credential,
            )
            self._tokens[token.id] = token
            return token

    def token(self, token_id: str) -> Token | None:
        """A token that is valid now: not expired, not revoked, and its user still holds a role in its scope."""
        with self.lock:
            token = self._tokens.get(token_id)
            if token is None or token.expires <= self.keystones_time() or token.user.id not in self.users:
                return None
            return token if token.scope is None or self.roles_of_token(token) else None

    def roles_of_token(self, token: Token) -> list[Role]:
        """The current roles of a token."""
        with self.lock:
            if token.scope is None:
                return []
            project = self.projects.get(token.target_id)
            if token.scope is Scope.PROJECT and (project is None or not project.enabled):
                return []
            roles = self.roles_of(token.user.id, token.scope, token.target_id)
            limit = token.credential.roles if token.credential else None
            return [role for role in roles if limit is None or role.name in limit]

    def revoke_tokens(self) -> None:
        """Make all tokens issued so far invalid."""
        with self.lock:
            self._tokens.clear()

    def _delete_resource(self, physical_id: str, nested: Stack | None) -> None:
        if nested is not None:
            self.delete_stack(nested)
        elif physical_id in self.servers:
            self.delete_server(self.servers[physical_id])
        elif physical_id in self.volumes:
            self.delete_volume(self.volumes[physical_id])
        elif physical_id in self.networks:
            self.delete_network(self.networks[physical_id])
