"""Listings of changes only, where a service supports them reliably; else full listings."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, replace
from typing import Any, Generic, TypeVar

from cos_update.model.cloud_memory import (
    OVERLAP,
    Changes,
    CloudMemory,
    Newest,
    doubt_of_answer,
    is_dear,
    latest,
    newest_after,
    since,
    time_text,
    witness_of,
)
from cos_update.model.errors import CloudError
from cos_update.model.kinds import ResourceKind
from cos_update.model.openstack import Network, Server, Volume
from cos_update.openstack import cinder, neutron, nova
from cos_update.openstack.listings import CLOUD_WIDE, Reading, newest_of
from cos_update.openstack.pages import Query, linked
from cos_update.openstack.refusals import NotFound
from cos_update.openstack.session import COMPUTE, SERVICE_TYPE, VOLUME, ProjectSession

Record = Mapping[str, Any]
T = TypeVar("T", Server, Volume, Network)
Item = TypeVar("Item")

CINDER_VERSION = (3, 60)
"""The first microversion that can filter volumes by the time of their last change."""
REFUSED = (400, 403)
"""Status codes of a service that does not support listing changes, or not for these credentials."""


class DoubtError(Exception):
    """A listing of changes contradicts what is known, so the cloud must be read in full. The message says why."""


@dataclass(frozen=True, slots=True)
class _Listing(Generic[T]):
    """How to list the changes of one kind.

    `time_key` is the field with the time of the last change. `evidence` is a field that only an admin sees, "" where
    the service refuses others explicitly. `take` returns None for a deleted object.
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
class _Answer(Generic[T]):
    """One record of a listing of changes: the time of the change, and the object (None: deleted)."""

    newest: Newest
    thing: T | None
    has_evidence: bool


