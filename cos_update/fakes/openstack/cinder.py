"""Cinder v3: volumes, paged, by microversion and by role."""

from __future__ import annotations

import re
from datetime import datetime

from aiohttp import web

from cos_update.fakes.openstack.records import Volume
from cos_update.fakes.openstack.service import Call, Refusal, Service, found, listing, page_of, parsed_time

LATEST = 70
TIME_FILTERS = 60
"""The first microversion that can filter volumes by the time of their last change."""
HOST = "volume@fake#fake"
SERVICE_ID = "bd50e4b9-f17d-4a66-8529-232545dd2505"
TYPE_ID = "b990ff10-f168-4742-91e3-f186e766348a"
FAULTS = {400: "badRequest", 403: "forbidden", 404: "itemNotFound", 406: "computeFault"}


def refusal(status: int, message: str) -> Refusal:
    """A refusal in Cinder's form."""
    return Refusal(status, {FAULTS[status]: {"code": status, "message": message}})


class Cinder(Service):
    """Volumes. The path's project is the token's own, or left out."""

    name = "cinder"
    prefix = "/volume"

    def add_routes(self, router: web.UrlDispatcher) -> None:
        for end in ("", "/"):
            self.get(router, end, self._root, open_=True)
        self.get(router, "/v3/", lambda _: found({"versions": [self._version()]}), open_=True)
        for project in ("", "/{project}"):
            query = "all_tenants project_id updated_at limit marker"
            self.get(router, f"/v3{project}/volumes/detail", self._volumes, query=query)
            self.get(router, f"/v3{project}/volumes/{{id}}", self._volume)
            self.get(router, f"/v3{project}/os-services", self._services)

    def bad_request(self, message: str) -> Refusal:
        return refusal(400, message)

    def finish(self, request: web.Request, response: web.Response) -> web.Response:
        """Set the header with the requested microversion."""
        asked = _asked(request)
        response.headers["OpenStack-API-Version"] = f"volume {f'3.{LATEST}' if asked == 'latest' else asked}"
        response.headers["Vary"] = "OpenStack-API-Version"
        return response

    def _root(self, call: Call) -> web.Response:
        return found({"versions": [self._version()]}, 300)

    def _version(self) -> dict[str, object]:
        media_type = "application/vnd.openstack.volume+json;version=3"
        return {
            "id": "v3.0",
            "status": "CURRENT",
            "version": f"3.{LATEST}",
            "min_version": "3.0",
            "updated": "2022-08-31T00:00:00Z",
            "links": [
                {"rel": "describedby", "type": "text/html", "href": "https://docs.openstack.org/"},
                {"rel": "self", "href": f"{self.url}/v3/"},
            ],
            "media-types": [{"base": "application/json", "type": media_type}],
        }

    def _volumes(self, call: Call) -> web.Response:
        version = self._microversion(call)
        project_id = call.project_id
        # A non-admin silently gets only its own project's volumes, whatever was requested.
        if call.is_admin and call.query("all_tenants") not in (None, "0", "false", "False"):
            project_id = call.query("project_id")
        elif project_id is None:
            return listing("volumes", [])
        since = self._changes_since(call, version)
        volumes = (
            volume
            for volume in reversed(self.state.volumes.values())
            if (project_id is None or volume.project_id == project_id) and (since is None or volume.updated >= since)
        )
        marker, size = call.query("marker"), self.page_size(self._limit(call))
        page = page_of(volumes, marker, size)
        if page is None:
            raise _no_volume(marker or "")
        links = self.next_link(call, page[-1].id) if page and len(page) == size else []
        items = [self._json(call, volume, version) for volume in page]
        return listing("volumes", items, "volumes_links", links)

    def _changes_since(self, call: Call, version: int) -> datetime | None:
        """The time since which changes are requested (`gte:TIME`); before its microversion the filter is ignored."""
        text = call.query("updated_at")
        if text is None or version < TIME_FILTERS:
            return None
        operator, _, time_text = text.partition(":")
        if operator != "gte":
            raise self.bad_request(f"Invalid {operator} operator")
        time = parsed_time(time_text)
        if time is None:
            raise self.bad_request(f"Invalid {time_text} value")
        return time

    def _volume(self, call: Call) -> web.Response:
        version = self._microversion(call)
        volume = self.state.volumes.get(call.part("id"))
        if volume is None or not (call.is_admin or volume.project_id == call.project_id):
            raise _no_volume(call.part("id"))
        return found({"volume": self._view(call, volume, version)})

    def _services(self, call: Call) -> web.Response:
        self._microversion(call)
        if not call.is_admin:
            raise refusal(403, "Policy doesn't allow volume_extension:services:index to be performed.")
        service = {"binary": "cinder-volume", "host": HOST, "zone": "nova", "status": "enabled", "state": "up"}
        return found({"services": [service]})

    def _json(self, call: Call, volume: Volume, version: int) -> str:
        reader = (version, call.is_admin, call.part("project"), self.url)
        return volume.as_json(reader, lambda: self._view(call, volume, version))

    def _microversion(self, call: Call) -> int:
        if call.part("project") not in ("", call.project_id):
            raise self.bad_request("Malformed request url")
        asked = _asked(call.request)
        if asked == "latest":
            return LATEST
        match = re.fullmatch(r"3\.(\d+)", asked)
        if match is None or int(match[1]) > LATEST:
            raise refusal(
                406, f"Version {asked} is not supported by the API. Minimum is 3.0 and maximum is 3.{LATEST}."
            )
        return int(match[1])

    def _limit(self, call: Call) -> int | None:
        limit = call.query("limit")
        if limit is not None and not limit.isdecimal():
            raise self.bad_request("limit param must be an integer")
        return None if limit is None else int(limit)

    def _view(self, call: Call, volume: Volume, version: int) -> dict[str, object]:
        path = "/".join(filter(None, (call.part("project"), "volumes", volume.id)))
        view: dict[str, object] = {
            "id": volume.id,
            "status": volume.status,
            "size": volume.size,
            "availability_zone": volume.availability_zone,
            "created_at": f"{volume.created:%Y-%m-%dT%H:%M:%S.%f}",
            "updated_at": f"{volume.updated:%Y-%m-%dT%H:%M:%S.%f}",
            "name": volume.name,
            "description": volume.description,
            "volume_type": volume.volume_type,
            "snapshot_id": None,
            "source_volid": None,
            "metadata": volume.metadata,
            "links": [
                {"rel": "self", "href": f"{self.url}/v3/{path}"},
                {"rel": "bookmark", "href": f"{self.url}/{path}"},
            ],
            "user_id": volume.user_id,
            "bootable": "true" if volume.bootable else "false",
            "encrypted": volume.encrypted,
            "replication_status": None,
            "consistencygroup_id": None,
            "multiattach": False,
            "attachments": self._attachments(call, volume),
        }
        if call.is_admin:
            view["migration_status"] = None
        view |= _later(version, call.is_admin)
        view["os-vol-tenant-attr:tenant_id"] = volume.project_id
        if call.is_admin:
            view["os-vol-mig-status-attr:migstat"] = None
            view["os-vol-mig-status-attr:name_id"] = None
            view["os-vol-host-attr:host"] = HOST
        return view

    def _attachments(self, call: Call, volume: Volume) -> list[dict[str, object]]:
        return [
            {
                "id": volume.id,
                "attachment_id": held.id,
                "volume_id": volume.id,
                "server_id": held.server_id,
                "host_name": self.state.servers[held.server_id].host if call.is_admin else None,
                "device": held.device,
                "attached_at": f"{held.attached:%Y-%m-%dT%H:%M:%S.%f}",
            }
            for held in volume.attachments
        ]


def _later(version: int, admin: bool) -> dict[str, object]:
    """The fields that came with later microversions: (the first that has it, for admins only, field, value)."""
    fields: tuple[tuple[int, bool, str, object], ...] = (
        (13, False, "group_id", None),
        (21, True, "provider_id", None),
        (48, False, "shared_targets", False),
        (48, False, "service_uuid", SERVICE_ID),
        (61, True, "cluster_name", None),
        (63, False, "volume_type_id", TYPE_ID),
        (65, False, "consumes_quota", True),
    )
    return {name: value for since, guarded, name, value in fields if version >= since and (admin or not guarded)}


def _no_volume(volume_id: str) -> Refusal:
    return refusal(404, f"Volume {volume_id} could not be found.")


def _asked(request: web.Request) -> str:
    for part in request.headers.get("OpenStack-API-Version", "").split(","):
        service, _, version = part.strip().partition(" ")
        if service == "volume":
            return version.strip()
    return "3.0"
