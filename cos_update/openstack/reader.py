"""One reading of the cloud: every service on its own, cloud-wide where that is honest, else per project.

A listing that the credentials silently narrow must never pass for the whole cloud: Nova refuses `all_tenants`
honestly; Heat refuses another project's path honestly; Cinder and Neutron just leave things out, so their cloud-wide
answer counts only when something in it shows that it is one.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field, replace
from typing import Any

from cos_update.model.absence import Verdict
from cos_update.model.cloud import (
    Gap,
    Inventory,
    Listing,
    Network,
    Project,
    RememberedStack,
    Server,
    Stack,
    StackContent,
    Volume,
)
from cos_update.model.errors import CloudError
from cos_update.model.events import Key
from cos_update.model.settings import CloudSettings, ReadScope
from cos_update.openstack import nova, storage
from cos_update.openstack.absences import confirm
from cos_update.openstack.heat import is_top_level, project_of, read_content, stack_from, stack_url
from cos_update.openstack.keystone import watched_projects
from cos_update.openstack.pages import listing, marked_listing
from cos_update.openstack.session import (
    COMPUTE,
    NETWORK,
    ORCHESTRATION,
    VOLUME,
    NotFound,
    ProjectSession,
    Sessions,
)

Record = Mapping[str, Any]
CLOUD_WIDE, PER_PROJECT, ABSENT = "cloud-wide", "per project", "absent"


@dataclass(slots=True)
class _Gathered:
    """What the services have answered so far; written by several threads."""

    gaps: list[Gap] = field(default_factory=list)
    lock: threading.Lock = field(default_factory=threading.Lock)

    def miss(self, listing_: Listing, reason: str, project_id: str | None = None, **more: Any) -> None:
        """Notes that a listing is not whole."""
        with self.lock:
            self.gaps.append(Gap(listing_, reason, project_id, **more))


@dataclass(frozen=True, slots=True)
class _Question:
    """How one listing is asked in a session, and whether a cloud-wide answer is honest."""

    service: str
    listing: Listing
    ask: Callable[[ProjectSession, bool], list[Record]]
    is_honest: Callable[[Sequence[Record], str], bool]
    project_key: str = ""
    """The key of a record's project, where policy may hide it from those who read their own project."""


class CloudReader:
    """Reads OpenStack. `ways` tells by service how it was read last; `request_id` is sent along with each request."""

    def __init__(
        self,
        settings: CloudSettings,
        clock: Callable[[], float] = time.time,
        sleep: Callable[[float], None] = time.sleep,
    ) -> None:
        self._settings = settings
        self._clock = clock
        self.sessions = Sessions(settings, sleep)
        self.ways: dict[str, str] = {}

    @property
    def request_id(self) -> str:
        """The global request id that the services log with each request of ours."""
        return self.sessions.request_id

    @request_id.setter
    def request_id(self, request_id: str) -> None:
        self.sessions.request_id = request_id

    def close(self) -> None:
        """Forgets all sessions."""
        self.sessions.close()

    def read(
        self,
        memory: Mapping[str, RememberedStack] | None = None,
        projects: Collection[str] | None = None,
    ) -> Inventory:
        """Reads everything of the watched projects, or of those of them that `projects` names (ids or names).

        `memory` spares asking Heat for stacks that have not changed. Raises CloudLoginError, or CloudError when the
        watched projects can't be told; whatever else fails becomes a gap.
        """
        began = self._clock()
        self.sessions.base.access()
        with ThreadPoolExecutor(self._settings.concurrency, thread_name_prefix="openstack") as pool:
            watched, untold = watched_projects(self.sessions, self._settings, pool)
            wanted = _chosen(watched, projects)
        gathered = _Gathered()
        for name in untold:
            gathered.miss(Listing.PROJECTS, f"these credentials can't tell whether {name} is watched")
        with (
            ThreadPoolExecutor(5, thread_name_prefix="service") as services,
            ThreadPoolExecutor(self._settings.concurrency, thread_name_prefix="openstack") as pool,
        ):
            run = _Run(self, pool, gathered, wanted)
            flavors = services.submit(run.flavors)
            servers = services.submit(run.servers)
            stacks = services.submit(run.stacks, memory or {})
            volumes = services.submit(run.volumes)
            networks = services.submit(run.networks)
            found_stacks, contents = stacks.result()
            known = flavors.result()
            return Inventory(
                began=began,
                projects=watched,
                flavors=known,
                stacks=found_stacks,
                contents=contents,
                servers=run.with_flavors(servers.result(), known),
                volumes=volumes.result(),
                networks=networks.result(),
                gaps=tuple(gathered.gaps),
            )

    def confirm(self, keys: Sequence[Key]) -> dict[Key, Verdict]:
        """Asks for each missing object by its id (see `absences`)."""
        with ThreadPoolExecutor(self._settings.concurrency, thread_name_prefix="openstack") as pool:
            wide = {name for name, way in self.ways.items() if way == CLOUD_WIDE}
            return confirm(self.sessions, keys, pool, wide)

    @property
    def scope(self) -> ReadScope:
        """How it is to be read, as set."""
        return self._settings.scope


