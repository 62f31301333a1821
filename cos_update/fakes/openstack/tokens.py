"""Keystone's tokens: issued for a password, an application credential or another token, and the catalog in them."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping

from aiohttp import web

from cos_update.fakes.openstack.identity import SYSTEM
from cos_update.fakes.openstack.keystone import refusal
from cos_update.fakes.openstack.records import Domain, Project, Scope, User
from cos_update.fakes.openstack.service import Call, Refusal, Service, found
from cos_update.fakes.openstack.state import CloudState, Token

CATALOG = (
    ("keystone", "identity", "keystone", "/identity/v3/"),
    ("nova", "compute", "nova", "/compute/v2.1"),
    ("heat", "orchestration", "heat", "/orchestration/v1/%(project_id)s"),
    ("cinder", "volumev3", "cinderv3", "/volume/v3/%(project_id)s"),
    ("neutron", "network", "neutron", "/network"),
)
"""The state's name of each service, its type and name in the catalog, and its path."""
NOT_AUTH = (
    "Expecting to find auth in request body. The server could not comply with the request since it is either "
    "malformed or otherwise incorrect. The client is assumed to be in error."
)


class Tokens(Service):
    """POST, GET and DELETE of /v3/auth/tokens, and /v3/auth/catalog."""

    name = "keystone"
    has_own_clock = False
    prefix = "/identity"

    def __init__(self, state: CloudState, address: Callable[[], str]) -> None:
        super().__init__(state, address)
        self._catalog_ids = {name: (state.new_hex(), state.new_hex()) for name, *_ in CATALOG}

    def add_routes(self, router: web.UrlDispatcher) -> None:
        self.route(router, "POST", "/v3/auth/tokens", self._issue, open_=True, query="nocatalog")
        self.get(router, "/v3/auth/tokens", self._show)
        self.get(router, "/v3/auth/catalog", self._show_catalog)

    def bad_request(self, message: str) -> Refusal:
        return refusal(400, message)

    def _issue(self, call: Call) -> web.Response:
        auth = _mapping(_body(call).get("auth"))
        if not auth:
            raise self.bad_request(NOT_AUTH)
        identity = _mapping(auth.get("identity"))
        methods = identity.get("methods")
        match methods:
            case ["password"]:
                user = self._by_password(_mapping(_mapping(identity.get("password")).get("user")))
                token = self._scoped(user, auth.get("scope"), "password")
            case ["application_credential"]:
                token = self._by_credential(_mapping(identity.get("application_credential")))
            case ["token"]:
                known = self.state.token(str(_mapping(identity.get("token")).get("id")))
                if known is None:
                    raise self.unauthorized()
                token = self._scoped(known.user, auth.get("scope"), "token")
            case _:
                raise self.bad_request(f"The fake knows no auth methods {methods!r}.")
        if token.scope is not None and not self.state.roles_of_token(token):
            raise self.unauthorized()
        return found({"token": self._view(token)}, 201, {"X-Subject-Token": token.id, "Vary": "X-Auth-Token"})

    def _show(self, call: Call) -> web.Response:
        subject = call.request.headers.get("X-Subject-Token", "")
        token = self.state.token(subject)
        if token is None:
            raise refusal(404, f"Could not find token: {subject}.")
        return found({"token": self._view(token)}, headers={"X-Subject-Token": token.id})

    def _show_catalog(self, call: Call) -> web.Response:
        return found({"catalog": self._catalog(call.token), "links": {"self": f"{self.url}/v3/auth/catalog"}})

    def _by_password(self, asked: Mapping[str, object]) -> User:
        user = self._user(asked)
        if user is None or not user.enabled or user.password != asked.get("password"):
            raise self.unauthorized()
        return user

    def _by_credential(self, asked: Mapping[str, object]) -> Token:
        credentials = self.state.application_credentials
        if "id" in asked:
            credential = credentials.get(str(asked["id"]))
        else:
            user = self._user(_mapping(asked.get("user")))
            fitting = (c for c in credentials.values() if user and c.user_id == user.id and c.name == asked.get("name"))
            credential = next(fitting, None)
        if credential is None:
            wanted = asked.get("id", asked.get("name"))
            raise refusal(404, f"Could not find Application Credential: {wanted}.")
        if credential.secret != asked.get("secret"):
            raise self.unauthorized()
        owner = self.state.users[credential.user_id]
        return self.state.issue_token(owner, Scope.PROJECT, credential.project_id, "application_credential", credential)

    def _user(self, asked: Mapping[str, object]) -> User | None:
        if "id" in asked:
            return self.state.users.get(str(asked["id"]))
        domain = self._domain(asked.get("domain"))
        users = self.state.users.values()
        return next((u for u in users if domain and u.name == asked.get("name") and u.domain_id == domain.id), None)

    def _domain(self, asked: object) -> Domain | None:
        wanted = _mapping(asked)
        domains = self.state.domains.values()
        if "id" in wanted:
            return self.state.domains.get(str(wanted["id"]))
        return next((domain for domain in domains if domain.name == wanted.get("name")), None)

    def _scoped(self, user: User, scope: object, method: str) -> Token:
        match scope:
            case None | "unscoped":
                return self.state.issue_token(user, None, method=method)
            case {"system": {"all": True}}:
                return self.state.issue_token(user, Scope.SYSTEM, SYSTEM, method)
            case {"domain": asked}:
                domain = self._domain(asked)
                return self.state.issue_token(user, Scope.DOMAIN, domain.id if domain else "", method)
            case {"project": asked}:
                project = self._project(_mapping(asked))
                return self.state.issue_token(user, Scope.PROJECT, project.id if project else "", method)
        raise self.bad_request(f"The fake knows no scope {scope!r}.")

    def _project(self, asked: Mapping[str, object]) -> Project | None:
        if "id" in asked:
            return self.state.projects.get(str(asked["id"]))
        domain = self._domain(asked.get("domain"))
        projects = self.state.projects.values()
        return next((p for p in projects if domain and p.name == asked.get("name") and p.domain_id == domain.id), None)

    def _view(self, token: Token) -> dict[str, object]:
        state = self.state
        view: dict[str, object] = {
            "methods": [token.method],
            "user": {
                "domain": self._domain_view(token.user.domain_id),
                "id": token.user.id,
                "name": token.user.name,
                "password_expires_at": None,
            },
            "audit_ids": [token.id[6:28]],
            "expires_at": f"{token.expires:%Y-%m-%dT%H:%M:%S.%f}Z",
            "issued_at": f"{token.issued:%Y-%m-%dT%H:%M:%S.%f}Z",
        }
        if token.credential is not None:
            credential = token.credential
            view["application_credential"] = {"id": credential.id, "name": credential.name, "restricted": True}
        if token.scope is None:
            return view
        if token.scope is Scope.PROJECT:
            project = state.projects[token.target_id]
            view["project"] = {
                "domain": self._domain_view(project.domain_id),
                "id": project.id,
                "name": project.name,
            }
            view["is_domain"] = False
        elif token.scope is Scope.DOMAIN:
            view["domain"] = self._domain_view(token.target_id)
        else:
            view["system"] = {"all": True}
        view["roles"] = [{"id": role.id, "name": role.name} for role in state.roles_of_token(token)]
        view["catalog"] = self._catalog(token)
        return view

    def _domain_view(self, domain_id: str) -> dict[str, str]:
        return {"id": domain_id, "name": self.state.domains[domain_id].name}

    def _catalog(self, token: Token) -> list[dict[str, object]]:
        if token.scope is None:
            return []
        entries: list[dict[str, object]] = []
        for service, service_type, name, path in CATALOG:
            if service in self.state.absent_services:
                continue
            service_id, endpoint_id = self._catalog_ids[service]
            # A service whose URL holds the project has no endpoint in a token without one.
            reachable = token.scope is Scope.PROJECT or "%" not in path
            url = (
                self.state.endpoints.get(service, self._address()) + path % {"project_id": token.target_id}
                if reachable
                else ""
            )
            endpoints = [
                {
                    "id": endpoint_id,
                    "interface": interface,
                    "region_id": self.state.region,
                    "url": url,
                    "region": self.state.region,
                }
                for interface in ("public", "internal", "admin")
                if reachable
            ]
            entries.append({"endpoints": endpoints, "id": service_id, "type": service_type, "name": name})
        return entries


def _body(call: Call) -> Mapping[str, object]:
    try:
        return _mapping(json.loads(call.raw))
    except ValueError:
        return {}


def _mapping(value: object) -> Mapping[str, object]:
    return value if isinstance(value, Mapping) else {}
