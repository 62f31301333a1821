"""One reading of the cloud in progress: cloud-wide where that is reliable, else per project.

A listing that is silently filtered by the credentials must never pass for the whole cloud. Nova rejects `all_tenants`
explicitly, and Heat the paths of other projects. Cinder and Neutron just omit objects, so their cloud-wide response
counts only if it contains evidence that it is complete.
"""

from __future__ import annotations

import threading
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping, MutableMapping, Sequence
from concurrent.futures import Executor
from dataclasses import dataclass, field, replace
from operator import attrgetter
from typing import Any, Generic, TypeVar

from cos_update.model.cloud_memory import Newest, latest
from cos_update.model.errors import CloudError, CloudLoginError
from cos_update.model.kinds import ResourceKind
from cos_update.model.openstack import (
    Flavor,
    Gap,
    Inventory,
    Membership,
    Network,
    Project,
    Server,
    Stack,
    StackContent,
    Volume,
)
from cos_update.model.progress import OnProgress, Progress, no_progress
from cos_update.model.settings import ReadScope
from cos_update.openstack import cinder, neutron, nova
from cos_update.openstack.heat import LISTED, is_top_level, read_content, stack_from, stack_url
from cos_update.openstack.pages import Pages, linked, marked
from cos_update.openstack.refusals import NotFound
from cos_update.openstack.session import (
    COMPUTE,
    MISSHAPEN,
    NETWORK,
    ORCHESTRATION,
    SERVICE_TYPE,
    VOLUME,
    ProjectSession,
)
from cos_update.openstack.sessions import Sessions
from cos_update.openstack.stack_members import unchanged

Record = Mapping[str, Any]
T = TypeVar("T")
CLOUD_WIDE, PER_PROJECT, ABSENT = "cloud-wide", "per project", "absent"


@dataclass(slots=True)
class _Evidence:
    """Whether a response contains evidence that it covers the whole cloud."""

    found: bool = False

    def note(self, *, whole: bool) -> None:
        """Records the evidence of one record."""
        self.found = self.found or whole


@dataclass(frozen=True, slots=True)
class _Question(Generic[T]):
    """How to request one listing in a session, and whether a cloud-wide response is complete."""

    kind: ResourceKind
    ask: Callable[[ProjectSession, bool], list[T]]
    is_honest: Callable[[Sequence[T], str], bool]
    own: Callable[[T, str], T] = lambda item, _: item
    """Sets the project of an item, which policy may hide from users of the project itself."""
    key: Callable[[T], object] = attrgetter("id")


def remembered_flavor(session: ProjectSession, server_id: str) -> Flavor | None:
    """The flavor embedded in a server; None if there is none. Raises CloudError."""
    version = session.microversion(COMPUTE, nova.EMBEDDED_VERSION)
    body = session.get(COMPUTE, f"/servers/{server_id}", key="server", microversion=version, of_many=True)
    flavor = body["server"].get("flavor") or {}
    return nova.embedded_flavor(flavor) if "vcpus" in flavor else None


