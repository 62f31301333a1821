"""Incremental reading of the cloud: only what has changed since the last reading.

What the listings of changes contain, as observed on Zed (Nova 2.93, Cinder 3.70, Neutron 21), for an admin as well as
for a user with only the role `watcher`:

Nova, `servers/detail?changes-since`
    has create, delete (as DELETED, until archived), rename, description, metadata, lock, stop, start, reboot, pause,
    resize and its confirmation, shelve, unshelve, rescue, unrescue, reset-state, password; according to its source
    also soft delete. It lacks attaching and detaching volumes or interfaces, addresses, tags, security groups.
Cinder, `volumes/detail?updated_at=gte:` (from 3.60 on; earlier versions may ignore the filter)
    has create, attach, detach, rename, bootable, extend, retype, reset-status. It lacks delete, metadata, the readonly
    flag, and renamed volume types.
Neutron, `networks?changed_since`
    has create, rename, tags, admin state, and every create, update and delete of a subnet. It lacks delete.
Neutron, `ports?changed_since`
    has create, rename, fixed IPs, attached interfaces. It lacks delete and detached interfaces.
Neutron, `floatingips?changed_since`
    has create, associate, disassociate. It lacks delete. The port's own timestamps do not change.

Live and cold migration need a second host and were not observed. Neutron with the default `filter_validation = True`
rejects `changed_since` (400); then networks are listed in full, and ports and floating IPs with only the fields that
show changes (0.6 ms of Neutron's CPU each; a server takes Nova 7.6 ms). Subnets are listed only where networks have no
time of their last change. Cinder before 3.60 ignores the filter.
Nova returns new addresses up to 10 s after Neutron's change, and a network's new name only after it has refreshed
the server's network info cache.

Every changed object is read again, and so are the servers of a changed volume, port or floating IP. Changes that no
listing has are found by the next full reading, and by the listener.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from typing import Any

from cos_update.model.cloud_memory import OVERLAP, Changes, CloudMemory, doubt_of_clocks, merged, time_text
from cos_update.model.errors import CloudError
from cos_update.model.events import Key
from cos_update.model.kinds import DEVICES, ResourceKind
from cos_update.model.openstack import Gap, Inventory, Membership, Network, Server, Volume
from cos_update.model.progress import Progress
from cos_update.openstack.changed_listings import ChangedListings, DoubtError
from cos_update.openstack.listings import ABSENT, Reading
from cos_update.openstack.ports import PortChanges, changed_ports, compared_ports
from cos_update.openstack.session import SERVICE_TYPE, ProjectSession
from cos_update.openstack.single_objects import Asked, Found, ObjectReader
from cos_update.openstack.stack_members import likely, newcomers, possible, shrunken

Record = Mapping[str, Any]
READ_KINDS = (*DEVICES, ResourceKind.SUBNET)


def remembered(reading: Reading, inventory: Inventory, source: str) -> CloudMemory:
    """The memory that a full reading leaves to the next one; `source` identifies the cloud and how it is read."""
    return CloudMemory(
        servers=inventory.servers,
        volumes=inventory.volumes,
        networks=inventory.networks,
        projects=frozenset(inventory.projects) if inventory.chosen is None else inventory.chosen,
        source=source,
        read_scopes={kind.service: reading.scopes[kind] for kind in DEVICES if kind in reading.scopes},
        clocks=_clocks(reading),
        newest=dict(reading.newest),
        listed=dict(reading.listed),
        doubt=_doubt_of_gaps(inventory.gaps),
    )


def _clocks(reading: Reading) -> dict[str, float]:
    """The clock times at the start of the reading, of the services that support listing changes."""
    at = reading.sessions.clocks.at_the_beginning()
    services = sorted({kind.service for kind in DEVICES})
    return {service: at[SERVICE_TYPE[service]] for service in services if SERVICE_TYPE[service] in at}


def _doubt_of_gaps(gaps: Iterable[Gap]) -> str:
    """Why the reading after one with these gaps must be full, or "". Heat's do not count: it is always read in full."""
    missed = sorted({gap.kind.service for gap in gaps if gap.kind in READ_KINDS and not gap.absent})
    return f"{' and '.join(missed)} could not be read completely" if missed else ""


