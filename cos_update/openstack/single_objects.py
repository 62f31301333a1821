"""Reads single objects by id, for the listener to handle notifications.

For many servers, volumes or networks of one project, a listing of the project replaces many GETs. An object missing
from it is absent, but not proven gone: `confirm` does that.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field, replace
from typing import Any, TypeVar

from cos_update.model.absence import AbsenceCheck
from cos_update.model.errors import CloudError
from cos_update.model.events import Key
from cos_update.model.kinds import ResourceKind
from cos_update.model.openstack import Flavor, Network, Server, Stack, StackContent, Volume
from cos_update.model.settings import CloudSettings, ReadScope
from cos_update.openstack import cinder, neutron, nova
from cos_update.openstack.absence_check import confirm
from cos_update.openstack.heat import LISTED, content_of, is_top_level, show_stack, stack_from, stack_url
from cos_update.openstack.keystone import Watched, watched_projects
from cos_update.openstack.listings import remembered_flavor
from cos_update.openstack.pages import linked, listing, marked_listing
from cos_update.openstack.refusals import NotFound
from cos_update.openstack.session import (
    COMPUTE,
    NETWORK,
    ORCHESTRATION,
    SERVICE_TYPE,
    ProjectSession,
)
from cos_update.openstack.sessions import Sessions

FEW = 8
"""Up to this many objects of one kind are requested individually, whatever a listing would cost."""
WORTH = 25
"""The number of objects in a listing that cost about as much as one GET: 60 microseconds each, against 1.5 ms."""
MOST_PARENTS = 20
"""How many parents of a nested stack are followed; Heat's limit is 5 by default."""

Item = TypeVar("Item")
Records = list[Mapping[str, Any]]


@dataclass(frozen=True, slots=True)
class Asked:
    """Ids by kind, all of one project."""

    servers: frozenset[str] = frozenset()
    volumes: frozenset[str] = frozenset()
    networks: frozenset[str] = frozenset()


@dataclass(slots=True)
class Found:
    """The objects found, by id. `failed`: key -> why it could not be read; `absent`: missing services."""

    servers: dict[str, Server] = field(default_factory=dict)
    volumes: dict[str, Volume] = field(default_factory=dict)
    networks: dict[str, Network] = field(default_factory=dict)
    flavors: dict[str, Flavor] = field(default_factory=dict)
    failed: dict[Key, str] = field(default_factory=dict)
    absent: frozenset[ResourceKind] = frozenset()


