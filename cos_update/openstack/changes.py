"""One reading of the cloud by changes: what has changed since the last one, and only that.

What the listings by changes tell, seen on Zed (Nova 2.93, Cinder 3.70, Neutron 21) to an admin and to who has only the
role `watcher` alike:

FACTS

Whatever is told of is read anew, and so are the servers that a changed volume, port or floating IP leads to. What
nobody tells of (an object deleted from Cinder or Neutron while its stack stays as it was, what is marked `no` above)
is found by the next full reading, and by the listener.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from typing import Any, Generic, TypeVar

from cos_update.model.cloud_memory import (
    OVERLAP,
    Changes,
    CloudMemory,
    Newest,
    doubt_of_answer,
    doubt_of_clocks,
    is_dear,
    latest,
    merged,
    newest_after,
    since,
    time_text,
    witness_of,
)
from cos_update.model.errors import CloudError
from cos_update.model.events import Key
from cos_update.model.kinds import DEVICES, ResourceKind
from cos_update.model.openstack import Gap, Inventory, Membership, Network, Server, Volume
from cos_update.openstack import cinder, neutron, nova
from cos_update.openstack.listings import ABSENT, CLOUD_WIDE, Reading, newest_of
from cos_update.openstack.pages import Query, linked
from cos_update.openstack.ports import PortChanges, changed_ports, compared_ports
from cos_update.openstack.session import COMPUTE, NETWORK, SERVICE_TYPE, VOLUME, NotFound, ProjectSession
from cos_update.openstack.single_objects import Asked, Found, ObjectReader
from cos_update.openstack.stack_members import likely, newcomers, possible, shrunken

Record = Mapping[str, Any]
T = TypeVar("T", Server, Volume, Network)
Item = TypeVar("Item")

CINDER_VERSION = (3, 60)
"""The first microversion in which volumes can be asked for by the time of their last change."""
REFUSED = (400, 403)
"""How a service says that it can't be asked for changes, or not by these credentials."""
READ_KINDS = (*DEVICES, ResourceKind.SUBNET)


class DoubtError(Exception):
    """What was told does not go with what is known: the cloud must be read in full. The message says why."""


def remembered(reading: Reading, inventory: Inventory, source: str) -> CloudMemory:
    """What a full reading leaves to the next one; `source` names the cloud and how it is read."""
    return CloudMemory(
        servers=inventory.servers,
        volumes=inventory.volumes,
        networks=inventory.networks,
        projects=frozenset(inventory.projects),
        source=source,
        read_scopes={kind.service: reading.scopes[kind] for kind in DEVICES if kind in reading.scopes},
        clocks=_clocks(reading),
        newest=dict(reading.newest),
        listed=dict(reading.listed),
        doubt=_doubt_of_gaps(inventory.gaps),
    )


def _clocks(reading: Reading) -> dict[str, float]:
    """What the clocks of the services that can be asked for changes said when the reading began."""
    at = reading.sessions.clocks.at_the_beginning()
    services = sorted({kind.service for kind in DEVICES})
    return {service: at[SERVICE_TYPE[service]] for service in services if SERVICE_TYPE[service] in at}


def _doubt_of_gaps(gaps: Iterable[Gap]) -> str:
    """Why the reading after one with these gaps must be full; "" when it need not: Heat is always read in full."""
    missed = sorted({gap.kind.service for gap in gaps if gap.kind in READ_KINDS and not gap.absent})
    return f"{' and '.join(missed)} could not be read completely" if missed else ""


@dataclass(frozen=True, slots=True)
class _Listing(Generic[T]):
    """How one kind is asked for changes.

    `time_key` is the field with the time of the last change, `evidence` the one that only an admin is shown, "" where
    the service refuses honestly; `take` gives None for what is deleted.
    """

    kind: ResourceKind
    path: str
    time_key: str
    evidence: str
    query: Callable[[str], Query]
    microversion: Callable[[ProjectSession], str | None]
    take: Callable[[Record], T | None]
    in_full: Callable[[], Mapping[str, T]]


@dataclass(frozen=True, slots=True)
class _Told(Generic[T]):
    """One record of a listing by changes: when it changed, and what it is (None: deleted)."""

    newest: Newest
    thing: T | None
    has_evidence: bool


