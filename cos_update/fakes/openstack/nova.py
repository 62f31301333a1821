"""Nova v2.1: servers and flavors, paged, by microversion and by role."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterable
from datetime import datetime
from itertools import chain

from aiohttp import web

from cos_update.fakes.openstack.nova_views import flavor_view, server_view, unreachable_view
from cos_update.fakes.openstack.records import Flavor, Server
from cos_update.fakes.openstack.service import Call, Item, Refusal, Service, found, listing, page_of, parsed_time

LATEST = 93
CELL_DOWN = 69
"""The first microversion that includes servers whose cell does not respond."""
TRUE = {"1", "t", "true", "on", "y", "yes"}
FALSE = {"0", "f", "false", "off", "n", "no"}
ALL_TENANTS = "os_compute_api:servers:detail:get_all_tenants"
FAULTS = {
    400: "badRequest",
    403: "forbidden",
    404: "itemNotFound",
    406: "computeFault",
    500: "computeFault",
}


def refusal(status: int, message: str) -> Refusal:
    """A refusal in Nova's form."""
    return Refusal(status, {FAULTS[status]: {"code": status, "message": message}})


class Nova(Service):
    """Servers and flavors."""

    name = "nova"
    prefix = "/compute"

    def add_routes(self, router: web.UrlDispatcher) -> None:
        for end in ("", "/"):
            self.get(router, end, lambda _: found({"versions": [self._version(alone=False)]}), open_=True)
            self.get(router, f"/v2.1{end}", lambda _: found({"version": self._version(alone=True)}), open_=True)
        query = "all_tenants project_id tenant_id changes-since limit marker"
        self.get(router, "/v2.1/servers/detail", self._servers, query=query)
        self.get(router, "/v2.1/servers/{id}", self._server)
        self.get(router, "/v2.1/flavors/detail", self._flavors, query="is_public limit marker")
        self.get(router, "/v2.1/flavors/{id}", self._flavor)

    def bad_request(self, message: str) -> Refusal:
        return refusal(400, message)

    def finish(self, request: web.Request, response: web.Response) -> web.Response:
        """Set the headers with the requested microversion."""
        asked = _asked(request)
        version = f"2.{LATEST}" if asked == "latest" else asked
        response.headers["OpenStack-API-Version"] = f"compute {version}"
        response.headers["X-OpenStack-Nova-API-Version"] = version
        response.headers["Vary"] = "OpenStack-API-Version, X-OpenStack-Nova-API-Version"
        return response

    def _version(self, alone: bool) -> dict[str, object]:
        links = [{"rel": "self", "href": f"{self.url}/v2.1/"}]
        version: dict[str, object] = {
            "id": "v2.1",
            "status": "CURRENT",
            "version": f"2.{LATEST}",
            "min_version": "2.1",
            "updated": "2013-07-23T11:33:21Z",
            "links": links,
        }
        if alone:
            links.append({"rel": "describedby", "type": "text/html", "href": "http://docs.openstack.org/"})
            media_type = "application/vnd.openstack.compute+json;version=2.1"
            version["media-types"] = [{"base": "application/json", "type": media_type}]
        return version

    def _servers(self, call: Call) -> web.Response:
        version, limit = _microversion(call), _limit(call)
        # Nova includes servers in a cell that is down only without filters, sorting or paging.
        whole = version >= CELL_DOWN and not set(call.request.query) - {"all_tenants"}
        visible, since = self._visibility(call, whole=whole), self._changes_since(call)
        servers: Iterable[Server] = reversed(self.state.servers.values())
        if since is not None:
            servers = (s for s in chain(servers, reversed(self.state.deleted_servers.values())) if s.updated >= since)
        page, links = self._page(call, servers, limit, visible)
        items = [self._server_json(call, server, version) for server in page]
        return listing("servers", items, "servers_links", links)

    def _changes_since(self, call: Call) -> datetime | None:
        """The time since which changes are requested; then deleted servers are listed too."""
        text = call.query("changes-since")
        time = None if text is None else parsed_time(text)
        if text is not None and time is None:
            raise refusal(
                400, f"Invalid input for query parameters changes-since. Value: {text}. '{text}' is not a 'date-time'"
            )
        return time

    def _visibility(self, call: Call, *, whole: bool) -> Callable[[Server], bool]:
        """A predicate for servers in the listing; a `whole` one includes those of a cell that is down."""
        everywhere = _boolean(call, "all_tenants")
        if everywhere and not call.is_admin:
            raise refusal(403, f"Policy doesn't allow {ALL_TENANTS} to be performed.")
        project_id = call.query("project_id") or call.query("tenant_id") if everywhere else call.project_id
        down = frozenset() if whole else self.state.down_cells
        if project_id is None and not call.is_admin:
            return lambda _: False
        return lambda server: (
            (project_id is None or server.project_id == project_id)
            and (server.vm_state != "soft-delete" or "changes-since" in call.request.query)
            and server.cell not in down
        )

    def _server(self, call: Call) -> web.Response:
        version, server_id = _microversion(call), call.part("id")
        server = self.state.servers.get(server_id)
        if server is None or not (call.is_admin or server.project_id == call.project_id):
            raise refusal(404, f"Instance {server_id} could not be found.")
        if server.cell not in self.state.down_cells:
            return found({"server": server_view(self.state, server, self.url, version, call.is_admin, alone=True)})
        if version < CELL_DOWN:
            raise refusal(
                500,
                "Unexpected API Error. Please report this at http://bugs.launchpad.net/nova/ and attach the Nova "
                "API log if possible.\n<class 'nova.exception.NovaException'>",
            )
        return found({"server": unreachable_view(server, self.url, alone=True)})

    def _server_json(self, call: Call, server: Server, version: int) -> str:
        if server.cell in self.state.down_cells:
            return server.as_json(("down", self.url), lambda: unreachable_view(server, self.url, alone=False))
        return server.as_json(
            (version, call.is_admin, self.url),
            lambda: server_view(self.state, server, self.url, version, call.is_admin, alone=False),
        )

    def _flavors(self, call: Call) -> web.Response:
        version, limit = _microversion(call), _limit(call)
        flavors = [self.state.flavors[id_] for id_ in sorted(self.state.flavors)]
        public = _is_public(call) if call.is_admin else True
        if public:
            flavors = [flavor for flavor in flavors if _may_see(call, flavor)]
        elif public is not None:
            flavors = [flavor for flavor in flavors if not flavor.public]
        page, links = self._page(call, flavors, limit)
        items = [json.dumps(flavor_view(flavor, self.url, version)) for flavor in page]
        return listing("flavors", items, "flavors_links", links)

    def _flavor(self, call: Call) -> web.Response:
        version, flavor_id = _microversion(call), call.part("id")
        flavor = self.state.flavors.get(flavor_id)
        if flavor is None or not (call.is_admin or _may_see(call, flavor)):
            raise refusal(404, f"Flavor {flavor_id} could not be found.")
        return found({"flavor": flavor_view(flavor, self.url, version)})

    def _page(
        self, call: Call, items: Iterable[Item], limit: int | None, visible: Callable[[Item], bool] = lambda _: True
    ) -> tuple[list[Item], list[dict[str, str]]]:
        """One page, and the link to the next, which every full page has, even the last one."""
        marker, size = call.query("marker"), self.page_size(limit)
        page = page_of(items, marker, size, visible)
        if page is None:
            raise self.bad_request(f"marker [{marker}] not found")
        return page, self.next_link(call, page[-1].id) if page and len(page) == size else []


