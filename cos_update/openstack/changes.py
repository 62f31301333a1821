"""One reading of the cloud by changes: what has changed since the last one, and only that.

What the listings by changes tell, seen on Zed (Nova 2.93, Cinder 3.70, Neutron 21) to an admin and to who has only the
role `watcher` alike:

Nova, `servers/detail?changes-since`
    tells of create, delete (as DELETED, until that is archived), rename, description, metadata, lock, stop, start,
    reboot, pause, resize and its confirmation, shelve, unshelve, rescue, unrescue, reset-state, password; by its
    sources of soft delete too. It does not tell of volumes or interfaces attached and detached, addresses, tags,
    security groups.
Cinder, `volumes/detail?updated_at=gte:` (from 3.60 on; before, the filter may be passed over)
    tells of create, attach, detach, rename, bootable, extend, retype, reset-status. It does not tell of delete,
    metadata, the readonly flag, a type renamed.
Neutron, `networks?changed_since`
    tells of create, rename, tags, admin state, and of every create, change and delete of a subnet; not of delete.
Neutron, `ports?changed_since`
    tells of create, rename, fixed IPs, an interface attached; not of delete, nor of an interface detached.
Neutron, `floatingips?changed_since`
    tells of create, associate, disassociate; not of delete. The port's own times stay as they were.

Live and cold migration need a second host and were not seen. A Neutron with the default `filter_validation = True`
refuses `changed_since` (400); then networks are listed in full, and of ports and floating IPs the few fields that show
what has changed (0.6 ms of its CPU each, where Nova takes 7.6 ms for a server). Cinder before 3.60 passes over the
filter. Nova shows other addresses up to 10 s after Neutron's change, and a network's new name only when it refreshes
what it knows of the server.

Whatever is told of is read anew, and so are the servers that a changed volume, port or floating IP leads to. What
nobody tells of is found by the next full reading, and by the listener.
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
    """What a full reading leaves to the next one; `source` names the cloud and how it is read."""
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
    """What the clocks of the services that can be asked for changes said when the reading began."""
    at = reading.sessions.clocks.at_the_beginning()
    services = sorted({kind.service for kind in DEVICES})
    return {service: at[SERVICE_TYPE[service]] for service in services if SERVICE_TYPE[service] in at}


def _doubt_of_gaps(gaps: Iterable[Gap]) -> str:
    """Why the reading after one with these gaps must be full; "" when it need not: Heat is always read in full."""
    missed = sorted({gap.kind.service for gap in gaps if gap.kind in READ_KINDS and not gap.absent})
    return f"{' and '.join(missed)} could not be read completely" if missed else ""


class ChangesReading:
    """One reading by changes, on top of what `memory` knows. Raises DoubtError when it can't be believed."""

    def __init__(self, reading: Reading, memory: CloudMemory, objects: ObjectReader) -> None:
        self._reading = reading
        self._memory = memory
        self._objects = objects
        self._listings = ChangedListings(reading, memory)

    def read(self, inventory: Inventory, past: Membership, recheck: Collection[Key]) -> tuple[Inventory, CloudMemory]:
        """Adds to an inventory that has the projects only all that is known now; and what is to be remembered.

        `past` is what is known of stacks; the objects of `recheck` are read anew, whatever their services tell.
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
        inventory = self._look(inventory, _keys(ResourceKind.NETWORK, self._redrawn(networks)))
        inventory = self._look(inventory, _keys(ResourceKind.VOLUME, self._let_go(inventory)))
        inventory = self._look(inventory, _keys(ResourceKind.SERVER, self._led_to(inventory, networks, wired)))
        known = reading.with_flavors(dict(inventory.servers), inventory.flavors)
        inventory = reading.with_contents(replace(inventory, servers=known), shrunken(inventory, past))
        inventory = replace(inventory, gaps=reading.gaps)
        # What has left its stack may be gone, and Cinder and Neutron do not tell of that.
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

    def _ports(self) -> PortChanges | None:
        """Which servers have other ports or floating IPs; None when they can't be read."""
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

    def _redrawn(self, networks: Changes[Network]) -> set[str]:
        """The networks that must be read by their ids to know their subnets, whose changes are the network's too."""
        if networks.is_whole:
            return set()
        known = self._memory.networks
        return {
            item
            for item, network in networks.found.items()
            if item in self._listings.recent or item not in known or network != known[item]
        }

    def _let_go(self, inventory: Inventory) -> set[str]:
        """The volumes that servers had and have no more: Nova may have deleted them with the server."""
        found: set[str] = set()
        for server_id, before in self._memory.servers.items():
            now = inventory.servers.get(server_id)
            if now is not before:
                found.update(set(before.volume_ids).difference(now.volume_ids if now else ()))
        return {item for item in found if item in inventory.volumes and item not in self._listings.fresh}

    def _led_to(self, inventory: Inventory, networks: Changes[Network], wired: PortChanges | None) -> set[str]:
        """The servers whose volumes or addresses may have changed: Nova does not tell of that."""
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
        """Whether an object that no stack holds was not read yet, and no stack holds it that could not be read."""
        heat = (ResourceKind.STACK, ResourceKind.RESOURCE)
        return item.id not in self._listings.fresh and all(
            inventory.is_complete(each, item.project_id) for each in heat
        )

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