@dataclass(slots=True)
class Reading:
    """The state of a reading, shared by several threads; `read_scopes` has the scope of each service."""

    sessions: Sessions
    scope: ReadScope
    read_scopes: MutableMapping[str, str]
    pool: Executor
    projects: Mapping[str, Project]
    on_progress: OnProgress = no_progress
    scopes: dict[ResourceKind, str] = field(default_factory=dict)
    """The scope in which each kind was read."""
    newest: dict[ResourceKind, tuple[Newest, ...]] = field(default_factory=dict)
    """The latest changes in each listing."""
    listed: Counter[ResourceKind] = field(default_factory=Counter)
    """The number of objects in each listing, other projects' included."""
    _gaps: list[Gap] = field(default_factory=list)
    _lock: threading.Lock = field(default_factory=threading.Lock)

    @property
    def gaps(self) -> tuple[Gap, ...]:
        """What could not be read so far."""
        with self._lock:
            return tuple(self._gaps)

    def miss(self, kind: ResourceKind, why: str | CloudError, project_id: str | None = None, **more: Any) -> None:
        """Records that the listing of a kind is incomplete."""
        if isinstance(why, CloudError):
            more = {"hint": why.hint, "of_login": isinstance(why, CloudLoginError) and project_id is not None} | more
        with self._lock:
            self._gaps.append(Gap(kind, str(why), project_id, **more))

    def flavors(self) -> dict[str, Flavor]:
        """Flavors: public ones, and private ones that are visible to these credentials."""

        def ask(session: ProjectSession, _: bool) -> list[Flavor]:
            version = session.microversion(COMPUTE, nova.FLAVORS_VERSION)
            pages = linked(session, COMPUTE, "/flavors/detail", "flavors", version)
            return pages.read({"is_public": "None"}, nova.flavor_from)

        def is_honest(_: Sequence[Flavor], __: str) -> bool:
            return "admin" in self.sessions.base.access().role_names

        return {flavor.id: flavor for flavor in self._read(_Question(ResourceKind.FLAVOR, ask, is_honest))}

    def servers(self) -> dict[str, Server]:
        """Servers of the requested projects."""

        def ask(session: ProjectSession, cloud_wide: bool) -> list[Server]:
            version = session.microversion(COMPUTE, nova.SERVERS_VERSION)
            pages = linked(session, COMPUTE, "/servers/detail", "servers", version)
            params = {"all_tenants": "1"} if cloud_wide else {}
            return self._counted(ResourceKind.SERVER, pages, params, "updated", nova.server_from)

        servers = self._read(_Question(ResourceKind.SERVER, ask, lambda *_: True))
        return {server.id: server for server in servers if server.project_id in self.projects}

    def with_flavors(self, servers: dict[str, Server], flavors: Mapping[str, Flavor]) -> dict[str, Server]:
        """Reads the embedded flavor of servers whose flavor is not listed."""
        if not flavors:
            return servers
        lost = [server for server in servers.values() if server.flavor_id not in flavors and server.flavor is None]

        def ask(server: Server) -> Server:
            try:
                wide = self.read_scopes.get("Nova") == CLOUD_WIDE
                session = self.sessions.for_object(server.project_id, cloud_wide=wide)
                return replace(server, flavor=remembered_flavor(session, server.id))
            except CloudError:
                return server

        return servers | {server.id: server for server in self.pool.map(ask, lost)}

    def volumes(self) -> dict[str, Volume]:
        """Volumes of the requested projects."""
        hosts = _Evidence()

        def take(record: Record) -> Volume:
            hosts.note(whole="os-vol-host-attr:host" in record)
            return cinder.volume_from(record)

        def ask(session: ProjectSession, cloud_wide: bool) -> list[Volume]:
            params = {"all_tenants": "1"} if cloud_wide else {}
            pages = linked(session, VOLUME, "/volumes/detail", "volumes")
            found = self._counted(ResourceKind.VOLUME, pages, params, "updated_at", take)
            if cloud_wide and not found:
                hosts.note(whole=_may_ask_for_services(session))
            return found

        def is_honest(volumes: Sequence[Volume], own: str) -> bool:
            return hosts.found or any(volume.project_id not in ("", own) for volume in volumes)

        def own(volume: Volume, project_id: str) -> Volume:
            return volume if volume.project_id else replace(volume, project_id=project_id)

        volumes = self._read(_Question(ResourceKind.VOLUME, ask, is_honest, own))
        return {volume.id: volume for volume in volumes if volume.project_id in self.projects}

    def networks(self) -> dict[str, Network]:
        """Networks of the requested projects with their subnets' CIDRs."""
        networks, _ = self.listed_networks()
        return self.with_cidrs(networks)

    def listed_networks(self) -> tuple[dict[str, Network], dict[str, str]]:
        """Networks of the requested projects without CIDRs, and when each last changed ("": unknown), by id."""
        provider = _Evidence()
        times: dict[str, str] = {}

        def take(record: Record) -> Network:
            provider.note(whole="provider:network_type" in record)
            newest = newest_of(record, "updated_at")
            times[newest.id] = newest.time
            return neutron.network_from(record, None)

        def ask(session: ProjectSession, _: bool) -> list[Network]:
            pages = linked(session, NETWORK, "/networks", "networks")
            return self._counted(ResourceKind.NETWORK, pages, {}, "updated_at", take)

        found = self._read(_Question(ResourceKind.NETWORK, ask, lambda *_: provider.found))
        return {network.id: network for network in found if network.project_id in self.projects}, times

    def with_cidrs(self, networks: dict[str, Network]) -> dict[str, Network]:
        """The networks with their subnets' CIDRs, if these can be read."""
        cidrs = self._cidrs()
        if cidrs is None:
            return networks
        return {n.id: replace(n, cidrs=tuple(sorted(cidrs.get(n.id, ())))) for n in networks.values()}

    def _cidrs(self) -> dict[str, list[str]] | None:
        """The CIDRs by network id; None if the subnets could not be read."""
        wide = self.read_scopes.get("Neutron") == CLOUD_WIDE

        def ask(session: ProjectSession, _: bool) -> list[neutron.Subnet]:
            return linked(session, NETWORK, "/subnets", "subnets").read({}, neutron.subnet_from)

        subnets = self._read(_Question(ResourceKind.SUBNET, ask, lambda *_: wide))
        if any(gap.kind is ResourceKind.SUBNET for gap in self.gaps):
            return None
        return neutron.cidrs_of(subnets)

    def stacks(self, memory: Membership) -> tuple[dict[str, Stack], dict[str, StackContent]]:
        """Top-level stacks of the requested projects, and the content of unchanged ones from memory."""

        def take(record: Record) -> Stack | None:
            return stack_from(record) if is_top_level(record) else None

        def ask(session: ProjectSession, cloud_wide: bool) -> list[Stack]:
            own = session.project_id
            others = [item for item in self.projects if item != own]
            path = others[0] if cloud_wide and others else own
            pages = marked(session, ORCHESTRATION, stack_url(session, path), "stacks")
            return [stack for stack in pages.read(LISTED, take) if stack is not None]

        def is_honest(stacks: Sequence[Stack], own: str) -> bool:
            # Heat lets only admins use another project's path, and an admin's listing covers all projects.
            return any(item != own for item in self.projects) or all(stack.project_id == own for stack in stacks)

        stacks = self._read(_Question(ResourceKind.STACK, ask, is_honest))
        found = {stack.id: stack for stack in stacks if stack.project_id in self.projects}
        known = unchanged(found, memory)
        rest = [stack for stack in found.values() if stack.id not in known]
        inventory = self.with_contents(Inventory(0.0, stacks=found, contents=known), rest)
        return dict(inventory.stacks), dict(inventory.contents)

    def with_contents(self, inventory: Inventory, stacks: Sequence[Stack]) -> Inventory:
        """Reads the content of these stacks. Unreadable stacks lose their content, stacks that are gone are dropped."""
        if not stacks:
            return inventory
        found, contents = dict(inventory.stacks), dict(inventory.contents)
        for number, (stack, answer) in enumerate(zip(stacks, self.pool.map(self._content, stacks), strict=True), 1):
            self.on_progress(Progress("Heat", number, len(stacks)))
            if isinstance(answer, StackContent):
                contents[stack.id] = answer
                continue
            contents.pop(stack.id, None)
            if isinstance(answer, NotFound):
                reason = f"stack {stack.name} is gone since it was listed"
                self.miss(ResourceKind.STACK, reason, stack.project_id, stack_id=stack.id)
                del found[stack.id]
            else:
                self.miss(ResourceKind.RESOURCE, answer, stack.project_id, stack_id=stack.id)
        return replace(inventory, stacks=found, contents=contents, gaps=self.gaps)

    def _content(self, stack: Stack) -> StackContent | CloudError:
        try:
            wide = self.read_scopes.get("Heat") == CLOUD_WIDE
            session = self.sessions.base if wide else self.sessions.of_project(stack.project_id)
            return read_content(session, stack)
        except CloudError as error:
            return error
        except MISSHAPEN:
            return CloudError("a response in an unexpected format")

    def _counted(
        self, kind: ResourceKind, pages: Pages, params: Mapping[str, str], time_key: str, take: Callable[[Record], T]
    ) -> list[T]:
        """The items of `pages`; records their number and the latest change."""
        times: list[Newest] = []

        def taken(record: Record) -> T:
            times.append(newest_of(record, time_key))
            return take(record)

        found = pages.read(params, taken)
        with self._lock:
            self.newest[kind] = latest({*times, *self.newest.get(kind, ())})
            self.listed[kind] += len(found)
        return found

    def _read(self, question: _Question[T]) -> list[T]:
        base = self.sessions.base
        if not self.projects:
            return []
        if not self.offers(question.kind):
            self._note_scope(question.kind, ABSENT)
            self.miss(question.kind, "not in the catalog", absent=True)
            return []
        if self.scope is not ReadScope.PROJECT and base.project_id:
            answer = self._read_cloud(question, base)
            if answer is not None:
                self._note_scope(question.kind, CLOUD_WIDE)
                return answer
        self._note_scope(question.kind, PER_PROJECT)
        return list(self._read_projects(question))

    def _note_scope(self, kind: ResourceKind, scope: str) -> None:
        self.read_scopes[kind.service] = self.scopes[kind] = scope

    def offers(self, kind: ResourceKind) -> bool:
        """Whether the catalog has the service of this kind."""
        return self._catalog_session().offers(SERVICE_TYPE[kind.service])

    def _catalog_session(self) -> ProjectSession:
        """A session with a catalog: an unscoped login has none, any project's session has."""
        if not self.sessions.base.project_id:
            self.sessions.for_object(next(iter(self.projects)), cloud_wide=True)
        return self.sessions.scoped

    def _read_cloud(self, question: _Question[T], base: ProjectSession) -> list[T] | None:
        """The cloud-wide listing; None if it must be read per project."""
        only = self.scope is ReadScope.CLOUD
        try:
            items = question.ask(base, True)
        except CloudError as error:
            if error.status in (400, 401, 403, 404) and not only:
                return None
            self.miss(question.kind, error)
            return []
        if question.is_honest(items, base.project_id):
            return items
        if only:
            self.miss(question.kind, "these credentials may see only a part of it (openstack.scope: cloud)")
            return items
        return None

    def _read_projects(self, question: _Question[T]) -> Iterator[T]:
        def ask(project_id: str) -> Iterable[T] | CloudError:
            try:
                session = self.sessions.of_project(project_id)
                session.access()
                return question.ask(session, False)
            except CloudError as error:
                return error

        seen: set[object] = set()
        for project_id, answer in zip(self.projects, self.pool.map(ask, self.projects), strict=True):
            if isinstance(answer, CloudError):
                self.miss(question.kind, answer, project_id)
                continue
            for item in answer:
                if (key := question.key(item)) not in seen:
                    seen.add(key)
                    yield question.own(item, project_id)


def newest_of(record: Record, time_key: str) -> Newest:
    """The time of an object's last change, from its record."""
    time = record.get(time_key)
    return Newest(time if isinstance(time, str) else "", str(record["id"]))


def _may_ask_for_services(session: ProjectSession) -> bool:
    """Whether Cinder treats the login as an admin's, if there is no volume that would show it."""
    try:
        session.get(VOLUME, "/os-services", key="services")
    except CloudError:
        return False
    return True