def _may_see(call: Call, flavor: Flavor) -> bool:
    return flavor.public or call.project_id in flavor.access


def _asked(request: web.Request) -> str:
    """The requested microversion: the newer header takes precedence, and without any it is 2.1."""
    for part in request.headers.get("OpenStack-API-Version", "").split(","):
        service, _, version = part.strip().partition(" ")
        if service == "compute":
            return version.strip()
    return request.headers.get("X-OpenStack-Nova-API-Version", "2.1")


def _microversion(call: Call) -> int:
    asked = _asked(call.request)
    if asked == "latest":
        return LATEST
    match = re.fullmatch(r"(\d+)\.(\d+)", asked)
    if match is None:
        raise refusal(400, f"API Version String {asked} is of invalid format. Must be of format MajorNum.MinorNum.")
    major, minor = map(int, match.groups())
    if major != 2 or not 1 <= minor <= LATEST:
        raise refusal(406, f"Version {asked} is not supported by the API. Minimum is 2.1 and maximum is 2.{LATEST}.")
    return minor


def _limit(call: Call) -> int | None:
    limit = call.query("limit")
    if limit is not None and not limit.isdecimal():
        raise refusal(
            400, f"Invalid input for query parameters limit. Value: {limit}. '{limit}' does not match '^[0-9]*$'"
        )
    return None if limit is None else int(limit)


def _boolean(call: Call, name: str) -> bool:
    """A flag of the servers listing, set by its bare name too."""
    value = call.query(name)
    if value is None or value.lower() in FALSE:
        return False
    if value and value.lower() not in TRUE:
        words = ", ".join(f"'{word}'" for word in sorted(TRUE | FALSE))
        raise refusal(400, f"Unrecognized value '{value}', acceptable values are: {words}")
    return True


def _is_public(call: Call) -> bool | None:
    value = call.query("is_public")
    if value is None or value.lower() in TRUE:
        return True
    if value.lower() in FALSE:
        return False
    if value.lower() != "none":
        raise refusal(400, f"Invalid is_public filter [{value}]")
    return None