class ChangesReading:
    """One incremental reading, based on `memory`. Raises DoubtError if the result would not be reliable."""

    def __init__(self, reading: Reading, memory: CloudMemory, objects: ObjectReader) -> None:
        self._reading = reading
        self._memory = memory
        self._objects = objects
        self._listings = ChangedListings(reading, memory)

    def read(self, inventory: Inventory, past: Membership, recheck: Collection[Key]) -> tuple[Inventory, CloudMemory]:
        """Completes an inventory that has only the projects; returns it with the memory for the next reading.

        `past` is the known membership of stacks. The objects of `recheck` are read again in any case.
        """
        reading, memory = self._reading, self._memory
        with ThreadPoolExecutor(8, thread_name_prefix="service") as services:
            flavors = services.submit(reading.flavors)
            told_servers = services.submit(self._listings.servers)
            stacks = services.submit(reading.stacks, past)
            told_volumes = services.submit(self._listings.volumes)
            networks = self._listings.networks()
            ports = services.submit(self._ports)
            servers, volumes = told_servers.result(), told_volumes.result()
            found_stacks, contents = stacks.result()
            wired = ports.result()
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
        for kind in (*DEVICES, ResourceKind.STACK):
            has_gaps = any(gap.kind.service == kind.service and not gap.absent for gap in reading.gaps)
            count = len(inventory.of(kind))
            reading.on_progress(Progress(kind.service, count, is_over=True, has_gaps=has_gaps))
        reading.read_scopes.update(memory.read_scopes)
        inventory = self._look(inventory, recheck)
        inventory = self._look(inventory, _keys(ResourceKind.NETWORK, self._listings.redrawn))
        inventory = self._look(inventory, _keys(ResourceKind.VOLUME, self._let_go(inventory)))
        inventory = self._look(inventory, _keys(ResourceKind.SERVER, self._led_to(inventory, networks, wired)))
        known = reading.with_flavors(dict(inventory.servers), inventory.flavors)
        inventory = reading.with_contents(replace(inventory, servers=known), shrunken(inventory, past))
        inventory = replace(inventory, gaps=reading.gaps)
        # Objects that have left their stack may be gone, and Cinder and Neutron do not list deletions.
        left = [item for item in newcomers(inventory, past) if self._may_be_gone(item, inventory)]
        for kind, records in ((kind, inventory.of(kind)) for kind in DEVICES):
            inventory = self._look(inventory, _keys(kind, {item.id for item in left if item.id in records}))
        for unexplained in (likely, possible):
            inventory = reading.with_contents(inventory, unexplained(inventory, past))
        inventory = replace(inventory, gaps=reading.gaps)
        return inventory, self._remembered(inventory, wired)

    def _remembered(self, inventory: Inventory, wired: PortChanges | None) -> CloudMemory:
        doubts = [_doubt_of_gaps(inventory.gaps), *self._listings.dear]
        doubts += ["ports could not be read"] if wired is None else []
        return replace(
            self._memory,
            servers=inventory.servers,
            volumes=inventory.volumes,
            networks=inventory.networks,
            clocks={**self._memory.clocks, **_clocks(self._reading)},
            newest=self._listings.newest,
            unfiltered=frozenset(self._listings.unfiltered),
            ports=(wired.checksums if wired else None) or {},
            passes=self._memory.passes + 1,
            doubt=next(filter(None, doubts), ""),
        )

    def _check(self) -> None:
        """Raises DoubtError if a service's clock or read scope differs from the last reading."""
        missed = {gap.kind.service for gap in self._reading.gaps}
        clocks = {name: at for name, at in self._memory.clocks.items() if name not in missed}
        doubt = doubt_of_clocks(replace(self._memory, clocks=clocks), _clocks(self._reading))
        for kind in DEVICES:
            way = self._memory.read_scopes.get(kind.service)
            if self._reading.scopes.get(kind, way) != way:
                doubt = f"{kind.service} is now read with another scope"
        if doubt:
            raise DoubtError(doubt)

    def _ports(self) -> PortChanges | None:
        """The servers whose ports or floating IPs have changed; None if these cannot be read."""
        memory = self._memory
        service = ResourceKind.NETWORK.service
        if memory.read_scopes.get(service) == ABSENT or service not in memory.clocks:
            return PortChanges()
        text = time_text(memory.clocks[service] - OVERLAP)

        def each(ask: Callable[[ProjectSession], list[Record]]) -> Iterator[Record]:
            return self._listings.each(ResourceKind.NETWORK, ask, strict=True)

        try:
            if service in self._listings.unfiltered:
                return compared_ports(each, text, memory.ports)
            return changed_ports(each, f"{text}Z")
        except CloudError:
            return None

    def _let_go(self, inventory: Inventory) -> set[str]:
        """The volumes that are no longer attached: Nova may have deleted them together with their server."""
        found: set[str] = set()
        for server_id, before in self._memory.servers.items():
            now = inventory.servers.get(server_id)
            if now is not before:
                found.update(set(before.volume_ids).difference(now.volume_ids if now else ()))
        return {item for item in found if item in inventory.volumes and item not in self._listings.fresh}

    def _led_to(self, inventory: Inventory, networks: Changes[Network], wired: PortChanges | None) -> set[str]:
        """The servers whose volumes or addresses may have changed, which Nova does not list as a change."""
        servers, before = inventory.servers, self._memory.networks
        renamed = {before[n.id].name for n in networks.found.values() if n.id in before and before[n.id].name != n.name}
        holders: dict[str, set[str]] = defaultdict(set)
        for server in servers.values():
            for volume_id in server.volume_ids:
                holders[volume_id].add(server.id)
        floating = wired.addresses if wired else frozenset()
        found = {
            server.id
            for server in (servers.values() if renamed or floating else ())
            if any(each.network in renamed or (each.floating and each.address in floating) for each in server.addresses)
        }
        for volume in inventory.volumes.values():
            if volume.id in self._listings.fresh:
                found |= holders[volume.id].symmetric_difference(volume.server_ids)
        found |= wired.servers if wired else frozenset()
        return {item for item in found if item in servers and item not in self._listings.fresh}

    def _may_be_gone(self, item: Server | Volume | Network, inventory: Inventory) -> bool:
        """Whether an object was not read yet and belongs to no stack, not even to one that could not be read."""
        heat = (ResourceKind.STACK, ResourceKind.RESOURCE)
        return item.id not in self._listings.fresh and all(
            inventory.is_complete(each, item.project_id) for each in heat
        )

    def _look(self, inventory: Inventory, keys: Iterable[Key]) -> Inventory:
        """The inventory with the current state of these objects, and without those that no longer exist."""
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
                    self._reading.miss(kind, answer, project_id)
                    continue
                there: Mapping[str, Any] = getattr(answer, kind.listing)
                failed = {key.id: reason for key, reason in answer.failed.items() if key.kind is kind}
                for item in ids - there.keys() - failed.keys():
                    records[kind].pop(item, None)
                records[kind] |= there
                self._listings.fresh |= ids - failed.keys()
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
