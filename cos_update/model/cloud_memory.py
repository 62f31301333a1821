"""What one reading of the cloud leaves to the next, so that this need only ask what has changed. Pure.

A listing by changes tells what is new and what is different, seldom what is gone, and never everything. So absence
from it means nothing; what is known stays until its service calls it deleted or answers 404 to its own id, and now and
then, and on every doubt, the cloud is read in full.

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
"""Seconds before the last reading from which changes are asked for again.

It covers what had its time already and was not committed yet (a database gives up waiting for a lock after 50 s), and
clocks of a service's hosts that differ.
"""
FRESH = 3600.0
"""Seconds after which what is known is too old: services forget what was deleted."""
WITNESS_AGE = 2 * 24 * 3600.0
"""Seconds that Nova's newest change may be old to be asked for again: it comes with all servers deleted since."""
MANY = 5
"""A listing by changes that names more than one in so many objects is as dear as a full one."""
FEW = 50
"""So many objects are never too many."""


WITNESSES = 5
"""How many of the latest changes of a listing are remembered."""


class Newest(NamedTuple):
    """A late change that a listing has told of: its time as the service writes it, and the object's id.

    The latest one is asked for again each time, as a witness: an answer without it does not heed the filter, or comes
    from a database of another day, or the object is gone. Then another one must testify.
    """

    time: str
    id: str


@dataclass(frozen=True, slots=True)
class CloudMemory:
    """The objects of the watched projects as they were last read, and what a reading by changes builds on.

    `clocks` tells by service what its clock said when the reading began. `source` names the cloud and how it is read,
    `read_scopes` by service in which way it was. `unfiltered` are services that can't be asked for changes. `listed`
    is by kind how many objects a full listing names, those of projects that are not watched too. `ports` is by server a
    checksum of its ports and floating IPs, where Neutron has to list them in full. `passes` counts the readings by
    changes since the last full one; `doubt` says why the next one must be full.
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
    """What one listing told: objects by id, and the ids that its service calls deleted.

    `is_whole` tells that it was a full listing after all: then absence from it counts.
    """

    found: Mapping[str, T] = field(default_factory=dict)
    deleted: frozenset[str] = frozenset()
    newest: tuple[Newest, ...] = ()
    is_whole: bool = False

    @property
    def named(self) -> int:
        """How many objects the listing names."""
        return len(self.found) + len(self.deleted)


def why_full(memory: CloudMemory | None, projects: Collection[str], source: str, every: int) -> str:
    """Why the cloud must be read in full, for people; "" when a reading by changes will do.

    `projects` are the ids of those that are watched now, `every` is the setting full_cloud_read_every.
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
    """From when on changes are to be asked for; None when they can't be, and the listing is to be read in full."""
    clock = memory.clocks.get(kind.service)
    if clock is None or kind.service in memory.unfiltered:
        return None
    witness = witness_of(memory, kind)
    times = [unix_time(witness.time)] if witness else []
    return min(clock - OVERLAP, *(time for time in times if time is not None)) if times else clock - OVERLAP


def witness_of(memory: CloudMemory, kind: ResourceKind) -> Newest | None:
    """The change that the next answer must tell of again; None when there is none that is worth its price."""
    newest = next(iter(memory.newest.get(kind, ())), None)
    time = unix_time(newest.time) if newest else None
    if newest is None or time is None:
        return None
    clock = memory.clocks.get(kind.service, time)
    return None if kind is ResourceKind.SERVER and time < clock - WITNESS_AGE else newest


def doubt_of_clocks(memory: CloudMemory, clocks: Mapping[str, float]) -> str:
    """Why what the services' clocks say now does not go with what they said before; "" when it does."""
    for service, before in sorted(memory.clocks.items()):
        now = clocks.get(service)
        if now is None:
            return f"{service} did not tell the time"
        if now < before - OVERLAP:
            return f"the clock of {service} has gone back"
        if now > before + FRESH:
            return f"what is known of {service} is more than {FRESH / 3600:g} h old"
    return ""


def doubt_of_answer(memory: CloudMemory, kind: ResourceKind, changes: Changes[T]) -> str:
    """Why an answer can't be believed; "" when it can."""
    witness = witness_of(memory, kind)
    if changes.is_whole or witness is None or witness.id in changes.found or witness.id in changes.deleted:
        return ""
    return f"{kind.service} does not tell of a change any more that it has told of before"


def is_dear(known: int, changes: Changes[T]) -> bool:
    """Whether so much has changed, of `known` objects, that a full listing would have cost no more."""
    return not changes.is_whole and changes.named > FEW and changes.named * MANY > known


def merged(known: Mapping[str, T], changes: Changes[T]) -> dict[str, T]:
    """What is known after a listing: new and changed objects in their new form, deleted ones left out."""
    if changes.is_whole:
        return dict(changes.found)
    return {item: thing for item, thing in {**known, **changes.found}.items() if item not in changes.deleted}


def newest_after(memory: CloudMemory, kind: ResourceKind, changes: Changes[T]) -> tuple[Newest, ...]:
    """The witnesses for the readings after this one, the latest first.

    What the answer says of an object counts, even if it is older than what was known: a change may be committed after
    a later one. A witness that should have been in the answer, and was not, is none any more.
    """
    if changes.is_whole:
        return changes.newest
    answered = {newest.id for newest in changes.newest}
    former = witness_of(memory, kind)
    before = (n for n in memory.newest.get(kind, ()) if n != former and n.id not in answered)
    return latest([*changes.newest, *before])


def latest(newest: Iterable[Newest]) -> tuple[Newest, ...]:
    """The few latest of these changes, the latest first; a service writes its times so that they sort as texts."""
    return tuple(nlargest(WITNESSES, (each for each in newest if each.time)))


def time_text(unix: float) -> str:
    """A Unix time as the services write theirs, in whole seconds and without a zone."""
    return f"{datetime.fromtimestamp(int(unix), UTC):%Y-%m-%dT%H:%M:%S}"


def unix_time(text: str) -> float | None:
    """The Unix time of a time as services write it (ISO 8601, UTC, with or without a Z); None when it is none."""
    try:
        time = datetime.fromisoformat(text)
    except ValueError:
        return None
    return (time if time.tzinfo else time.replace(tzinfo=UTC)).timestamp()