class ChangedListings:
    """The listings of changes of one reading, based on `memory`."""

    def __init__(self, reading: Reading, memory: CloudMemory) -> None:
        self._reading = reading
        self._memory = memory
        self._gone: set[str] = set()
        """The ids of witnesses that no longer exist."""
        self.unfiltered = set(memory.unfiltered)
        """The services that do not support listing changes."""
        self.newest: dict[ResourceKind, tuple[Newest, ...]] = {}
        self.dear: list[str] = []
        """Descriptions of listings with so many changes that a full listing would have cost no more."""
        self.redrawn: set[str] = set()
        """The ids of networks whose CIDRs may have changed: a network changes with its subnets."""
        self._recent: set[str] = set()
        """The ids of networks that have changed since the last reading, not those that are listed only as a witness."""
        self.fresh: set[str] = set()
        """The ids of objects read so far."""

    def servers(self) -> Changes[Server]:
        """Changed servers; those with the status DELETED count as deleted. Raises DoubtError."""

        def take(record: Record) -> Server | None:
            return None if record.get("status") == "DELETED" else nova.server_from(record)

        return self._changes(
            _Listing(
                ResourceKind.SERVER,
                "/servers/detail",
                "updated",
                "",
                lambda since: {"changes-since": f"{since}Z"},
                lambda session: session.microversion(COMPUTE, nova.SERVERS_VERSION),
                take,
                self._reading.servers,
            )
        )

    def volumes(self) -> Changes[Volume]:
        """Changed volumes. Raises DoubtError."""

        def version(session: ProjectSession) -> str:
            found = session.microversion(VOLUME, CINDER_VERSION)
            if found != ".".join(map(str, CINDER_VERSION)):
                raise CloudError("its microversion lacks this filter", status=REFUSED[0])
            return found

        return self._changes(
            _Listing(
                ResourceKind.VOLUME,
                "/volumes/detail",
                "updated_at",
                "os-vol-host-attr:host",
                lambda since: {"updated_at": f"gte:{since}"},
                version,
                cinder.volume_from,
                self._reading.volumes,
            )
        )

    def networks(self) -> Changes[Network]:
        """Changed networks, with their known CIDRs, which their records do not contain. Raises DoubtError."""
        networks = self._changes(
            _Listing(
                ResourceKind.NETWORK,
                "/networks",
                "updated_at",
                "provider:network_type",
                lambda since: {"changed_since": f"{since}Z"},
                lambda _: None,
                lambda record: neutron.network_from(record, None),
                self._all_networks,
            )
        )
        return networks if networks.is_whole else replace(networks, found=self._drawn(networks.found))

    def _all_networks(self) -> Mapping[str, Network]:
        """All networks. The subnets are listed only if the networks' times do not tell which of them have changed."""
        networks, times = self._reading.listed_networks()
        if ResourceKind.NETWORK.service not in self._memory.clocks or not all(times.values()):
            return self._reading.with_cidrs(networks)
        self._note_recent(times)
        return self._drawn(networks)

    def _note_recent(self, times: Mapping[str, str]) -> None:
        recent = time_text(self._memory.clocks[ResourceKind.NETWORK.service] - OVERLAP)
        self._recent = {item for item, time in times.items() if time >= recent}

    def _drawn(self, networks: Mapping[str, Network]) -> dict[str, Network]:
        """The networks with their known CIDRs."""
        known = self._memory.networks
        drawn = {n.id: replace(n, cidrs=known[n.id].cidrs if n.id in known else None) for n in networks.values()}
        self.redrawn = {item for item, network in drawn.items() if item in self._recent or network != known.get(item)}
        return drawn

    def _changes(self, how: _Listing[T]) -> Changes[T]:
        """The changes of one kind, or all objects if it does not support that. Raises DoubtError."""
        kind = how.kind
        start = since(self._memory, kind)
        has_witness = kind is ResourceKind.SERVER or witness_of(self._memory, kind) is not None
        if start is None or not has_witness or not self._reading.offers(kind):
            return self._whole(how)
        text = time_text(start)
        try:
            answers = list(self.each(kind, lambda session: self._ask(session, how, text)))
        except CloudError as error:
            if error.status in REFUSED:
                self.unfiltered.add(kind.service)
                return self._whole(how)
            self._reading.miss(kind, error)
            return Changes(newest=self._memory.newest.get(kind, ()))
        if any(each.newest.time[: len(text)] < text for each in answers):
            # The service silently ignored the filter.
            self.unfiltered.add(kind.service)
            return self._whole(how)
        return self._believed(how, answers)

    def _whole(self, how: _Listing[T]) -> Changes[T]:
        found = how.in_full()
        self.fresh |= found.keys()
        self.newest[how.kind] = newest = self._reading.newest.get(how.kind, ())
        return Changes(found, newest=newest, is_whole=True)

    def _ask(self, session: ProjectSession, how: _Listing[T], since: str) -> list[_Answer[T]]:
        version = how.microversion(session)
        pages = linked(session, SERVICE_TYPE[how.kind.service], how.path, how.kind.listing, version)
        everybody = {"all_tenants": "1"} if self.is_wide(how.kind) and how.kind is not ResourceKind.NETWORK else {}

        def take(record: Record) -> _Answer[T]:
            thing = how.take(record)
            if thing is not None and not thing.project_id:
                thing = replace(thing, project_id=session.project_id)
            return _Answer(newest_of(record, how.time_key), thing, how.evidence in record)

        return pages.read({**how.query(since), **everybody}, take)

    def _believed(self, how: _Listing[T], answers: list[_Answer[T]]) -> Changes[T]:
        """The changes in watched projects. Raises DoubtError."""
        memory, kind = self._memory, how.kind
        found = {each.newest.id: each.thing for each in answers if each.thing is not None}
        deleted = frozenset(each.newest.id for each in answers if each.thing is None)
        changes = Changes(found, deleted, latest(each.newest for each in answers))
        if self.is_wide(kind) and how.evidence and answers and not any(each.has_evidence for each in answers):
            raise DoubtError(f"{kind.service} returns less to these credentials than before")
        doubt = doubt_of_answer(memory, kind, changes)
        if doubt and not any(gap.kind is kind for gap in self._reading.gaps) and not self._another_testifies(how):
            raise DoubtError(doubt)
        if is_dear(memory.listed.get(kind, 0), changes):
            self.dear.append(f"more than a fifth of all {kind.listing} had changed")
        self.newest[kind] = newest_after(memory, kind, changes)
        elsewhere = {item for item, thing in found.items() if thing.project_id not in self._reading.projects}
        if kind is ResourceKind.NETWORK:
            self._note_recent({each.newest.id: each.newest.time for each in answers})
        kept = {item: thing for item, thing in found.items() if item not in elsewhere}
        self.fresh |= kept.keys()
        return replace(changes, found=kept, deleted=deleted | elsewhere | self._gone)

    def _another_testifies(self, how: _Listing[T]) -> bool:
        """Whether the latest known change is missing just because its object is gone; the one before must be listed."""
        known: Mapping[str, T] = getattr(self._memory, how.kind.listing)
        for newest in self._memory.newest[how.kind]:
            record = known.get(newest.id)
            if record is None and not self.is_wide(how.kind):
                return False
            try:
                sessions = self._reading.sessions
                session = sessions.base
                if record is not None:
                    session = sessions.for_object(record.project_id, cloud_wide=self.is_wide(how.kind))
                path = f"{how.path.removesuffix('/detail')}/{newest.id}"
                shown = session.get(SERVICE_TYPE[how.kind.service], path, key=str(how.kind))[str(how.kind)]
            except NotFound:
                self._gone.add(newest.id)
                continue
            except CloudError:
                return False
            return newest != witness_of(self._memory, how.kind) and newest_of(shown, how.time_key) >= newest
        return False

    def is_wide(self, kind: ResourceKind) -> bool:
        """Whether one listing of the service covers all projects."""
        return self._memory.read_scopes.get(kind.service) == CLOUD_WIDE

    def each(
        self, kind: ResourceKind, ask: Callable[[ProjectSession], list[Item]], *, strict: bool = False
    ) -> Iterator[Item]:
        """The records from all sessions that must be queried.

        A project that fails becomes a gap, unless `strict`. Raises CloudError if a service refuses such requests.
        """
        sessions = self._reading.sessions
        if self.is_wide(kind):
            yield from ask(sessions.base)
            return

        def of_project(project_id: str) -> list[Item] | CloudError:
            try:
                session = sessions.of_project(project_id)
                session.access()
                return ask(session)
            except CloudError as error:
                return error

        projects = self._reading.projects
        for project_id, answer in zip(projects, self._reading.pool.map(of_project, projects), strict=True):
            if not isinstance(answer, CloudError):
                yield from answer
            elif strict or answer.status in REFUSED:
                raise answer
            else:
                self._reading.miss(kind, answer, project_id)
