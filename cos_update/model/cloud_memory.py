"""The memory of one reading of the cloud, with which the next one can be incremental. Pure.

A listing of changes has new and changed objects, few deleted ones, and never everything. So absence from it means
nothing: a known object is kept until its service reports it as deleted or returns 404 for its id. Periodically, and on
any doubt, the cloud is read in full.

All times are those of the services' own clocks, as Unix times.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from heapq import nlargest
from typing import Generic, NamedTuple, TypeVar

from cos_update.model.kinds import ResourceKind
from cos_update.model.openstack import Network, Server, Volume

T = TypeVar("T")

OVERLAP = 60.0
"""Seconds by which requests for changes overlap with the last reading.

They cover changes that had a timestamp but were not committed yet (a database gives up waiting for a lock after 50 s),
and differing clocks of a service's hosts.
"""
FRESH = 3600.0
"""Seconds after which the memory is too old: services purge deleted objects."""
WITNESS_AGE = 2 * 24 * 3600.0
"""Maximum age in seconds of a witness in Nova, whose listing includes all servers deleted since."""
MANY = 5
"""If more than one in this many objects has changed, a listing of changes is as expensive as a full one."""
FEW = 50
"""Up to this many changed objects are never too many."""


WITNESSES = 5
"""The number of latest changes to remember per listing."""


class Newest(NamedTuple):
    """One of the latest changes in a listing: its time as the service writes it, and the object's id.

    The latest one is requested again each time, as a witness: if it is missing, the service ignored the filter, or its
    database was restored from a backup, or the object is gone. Then another one must serve as the witness.
    """

    time: str
    id: str


@dataclass(frozen=True, slots=True)
class CloudMemory:
    """The objects of the watched projects as last read, and the basis for an incremental reading.

    `clocks` has each service's clock time at the start of the reading. `source` identifies the cloud and how it is
    read, `read_scopes` the scope of each service. `unfiltered` are services that do not support listing changes.
    `listed` is the number of objects in a full listing by kind, including unwatched projects. `ports` has a checksum
    of each server's ports and floating IPs, if Neutron must list them in full. `passes` counts incremental readings
    since the last full one; `doubt` says why the next one must be full.
    """

    servers: Mapping[str, Server] = field(default_factory=dict)
    volumes: Mapping[str, Volume] = field(default_factory=dict)
    networks: Mapping[str, Network] = field(default_factory=dict)
    projects: frozenset[str] = frozenset()
    source: str = ""
    read_scopes: Mapping[str, str] = field(default_factory=dict)
    clocks: Mapping[str, float] = field(default_factory=dict)
    newest: Mapping[ResourceKind, tuple[Newest, ...]] = field(default_factory=dict)
    unfiltered: frozenset[str] = frozenset()
    listed: Mapping[ResourceKind, int] = field(default_factory=dict)
    ports: Mapping[str, int] = field(default_factory=dict)
    passes: int = 0
    doubt: str = ""


@dataclass(frozen=True, slots=True)
class Changes(Generic[T]):
    """The result of one listing of changes: objects by id, and the ids of deleted ones.

    `is_whole`: it was a full listing after all, so absence from it counts.
    """

    found: Mapping[str, T] = field(default_factory=dict)
    deleted: frozenset[str] = frozenset()
    newest: tuple[Newest, ...] = ()
    is_whole: bool = False

    @property
    def named(self) -> int:
        """The number of objects in the listing."""
        return len(self.found) + len(self.deleted)


def why_full(memory: CloudMemory | None, projects: Collection[str], source: str, every: int) -> str:
    """Why the cloud must be read in full, for people; "" if an incremental reading will do.

    `projects` are the ids of the watched projects, `every` is the setting full_cloud_read_every.
    """
    if every <= 1:
        return "full_cloud_read_every is 1"
    if memory is None:
        return "nothing is remembered"
    if memory.doubt:
        return memory.doubt
    if memory.source != source:
        return "it is another cloud, or read in another way"
    if memory.projects != frozenset(projects):
        return "other projects are watched"
    if memory.passes + 1 >= every:
        return f"every {every} passes"
    return ""


def since(memory: CloudMemory, kind: ResourceKind) -> float | None:
    """The time since which to request changes; None if the listing must be read in full."""
    clock = memory.clocks.get(kind.service)
    if clock is None or kind.service in memory.unfiltered:
        return None
    witness = witness_of(memory, kind)
    times = [unix_time(witness.time)] if witness else []
    return min(clock - OVERLAP, *(time for time in times if time is not None)) if times else clock - OVERLAP


def witness_of(memory: CloudMemory, kind: ResourceKind) -> Newest | None:
    """The change that the next listing must contain; None if there is none that is cheap enough."""
    newest = next(iter(memory.newest.get(kind, ())), None)
    time = unix_time(newest.time) if newest else None
    if newest is None or time is None:
        return None
    clock = memory.clocks.get(kind.service, time)
    return None if kind is ResourceKind.SERVER and time < clock - WITNESS_AGE else newest


def doubt_of_clocks(memory: CloudMemory, clocks: Mapping[str, float]) -> str:
    """Why the services' clocks contradict their earlier times; "" if they do not."""
    for service, before in sorted(memory.clocks.items()):
        now = clocks.get(service)
        if now is None:
            return f"{service} sent no time"
        if now < before - OVERLAP:
            return f"the clock of {service} has gone back"
        if now > before + FRESH:
            return f"the memory of {service} is more than {FRESH / 3600:g} h old"
    return ""