def _chosen(watched: Mapping[str, Project], wanted: Collection[str] | None) -> dict[str, Project]:
    if wanted is None:
        return dict(watched)
    chosen = {p.id: p for p in watched.values() if p.id in wanted or p.name in wanted}
    missing = sorted(set(wanted) - set(chosen) - {project.name for project in chosen.values()})
    if missing:
        names = ", ".join(sorted(project.name for project in watched.values())) or "none"
        raise CloudError(f"not a watched project: {', '.join(missing)}", f"Watched projects: {names}.")
    return chosen


class _Run:
    """One reading under way."""

    def __init__(
        self,
        reader: CloudReader,
        pool: ThreadPoolExecutor,
        gathered: _Gathered,
        projects: Mapping[str, Project],
    ) -> None:
        self._reader = reader
        self._sessions = reader.sessions
        self._pool = pool
        self._gathered = gathered
        self._projects = projects

    def flavors(self) -> dict[str, Any]:
        """Flavors, public and private as far as they may be seen."""

        def ask(session: ProjectSession, _: bool) -> list[Record]:
            version = session.microversion(COMPUTE, nova.FLAVORS_VERSION)
            params = {"is_public": "None"}
            return listing(session, COMPUTE, "/flavors/detail", "flavors", params, microversion=version)

        def is_honest(_: Sequence[Record], __: str) -> bool:
            return "admin" in self._sessions.base.access().role_names

        records = self._read(_Question(COMPUTE, Listing.FLAVORS, ask, is_honest))
        return {flavor.id: flavor for flavor in map(nova.flavor_from, records)}

    def servers(self) -> dict[str, Server]:
        """Servers of the wanted projects."""

        def ask(session: ProjectSession, cloud_wide: bool) -> list[Record]:
            version = session.microversion(COMPUTE, nova.SERVERS_VERSION)
            params = {"all_tenants": "1"} if cloud_wide else {}
            return listing(session, COMPUTE, "/servers/detail", "servers", params, microversion=version)

        records = self._read(_Question(COMPUTE, Listing.SERVERS, ask, lambda *_: True))
        servers = [nova.server_from(record) for record in records]
        return {server.id: server for server in servers if server.project_id in self._projects}

    def volumes(self) -> dict[str, Volume]:
        """Volumes of the wanted projects."""

        def ask(session: ProjectSession, cloud_wide: bool) -> list[Record]:
            params = {"all_tenants": "1"} if cloud_wide else {}
            return listing(session, VOLUME, "/volumes/detail", "volumes", params)

        def is_honest(records: Sequence[Record], own: str) -> bool:
            return any(
                "os-vol-host-attr:host" in r or r.get("os-vol-tenant-attr:tenant_id") not in (None, own)
                for r in records
            )

        records = self._read(_Question(VOLUME, Listing.VOLUMES, ask, is_honest, "os-vol-tenant-attr:tenant_id"))
        return {v.id: v for v in map(storage.volume_from, records) if v.project_id in self._projects}

    def networks(self) -> dict[str, Network]:
        """Networks of the wanted projects with their subnets' CIDRs."""

        def ask(session: ProjectSession, _: bool) -> list[Record]:
            return listing(session, NETWORK, "/networks", "networks", {})

        def ask_subnets(session: ProjectSession, _: bool) -> list[Record]:
            return listing(session, NETWORK, "/subnets", "subnets", {})

        def is_honest(records: Sequence[Record], _: str) -> bool:
            return any("provider:network_type" in record for record in records)

        records = self._read(_Question(NETWORK, Listing.NETWORKS, ask, is_honest))
        wide = self._reader.ways.get("Neutron") == CLOUD_WIDE
        subnets = self._read(_Question(NETWORK, Listing.SUBNETS, ask_subnets, lambda *_: wide))
        whole = not any(gap.listing is Listing.SUBNETS for gap in self._gathered.gaps)
        cidrs = storage.cidrs_by_network(subnets) if whole else None
        networks = [storage.network_from(record, cidrs) for record in records]
        return {network.id: network for network in networks if network.project_id in self._projects}

    def stacks(self, memory: Mapping[str, RememberedStack]) -> tuple[dict[str, Stack], dict[str, StackContent]]:
        """Top-level stacks of the wanted projects, and what each holds."""

        def ask(session: ProjectSession, cloud_wide: bool) -> list[Record]:
            own = session.project_id
            others = [item for item in self._projects if item != own]
            path = others[0] if cloud_wide and others else own
            return marked_listing(session, ORCHESTRATION, stack_url(session, path), "stacks", {"limit": "1000"})

        def is_honest(records: Sequence[Record], own: str) -> bool:
            # Whoever may use another project's path is an admin to Heat, and an admin's listing is everybody's.
            return any(item != own for item in self._projects) or all(project_of(r) == own for r in records)

        records = self._read(_Question(ORCHESTRATION, Listing.STACKS, ask, is_honest))
        stacks = [stack_from(record) for record in records if is_top_level(record)]
        found = {stack.id: stack for stack in stacks if stack.project_id in self._projects}
        contents = self._contents(found, memory)
        for gone in [item for item in found if contents.get(item) is None and item in contents]:
            del found[gone]
        return found, {item: content for item, content in contents.items() if content is not None}

    def _contents(
        self, stacks: Mapping[str, Stack], memory: Mapping[str, RememberedStack]
    ) -> dict[str, StackContent | None]:
        known: dict[str, StackContent | None] = {}
        asked = []
        for stack in stacks.values():
            past = memory.get(stack.id)
            if past and (past.status, past.updated) == (stack.status, stack.updated):
                known[stack.id] = past.content
            else:
                asked.append(stack)
        for stack, answer in zip(asked, self._pool.map(self._content, asked), strict=True):
            if isinstance(answer, StackContent):
                known[stack.id] = answer
            else:
                self._gathered.miss(Listing.RESOURCES, str(answer), stack.project_id, stack_id=stack.id)
                if isinstance(answer, NotFound):
                    self._gathered.miss(Listing.STACKS, str(answer), stack.project_id, stack_id=stack.id)
                    known[stack.id] = None
        return known

    def _content(self, stack: Stack) -> StackContent | CloudError:
        try:
            wide = self._reader.ways.get("Heat") == CLOUD_WIDE
            session = self._sessions.base if wide else self._sessions.of_project(stack.project_id)
            return read_content(session, stack)
        except CloudError as error:
            return error

    def with_flavors(self, servers: dict[str, Server], flavors: Mapping[str, Any]) -> dict[str, Server]:
        """Asks those servers whose flavor is not listed what they remember of it."""
        if not flavors:
            return servers
        lost = [server for server in servers.values() if server.flavor_id not in flavors and server.flavor is None]

        def ask(server: Server) -> Server:
            try:
                wide = self._reader.ways.get("Nova") == CLOUD_WIDE
                session = self._sessions.for_object(server.project_id, cloud_wide=wide)
                version = session.microversion(COMPUTE, nova.EMBEDDED_VERSION)
                body = session.get(COMPUTE, f"/servers/{server.id}", key="server", microversion=version)
                flavor = body["server"].get("flavor") or {}
                return replace(server, flavor=nova.embedded_flavor(flavor)) if "vcpus" in flavor else server
            except CloudError:
                return server

        return servers | {server.id: server for server in self._pool.map(ask, lost)}

    def _read(self, question: _Question) -> list[Record]:
        name = _SERVICE_NAMES[question.service]
        base = self._sessions.base
        if not self._projects:
            return []
        if not self._catalog_session().offers(question.service):
            self._reader.ways[name] = ABSENT
            self._gathered.miss(question.listing, "not in the catalog", absent=True)
            return []
        if self._reader.scope is not ReadScope.PROJECT and base.project_id:
            answer = self._read_cloud(question, base)
            if answer is not None:
                self._reader.ways[name] = CLOUD_WIDE
                return answer
        self._reader.ways[name] = PER_PROJECT
        return list(self._read_projects(question))

    def _catalog_session(self) -> ProjectSession:
        """An unscoped login has no catalog; any project's has."""
        self._sessions.for_object(next(iter(self._projects)), cloud_wide=True)
        return self._sessions.scoped

    def _read_cloud(self, question: _Question, base: ProjectSession) -> list[Record] | None:
        """The cloud-wide answer; None when it must be asked per project."""
        only = self._reader.scope is ReadScope.CLOUD
        try:
            records = question.ask(base, True)
        except CloudError as error:
            if error.status in (400, 401, 403, 404) and not only:
                return None
            self._gathered.miss(question.listing, str(error))
            return []
        if question.is_honest(records, base.project_id):
            return records
        if only:
            self._gathered.miss(
                question.listing, "these credentials may see only a part of it (openstack.scope: cloud)"
            )
            return records
        return None

    def _read_projects(self, question: _Question) -> Iterable[Record]:
        def ask(project_id: str) -> list[Record] | CloudError:
            try:
                return question.ask(self._sessions.of_project(project_id), False)
            except CloudError as error:
                return error

        seen: set[str] = set()
        for project_id, answer in zip(self._projects, self._pool.map(ask, self._projects), strict=True):
            if isinstance(answer, CloudError):
                self._gathered.miss(question.listing, str(answer), project_id)
                continue
            for record in answer:
                if record["id"] not in seen:
                    seen.add(record["id"])
                    yield {question.project_key: project_id, **record} if question.project_key else record


_SERVICE_NAMES = {COMPUTE: "Nova", ORCHESTRATION: "Heat", VOLUME: "Cinder", NETWORK: "Neutron"}