class ObjectReader:
    """Reads single objects with the sessions of a full reading. Thread-safe."""

    def __init__(self, sessions: Sessions, settings: CloudSettings) -> None:
        self._sessions = sessions
        self._settings = settings
        self._pool = ThreadPoolExecutor(settings.concurrency, thread_name_prefix="object")
        self._lock = threading.Lock()
        self._wide: bool | None = None

    def close(self) -> None:
        """Ends the threads. Does not close the sessions, which belong to the caller."""
        self._pool.shutdown(wait=False, cancel_futures=True)

    def watched(self) -> Watched:
        """The watched projects; see `watched_projects`."""
        return watched_projects(self._sessions, self._settings, self._pool)

    def confirm(self, keys: Sequence[Key]) -> dict[Key, AbsenceCheck]:
        """Requests each missing object by its id (see `absence_check`)."""
        wide = ("Nova", "Heat", "Cinder", "Neutron") if self._is_wide() else ()
        return confirm(self._sessions, keys, self._pool, wide)

    def stacks(self, project_id: str) -> dict[str, Stack]:
        """The top-level stacks of a project, in one listing. Raises CloudError."""
        session = self._session(project_id)
        url = stack_url(session, project_id)
        records = marked_listing(session, ORCHESTRATION, url, "stacks", LISTED)
        stacks = (stack_from(record) for record in records if is_top_level(record))
        return {stack.id: stack for stack in stacks if stack.project_id == project_id}

    def top_stack(self, project_id: str, stack_id: str) -> tuple[Stack, Mapping[str, Any]] | None:
        """The top-level stack that a stack belongs to (possibly itself), with its record as shown.

        None if one of the stacks in between is gone. Raises CloudError.
        """
        session = self._session(project_id)
        asked = stack_id
        for _ in range(MOST_PARENTS):
            try:
                record = show_stack(session, stack_url(session, project_id, asked))
            except NotFound:
                return None
            if not isinstance(record, Mapping) or not record.get("id"):
                raise CloudError("a response in an unexpected format")
            if record.get("stack_status") == "DELETE_COMPLETE":
                return None
            if not record.get("parent"):
                return stack_from(record), record
            asked = str(record["parent"])
        raise CloudError(f"stack {stack_id} has too many levels of parents")

    def content(self, stack: Stack, record: Mapping[str, Any]) -> StackContent:
        """The content of a stack; `record` is the stack as shown. Raises CloudError; NotFound if it is gone."""
        return content_of(self._session(stack.project_id), stack, record)

    def each(self, ask: Callable[[Item], Any], items: Iterable[Item]) -> list[Any]:
        """Calls `ask` with every item concurrently; the results are in order."""
        return list(self._pool.map(ask, items))

    def flavor(self, flavor_id: str) -> Flavor | None:
        """A flavor; None if it is gone, or private and not visible to these credentials. Raises CloudError."""
        session = self._sessions.scoped
        try:
            version = session.microversion(COMPUTE, nova.FLAVORS_VERSION)
            body = session.get(COMPUTE, f"/flavors/{flavor_id}", key="flavor", microversion=version, of_many=True)
        except NotFound:
            return None
        return nova.flavor_from(body["flavor"])

    def read(self, project_id: str, asked: Asked, sizes: Mapping[ResourceKind, int] | None = None) -> Found:
        """Reads the objects of one project.

        `sizes` has the known number of objects of each kind in the project: a listing is used if that is cheaper than
        individual requests. Failures end up in `failed`; raises only CloudLoginError.
        """
        found = Found()
        absent = {
            kind
            for kind in (ResourceKind.VOLUME, ResourceKind.NETWORK)
            if not self._session(project_id).offers(SERVICE_TYPE[kind.service])
        }
        found.absent = frozenset(absent)
        kinds = (
            (ResourceKind.SERVER, asked.servers),
            (ResourceKind.VOLUME, asked.volumes),
            (ResourceKind.NETWORK, asked.networks),
        )
        for kind, ids in kinds:
            if ids and kind not in absent:
                self._read_kind(found, project_id, kind, ids, (sizes or {}).get(kind, 0))
        return found

    def with_flavors(self, found: Found, project_id: str, known: Collection[str]) -> None:
        """Adds the flavors of the servers that are not in `known`, or the embedded flavors if they cannot be read."""
        wanted = sorted({s.flavor_id for s in found.servers.values() if s.flavor is None} - set(known) - {""})
        for flavor_id, flavor in zip(wanted, self._pool.map(self.flavor, wanted), strict=True):
            if flavor is not None:
                found.flavors[flavor_id] = flavor
        lost = [s for s in found.servers.values() if s.flavor_id in wanted and s.flavor_id not in found.flavors]
        for server, flavor in zip(lost, self._pool.map(lambda s: self._embedded(project_id, s.id), lost), strict=True):
            if flavor is not None:
                found.servers[server.id] = replace(server, flavor=flavor)

    def _read_kind(self, found: Found, project_id: str, kind: ResourceKind, ids: frozenset[str], size: int) -> None:
        try:
            if len(ids) > max(FEW, size // WORTH):
                records = self._list(project_id, kind, ids)
                answers: list[Mapping[str, Any] | CloudError | None] = list(records)
                keys = [Key(kind, str(record["id"]), project_id) for record in records]
            else:
                keys = [Key(kind, item, project_id) for item in sorted(ids)]
                answers = list(self._pool.map(self._show, keys))
            subnets = self._cidrs(project_id, ids) if kind is ResourceKind.NETWORK else None
        except CloudError as error:
            found.failed |= {Key(kind, item, project_id): str(error) for item in ids}
            return
        for key, answer in zip(keys, answers, strict=True):
            if isinstance(answer, CloudError):
                found.failed[key] = str(answer)
            elif answer is not None:
                _take(found, key, answer, subnets)

    def _list(self, project_id: str, kind: ResourceKind, ids: frozenset[str]) -> Records:
        """The records of a project's listing with these ids."""
        session = self._session(project_id)
        elsewhere = session.project_id != project_id
        version = None
        if kind is ResourceKind.NETWORK:
            path, params = "/networks", {"project_id": project_id} if elsewhere else {}
        else:
            path = f"/{kind.listing}/detail"
            params = {"all_tenants": "1", "project_id": project_id} if elsewhere else {}
        if kind is ResourceKind.SERVER:
            version = session.microversion(COMPUTE, nova.SERVERS_VERSION)
        pages = linked(session, SERVICE_TYPE[kind.service], path, kind.listing, version)
        found = pages.read(params, lambda record: record if record["id"] in ids else None)
        return [record for record in found if record is not None]

    def _show(self, key: Key) -> Mapping[str, Any] | CloudError | None:
        name = str(key.kind)
        try:
            session = self._session(key.project_id)
            version = session.microversion(COMPUTE, nova.SERVERS_VERSION) if key.kind is ResourceKind.SERVER else None
            path = f"/{key.kind.listing}/{key.id}"
            body = session.get(SERVICE_TYPE[key.kind.service], path, key=name, microversion=version, of_many=True)
        except NotFound:
            return None
        except CloudError as error:
            return error
        record = body[name]
        return (
            record
            if isinstance(record, Mapping) and record.get("id")
            else CloudError("a response in an unexpected format")
        )

    def _cidrs(self, project_id: str, networks: frozenset[str]) -> dict[str, list[str]]:
        session = self._session(project_id)
        if len(networks) > FEW:
            params = {} if session.project_id == project_id else {"project_id": project_id}
            return neutron.cidrs_by_network(listing(session, NETWORK, "/subnets", "subnets", params))

        def ask(network: str) -> Records:
            return listing(session, NETWORK, "/subnets", "subnets", {"network_id": network})

        return neutron.cidrs_by_network([subnet for page in self._pool.map(ask, sorted(networks)) for subnet in page])

    def _embedded(self, project_id: str, server_id: str) -> Flavor | None:
        try:
            return remembered_flavor(self._session(project_id), server_id)
        except CloudError:
            return None

    def _session(self, project_id: str) -> ProjectSession:
        return self._sessions.for_object(project_id, cloud_wide=self._is_wide())

    def _is_wide(self) -> bool:
        """Whether the login is an admin's, so that a 404 to its own session is reliable for any project."""
        with self._lock:
            if self._wide is None:
                base = self._sessions.base
                is_admin = bool(base.project_id) and "admin" in base.access().role_names
                self._wide = is_admin and self._settings.scope is not ReadScope.PROJECT
            return self._wide


def _take(found: Found, key: Key, record: Mapping[str, Any], cidrs: Mapping[str, Sequence[str]] | None) -> None:
    """Adds a record, unless it is of another project."""
    if key.kind is ResourceKind.SERVER:
        server = nova.server_from(record)
        if server.project_id in ("", key.project_id):
            found.servers[server.id] = replace(server, project_id=key.project_id)
    elif key.kind is ResourceKind.VOLUME:
        volume = cinder.volume_from(record)
        if volume.project_id in ("", key.project_id):
            found.volumes[volume.id] = replace(volume, project_id=key.project_id)
    else:
        network = neutron.network_from(record, cidrs)
        if network.project_id in ("", key.project_id):
            found.networks[network.id] = replace(network, project_id=key.project_id)