def doubt_of_answer(memory: CloudMemory, kind: ResourceKind, changes: Changes[T]) -> str:
    """Why a listing of changes is not reliable; "" if it is."""
    witness = witness_of(memory, kind)
    if changes.is_whole or witness is None or witness.id in changes.found or witness.id in changes.deleted:
        return ""
    return f"{kind.service} no longer lists a change that it has listed before"


def is_dear(known: int, changes: Changes[T]) -> bool:
    """Whether so many of the `known` objects have changed that a full listing would have cost no more."""
    return not changes.is_whole and changes.named > FEW and changes.named * MANY > known


def merged(known: Mapping[str, T], changes: Changes[T]) -> dict[str, T]:
    """The known objects after a listing of changes: with new and changed ones, without deleted ones."""
    if changes.is_whole:
        return dict(changes.found)
    return {item: thing for item, thing in {**known, **changes.found}.items() if item not in changes.deleted}


def newest_after(memory: CloudMemory, kind: ResourceKind, changes: Changes[T]) -> tuple[Newest, ...]:
    """The witnesses for later readings, the latest first.

    The listing's state of an object counts, even if it is older than the known one: a change may be committed after a
    later one. A witness that should have been in the listing but was not is dropped.
    """
    if changes.is_whole:
        return changes.newest
    answered = {newest.id for newest in changes.newest}
    former = witness_of(memory, kind)
    before = (n for n in memory.newest.get(kind, ()) if n != former and n.id not in answered)
    return latest([*changes.newest, *before])


def latest(newest: Iterable[Newest]) -> tuple[Newest, ...]:
    """The few latest of these changes, latest first; a service writes its times so that they sort as texts."""
    return tuple(nlargest(WITNESSES, (each for each in newest if each.time)))


def time_text(unix: float) -> str:
    """A Unix time in the services' format, in whole seconds and without a zone."""
    return f"{datetime.fromtimestamp(int(unix), UTC):%Y-%m-%dT%H:%M:%S}"


def unix_time(text: str) -> float | None:
    """The Unix time of a service's time (ISO 8601, UTC, with or without Z); None if invalid."""
    try:
        time = datetime.fromisoformat(text)
    except ValueError:
        return None
    return (time if time.tzinfo else time.replace(tzinfo=UTC)).timestamp()