class ChangesReading:
    """One reading by changes, on top of what `memory` knows. Raises DoubtError when it can't be believed."""

    def __init__(self, reading: Reading, memory: CloudMemory, objects: ObjectReader) -> None:
        self._reading = reading
        self._memory = memory
        self._objects = objects
        self._unfiltered = set(memory.unfiltered)
        self._newest: dict[ResourceKind, tuple[Newest, ...]] = {}
        self._dear: list[str] = []
        self._recent: set[str] = set()
        """The ids of networks that have changed since the last reading, and are not only told of as a witness."""
        self._gone: set[str] = set()
        """The ids of witnesses that are there no more."""
        self._fresh: set[str] = set()
        """The ids of what was read in this reading."""

    def read(self, inventory: Inventory, past: Membership, recheck: Collection[Key]) -> tuple[Inventory, CloudMemory]:
        """Adds to an inventory that has the projects only all that is known now; and what is to be remembered.

        `past` is what is known of stacks; the objects of `recheck` are read anew, whatever their services tell.
        """
        reading, memory = self._reading, self._memory
        with ThreadPoolExecutor(8, thread_name_prefix="service") as services:
            flavors = services.submit(reading.flavors)
            told_servers = services.submit(self._changes, self._servers())
            stacks = services.submit(reading.stacks, past)
            told_volumes = services.submit(self._changes, self._volumes())
            networks = self._with_subnets(self._changes(self._networks()))
            ports = services.submit(self._ports)
            subnets = services.submit(self._changed_subnets, networks)
            servers, volumes = told_servers.result(), told_volumes.result()
            found_stacks, contents = stacks.result()
            wired, redrawn = ports.result(), subnets.result()
            inventory = replace(
                inventory,
                flavors=flavors.result(),
                stacks=found_stacks,
                contents=contents,
                servers=merged(memory.servers, servers),
                volumes=merged(memory.volumes, volumes),
                networks=merged(memory.networks, networks),
            )
        self._check()
        reading.read_scopes.update(memory.read_scopes)
        inventory = self._look(inventory, recheck)
        inventory = self._look(inventory, _keys(ResourceKind.NETWORK, redrawn))
        inventory = self._look(inventory, _keys(ResourceKind.VOLUME, self._let_go(inventory)))
        inventory = self._look(inventory, _keys(ResourceKind.SERVER, self._led_to(inventory, wired)))
        known = reading.with_flavors(dict(inventory.servers), inventory.flavors)
        inventory = reading.with_contents(replace(inventory, servers=known), shrunken(inventory, past))
        # What has left its stack may be gone, and Cinder and Neutron do not tell of that.
        left = [item for item in newcomers(inventory, past) if item.id not in self._fresh]
        for kind, records in ((kind, inventory.of(kind)) for kind in DEVICES):
            inventory = self._look(inventory, _keys(kind, {item.id for item in left if item.id in records}))
        for unexplained in (likely, possible):
            inventory = reading.with_contents(inventory, unexplained(inventory, past))
        inventory = replace(inventory, gaps=reading.gaps)
        return inventory, self._remembered(inventory, wired)

    def _remembered(self, inventory: Inventory, wired: PortChanges | None) -> CloudMemory:
        doubts = [_doubt_of_gaps(inventory.gaps), *self._dear]
        doubts += ["ports could not be read"] if wired is None else []
        return replace(
            self._memory,
            servers=inventory.servers,
            volumes=inventory.volumes,
            networks=inventory.networks,
            clocks={**self._memory.clocks, **_clocks(self._reading)},
            newest=self._newest,
            unfiltered=frozenset(self._unfiltered),
            ports=(wired.checksums if wired else None) or {},
            passes=self._memory.passes + 1,
            doubt=next(filter(None, doubts), ""),
        )

    def _check(self) -> None:
        """Raises DoubtError when the services' clocks or the ways to read them are not what they were."""
        missed = {gap.kind.service for gap in self._reading.gaps}
        clocks = {name: at for name, at in self._memory.clocks.items() if name not in missed}
        doubt = doubt_of_clocks(replace(self._memory, clocks=clocks), _clocks(self._reading))
        for kind in DEVICES:
            way = self._memory.read_scopes.get(kind.service)
            if self._reading.scopes.get(kind, way) != way:
                doubt = f"{kind.service} is read in another way now"
        if doubt:
            raise DoubtError(doubt)

    def _servers(self) -> _Listing[Server]:
        def take(record: Record) -> Server | None:
            return None if record.get("status") == "DELETED" else nova.server_from(record)

        return _Listing(
            ResourceKind.SERVER,
            "/servers/detail",
            "updated",
            "",
            lambda since: {"changes-since": f"{since}Z"},
            lambda session: session.microversion(COMPUTE, nova.SERVERS_VERSION),
            take,
            self._reading.servers,
        )

    def _volumes(self) -> _Listing[Volume]:
        def version(session: ProjectSession) -> str:
            found = session.microversion(VOLUME, CINDER_VERSION)
            if found != ".".join(map(str, CINDER_VERSION)):
                raise CloudError("its microversion has no such filter", status=REFUSED[0])
            return found

        return _Listing(
            ResourceKind.VOLUME,
            "/volumes/detail",
            "updated_at",
            "os-vol-host-attr:host",
            lambda since: {"updated_at": f"gte:{since}"},
            version,
            cinder.volume_from,
            self._reading.volumes,
        )

    def _networks(self) -> _Listing[Network]:
        return _Listing(
            ResourceKind.NETWORK,
            "/networks",
            "updated_at",
            "provider:network_type",
            lambda since: {"changed_since": f"{since}Z"},
            lambda _: None,
            lambda record: neutron.network_from(record, None),
            self._reading.networks,
        )

    def _changes(self, how: _Listing[T]) -> Changes[T]:
        """What has changed of one kind, else all of it. Raises DoubtError."""
        kind = how.kind
        start = since(self._memory, kind)
        is_absent = self._memory.read_scopes.get(kind.service) == ABSENT
        if start is None or is_absent or (kind is not ResourceKind.SERVER and witness_of(self._memory, kind) is None):
            return self._whole(how)
        text = time_text(start)
        try:
            told = list(self._each(kind, lambda session: self._ask(session, how, text)))
        except CloudError as error:
            if error.status in REFUSED:
                self._unfiltered.add(kind.service)
                return self._whole(how)
            self._reading.miss(kind, str(error))
            return Changes(newest=self._memory.newest.get(kind, ()))
        if any(each.newest.time[: len(text)] < text for each in told):
            # The filter was passed over without a word.
            self._unfiltered.add(kind.service)
            return self._whole(how)
        return self._believed(how, told)

    def _whole(self, how: _Listing[T]) -> Changes[T]:
        found = how.in_full()
        self._fresh |= found.keys()
        self._newest[how.kind] = newest = self._reading.newest.get(how.kind, ())
        return Changes(found, newest=newest, is_whole=True)

    def _ask(self, session: ProjectSession, how: _Listing[T], since: str) -> list[_Told[T]]:
        version = how.microversion(session)
        pages = linked(session, SERVICE_TYPE[how.kind.service], how.path, how.kind.listing, version)
        everybody = {"all_tenants": "1"} if self._is_wide(how.kind) and how.kind is not ResourceKind.NETWORK else {}

        def take(record: Record) -> _Told[T]:
            thing = how.take(record)
            if thing is not None and not thing.project_id:
                thing = replace(thing, project_id=session.project_id)
            return _Told(newest_of(record, how.time_key), thing, how.evidence in record)

        return pages.read({**how.query(since), **everybody}, take)

    def _believed(self, how: _Listing[T], told: list[_Told[T]]) -> Changes[T]:
        """What was told, without what is of no watched project. Raises DoubtError."""
        memory, kind = self._memory, how.kind
        found = {each.newest.id: each.thing for each in told if each.thing is not None}
        deleted = frozenset(each.newest.id for each in told if each.thing is None)
        changes = Changes(found, deleted, latest(each.newest for each in told))
        if self._is_wide(kind) and how.evidence and told and not any(each.has_evidence for each in told):
            raise DoubtError(f"{kind.service} shows these credentials less than before")
        doubt = doubt_of_answer(memory, kind, changes)
        if doubt and not any(gap.kind is kind for gap in self._reading.gaps) and not self._another_testifies(how):
            raise DoubtError(doubt)
        if is_dear(memory.listed.get(kind, 0), changes):
            self._dear.append(f"more than a fifth of all {kind.listing} had changed")
        self._newest[kind] = newest_after(memory, kind, changes)
        elsewhere = {item for item, thing in found.items() if thing.project_id not in self._reading.projects}
        if kind is ResourceKind.NETWORK:
            recent = time_text(memory.clocks[kind.service] - OVERLAP)
            self._recent = {each.newest.id for each in told if each.newest.time >= recent}
        kept = {item: thing for item, thing in found.items() if item not in elsewhere}
        self._fresh |= kept.keys()
        return replace(changes, found=kept, deleted=deleted | elsewhere | self._gone)

    def _another_testifies(self, how: _Listing[T]) -> bool:
        """Whether the latest change is missing only because its object is gone, and the one before is as it was."""
        known: Mapping[str, T] = getattr(self._memory, how.kind.listing)
        for newest in self._memory.newest[how.kind]:
            record = known.get(newest.id)
            if record is None and not self._is_wide(how.kind):
                return False
            try:
                sessions = self._reading.sessions
                session = sessions.of_project(record.project_id) if record and record.project_id else sessions.base
                path = f"{how.path.removesuffix('/detail')}/{newest.id}"
                shown = session.get(SERVICE_TYPE[how.kind.service], path, key=str(how.kind))[str(how.kind)]
            except NotFound:
                self._gone.add(newest.id)
                continue
            except CloudError:
                return False
            return newest != witness_of(self._memory, how.kind) and newest_of(shown, how.time_key) >= newest
        return False

    def _is_wide(self, kind: ResourceKind) -> bool:
        return self._memory.read_scopes.get(kind.service) == CLOUD_WIDE

    def _each(
        self, kind: ResourceKind, ask: Callable[[ProjectSession], list[Item]], *, strict: bool = False
    ) -> Iterator[Item]:
        """The records of every session that is asked.

        A project that fails is a gap, unless `strict`. Raises CloudError when a service refuses such questions.
        """
        sessions = self._reading.sessions
        if self._is_wide(kind):
            yield from ask(sessions.base)
            return

        def of_project(project_id: str) -> list[Item] | CloudError:
            try:
                return ask(sessions.of_project(project_id))
            except CloudError as error:
                return error

        projects = self._reading.projects
        for project_id, answer in zip(projects, self._reading.pool.map(of_project, projects), strict=True):
            if not isinstance(answer, CloudError):
                yield from answer
            elif strict or answer.status in REFUSED:
                raise answer
            else:
                self._reading.miss(kind, str(answer), project_id)

    def _ports(self) -> PortChanges | None:
        """Which servers have other ports or floating IPs; None when they can't be read."""
        memory = self._memory
        service = ResourceKind.NETWORK.service
        if memory.read_scopes.get(service) == ABSENT or service not in memory.clocks:
            return PortChanges()
        text = time_text(memory.clocks[service] - OVERLAP)

        def each(ask: Callable[[ProjectSession], list[Record]]) -> Iterator[Record]:
            return self._each(ResourceKind.NETWORK, ask, strict=True)

        try:
            if service in self._unfiltered:
                return compared_ports(each, text, memory.ports)
            return changed_ports(each, f"{text}Z")
        except CloudError:
            return None

    def _changed_subnets(self, networks: Changes[Network]) -> set[str]:
        """The networks that must be read by their ids to know their subnets."""
        if networks.is_whole or not networks.found:
            return set()
        text = time_text(self._memory.clocks[ResourceKind.NETWORK.service] - OVERLAP)
        params = {"changed_since": f"{text}Z"}

        def ask(session: ProjectSession) -> list[neutron.Subnet]:
            return linked(session, NETWORK, "/subnets", "subnets").read(params, neutron.subnet_from)

        try:
            changed = {subnet.network_id for subnet in self._each(ResourceKind.SUBNET, ask)}
        except CloudError as error:
            self._reading.miss(ResourceKind.SUBNET, str(error))
            changed = set()
        known = self._memory.networks
        return {item for item in changed if item in known} | {
            item
            for item, network in networks.found.items()
            if item in self._recent or item not in known or network != known[item]
        }

    def _with_subnets(self, networks: Changes[Network]) -> Changes[Network]:
        """The networks as told, with the CIDRs that are known of them: a network's own record does not have them."""
        if networks.is_whole:
            return networks
        known = self._memory.networks
        found = {
            item: replace(network, cidrs=known[item].cidrs if item in known else None)
            for item, network in networks.found.items()
        }
        return replace(networks, found=found)

    def _let_go(self, inventory: Inventory) -> set[str]:
        """The volumes that servers had and have no more: Nova may have deleted them with the server."""
        found: set[str] = set()
        for server_id, before in self._memory.servers.items():
            now = inventory.servers.get(server_id)
            if now is not before:
                found.update(set(before.volume_ids).difference(now.volume_ids if now else ()))
        return {item for item in found if item in inventory.volumes and item not in self._fresh}

    def _led_to(self, inventory: Inventory, wired: PortChanges | None) -> set[str]:
        """The servers whose volumes or addresses may have changed: Nova does not tell of that."""
        servers = inventory.servers
        holders: dict[str, set[str]] = defaultdict(set)
        for server in servers.values():
            for volume_id in server.volume_ids:
                holders[volume_id].add(server.id)
        found: set[str] = set()
        for volume in inventory.volumes.values():
            if volume.id in self._fresh:
                found |= holders[volume.id].symmetric_difference(volume.server_ids)
        if wired:
            found |= wired.servers
            if wired.addresses:
                found |= {
                    server.id
                    for server in servers.values()
                    if any(address.floating and address.address in wired.addresses for address in server.addresses)
                }
        return {item for item in found if item in servers and item not in self._fresh}

    def _look(self, inventory: Inventory, keys: Iterable[Key]) -> Inventory:
        """The inventory with these objects as they are now; those that are not there any more are left out of it."""
        wanted: dict[str, dict[ResourceKind, set[str]]] = defaultdict(lambda: defaultdict(set))
        for key in keys:
            if key.kind in DEVICES:
                record = inventory.of(key.kind).get(key.id)
                project_id = record.project_id if record else key.project_id
                if project_id in self._reading.projects:
                    wanted[project_id][key.kind].add(key.id)
        if not wanted:
            return inventory
        sizes = Counter((item.project_id, kind) for kind in DEVICES for item in inventory.of(kind).values())
        records: dict[ResourceKind, dict[str, Any]] = {kind: dict(inventory.of(kind)) for kind in DEVICES}

        def read(project_id: str) -> Found | CloudError:
            asked = Asked(*(frozenset(wanted[project_id][kind]) for kind in DEVICES))
            try:
                return self._objects.read(project_id, asked, {kind: sizes[project_id, kind] for kind in DEVICES})
            except CloudError as error:
                return error

        for project_id, answer in zip(wanted, self._reading.pool.map(read, wanted), strict=True):
            for kind, ids in wanted[project_id].items():
                if isinstance(answer, CloudError):
                    self._reading.miss(kind, str(answer), project_id)
                    continue
                there: Mapping[str, Any] = getattr(answer, kind.listing)
                failed = {key.id: reason for key, reason in answer.failed.items() if key.kind is kind}
                for item in ids - there.keys() - failed.keys():
                    records[kind].pop(item, None)
                records[kind] |= there
                self._fresh |= ids - failed.keys()
                if failed:
                    self._reading.miss(
                        kind, f"{len(failed)} could not be read ({next(iter(failed.values()))})", project_id
                    )
        return replace(
            inventory,
            servers=records[ResourceKind.SERVER],
            volumes=records[ResourceKind.VOLUME],
            networks=records[ResourceKind.NETWORK],
        )


def _keys(kind: ResourceKind, ids: Iterable[str]) -> list[Key]:
    return [Key(kind, item) for item in sorted(ids)]
