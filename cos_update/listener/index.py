"""The listener's state of Concertim: the view with everything posted since, indexed for single events.

Bulk reads Concertim in full and saves it in the view; between its passes both processes exchange their changes through
the journal. So an event requires no reading of Concertim, unless a rack must be planned from scratch.
"""

from __future__ import annotations

import json
import threading
from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import replace

from cos_update.model.concertim import Actual, Device, InstanceDetails, Owner, Rack, Template
from cos_update.model.kinds import ResourceKind
from cos_update.model.openstack import RememberedStack
from cos_update.model.shards import Shards
from cos_update.planning.recognition import device_with_identity, with_identity
from cos_update.planning.stored import Memory
from cos_update.store import JournalEntry, View
from cos_update.store.records import simplified
from cos_update.store.schema import device_plain

Seen = tuple[Rack, tuple[Device, ...]]
"""One rack with its devices, as read from Concertim."""


class StateIndex:
    """Owners, templates, racks and devices; thread-safe.

    `seq` is the last journal entry included.
    """

    def __init__(
        self,
        actual: Actual,
        seq: int = 0,
        stacks: Mapping[str, RememberedStack] | None = None,
        dropped: Memory | None = None,
    ) -> None:
        self._lock = threading.Lock()
        self._bare = replace(actual, racks={}, devices={}, owners={}, templates={})
        self._owners = dict(actual.owners)
        self._templates = dict(actual.templates)
        self._racks: dict[str, Rack] = {}
        self._rack_of: dict[str, str] = {}
        self._held: dict[str, dict[str, Device]] = {}
        self._place: dict[str, str] = {}
        self._shows: dict[str, str] = {}
        self._stacks: dict[str, RememberedStack] = {}
        self._members: dict[str, str] = {}
        self.seq = seq
        self.dropped: Memory = dropped or {}
        """The values that Concertim accepts but does not store, as of the last full pass."""
        self._remember(stacks or {})
        for rack in actual.racks.values():
            self._put_rack(rack)
        for device in actual.devices.values():
            self._put_device(device)

    @classmethod
    def of_view(cls, view: View) -> StateIndex:
        """The index of a view."""
        return cls(view.actual, view.journal_seq, view.stacks, view.dropped)

    def take(self, journal_entries: Iterable[JournalEntry]) -> None:
        """Applies journal entries, oldest first; skips those already included."""
        with self._lock:
            for journal_entry in journal_entries:
                if journal_entry.seq <= self.seq:
                    continue
                self.seq = journal_entry.seq
                self._templates.update((i, t) for i, t in journal_entry.templates.items() if t is not None)
                for rack_id, rack in journal_entry.racks.items():
                    self._put_rack(rack) if rack is not None else self._drop_rack(rack_id)
                for device_id, device in journal_entry.devices.items():
                    self._put_device(device) if device is not None else self._drop_device(device_id)
                self._remember({i: stack for i, stack in journal_entry.stacks.items() if stack is not None})

    def difference(self, rack_id: str, seen: Seen | None) -> tuple[dict[str, Rack | None], dict[str, Device | None]]:
        """How a rack just read from Concertim differs from the index: the rack and its devices, by id."""
        rack = seen[0] if seen else None
        devices = {device.id: device for device in seen[1]} if seen else {}
        with self._lock:
            former, held = self._racks.get(rack_id), dict(self._held.get(rack_id, {}))
        return (
            {} if rack == former else {rack_id: rack},
            {item: devices.get(item) for item in held | devices if not _same(devices.get(item), held.get(item))},
        )

    def recognised(self, rack_id: str, seen: Seen | None) -> Seen | None:
        """A rack just read from Concertim, recognised even where its metadata was wiped."""
        if seen is None:
            return None
        with self._lock:
            former, held = self._racks.get(rack_id), dict(self._held.get(rack_id, {}))
        return with_identity(seen[0], former), tuple(device_with_identity(d, held.get(d.id)) for d in seen[1])

    def see_rack(self, rack_id: str, seen: Seen | None) -> None:
        """Replaces one rack by its state just read; None: it is gone."""
        with self._lock:
            for device_id in list(self._held.get(rack_id, ())):
                self._drop_device(device_id)
            if seen is None:
                self._drop_rack(rack_id)
                return
            self._put_rack(seen[0])
            for device in seen[1]:
                self._put_device(device)

    def see_shells(self, owners: Iterable[Owner], templates: Iterable[Template], racks: Iterable[Rack]) -> None:
        """Replaces the owners, templates and racks (without devices) by the current ones."""
        with self._lock:
            self._owners = {owner.id: owner for owner in owners}
            self._templates = {template.id: template for template in templates}
            there = {rack.id: rack for rack in racks}
            for rack_id in self._racks.keys() - there.keys():
                self._drop_rack(rack_id)
            for rack in there.values():
                self._put_rack(with_identity(rack, self._racks.get(rack.id)))

    def see_templates(self, templates: Iterable[Template]) -> None:
        """Replaces the templates by the current ones."""
        with self._lock:
            self._templates = {template.id: template for template in templates}

    def remember(self, stacks: Mapping[str, RememberedStack]) -> None:
        """Remembers the members of stacks as last read."""
        with self._lock:
            self._remember(stacks)

    def remembered(self, stack_id: str) -> RememberedStack | None:
        """The members of a stack as last read, if it was."""
        return self._stacks.get(stack_id)

    def owners(self) -> dict[str, Owner]:
        """The owners by id."""
        with self._lock:
            return dict(self._owners)

    def home(self, object_id: str) -> str:
        """The stack in whose rack a server, volume or network is shown; "" for none."""
        # No lock: each is a single lookup, and if a concurrent change hides an entry, the caller asks OpenStack.
        rack = self._racks.get(self._place.get(self._shows.get(object_id, ""), ""))
        return rack.stack_id if rack else ""

    def last_home(self, object_id: str) -> str:
        """The stack that had an object as a member when last read, whether or not the object existed; "" for none."""
        return self._members.get(object_id, "")

    def has_rack(self, stack_id: str) -> bool:
        """Whether the stack has a rack."""
        return stack_id in self._rack_of

    def project_of(self, stack_id: str) -> str:
        """The project of the owner of a stack's rack; "" if there is none."""
        with self._lock:
            rack = self._racks.get(self._rack_of.get(stack_id, ""))
            owner = self._owners.get(rack.owner_id) if rack else None
            return owner.project_id if owner else ""

    def flavors(self) -> set[str]:
        """The ids of flavors that have a template."""
        with self._lock:
            return {template.foreign_id for template in self._templates.values() if template.foreign_id}

    def rack_id(self, stack_id: str) -> str:
        """The id of a stack's rack; "" if there is none."""
        return self._rack_of.get(stack_id, "")

    def devices(self, stack_id: str) -> dict[str, Device]:
        """The managed devices of a stack's rack, by OpenStack id."""
        with self._lock:
            held = self._held.get(self._rack_of.get(stack_id, ""), {})
            return {device.object_id: device for device in held.values() if device.object_id}

    def server_at(self, address: str) -> str:
        """The server that is shown with a floating IP; "" for none."""
        with self._lock:
            devices = (device for held in self._held.values() for device in held.values())
            return next((device.object_id for device in devices if _has_address(device, address)), "")

    def sizes(self, project_id: str) -> Counter[ResourceKind]:
        """The number of shown objects of each kind in a project."""
        with self._lock:
            owners = {owner.id for owner in self._owners.values() if owner.project_id == project_id}
            racks = [rack.id for rack in self._racks.values() if rack.owner_id in owners]
            return Counter(device.kind for rack in racks for device in self._held.get(rack, {}).values())

    def part(self, stacks: Iterable[str], *, alone: bool) -> Actual:
        """The state for a plan of these stacks: their racks with devices, and unless `alone` all other racks without.

        In-place updates of devices need only their racks (`alone`); names and positions of new racks depend on all.
        """
        with self._lock:
            own = [self._rack_of[stack] for stack in stacks if stack in self._rack_of]
            return replace(
                self._bare,
                owners=dict(self._owners),
                templates=dict(self._templates),
                racks={item: self._racks[item] for item in own} if alone else dict(self._racks),
                devices={device.id: device for item in own for device in self._held.get(item, {}).values()},
            )

    def managed(self, shards: Shards | None = None) -> int:
        """The number of racks and devices that carry an id that we wrote; with `shards`, in racks of their projects."""
        with self._lock:
            if shards is None:
                return len(self._rack_of) + len(self._shows)
            count = 0
            for rack_id in self._rack_of.values():
                owner = self._owners.get(self._racks[rack_id].owner_id)
                if shards.covers(owner.project_id if owner else ""):
                    count += 1 + sum(bool(device.object_id) for device in self._held.get(rack_id, {}).values())
            return count

    def _remember(self, stacks: Mapping[str, RememberedStack]) -> None:
        self._stacks.update(stacks)
        for stack_id, past in stacks.items():
            content = past.content
            self._members.update(dict.fromkeys(content.ids, stack_id))

    def _put_rack(self, rack: Rack) -> None:
        former = self._racks.get(rack.id)
        if former is not None and self._rack_of.get(former.stack_id) == rack.id:
            del self._rack_of[former.stack_id]
        self._racks[rack.id] = rack
        if rack.stack_id:
            self._rack_of[rack.stack_id] = rack.id

    def _drop_rack(self, rack_id: str) -> None:
        for device_id in list(self._held.get(rack_id, ())):
            self._drop_device(device_id)
        self._held.pop(rack_id, None)
        rack = self._racks.pop(rack_id, None)
        if rack is not None and self._rack_of.get(rack.stack_id) == rack_id:
            del self._rack_of[rack.stack_id]

    def _put_device(self, device: Device) -> None:
        self._drop_device(device.id)
        self._place[device.id] = device.rack_id
        self._held.setdefault(device.rack_id, {})[device.id] = device
        if device.object_id:
            self._shows[device.object_id] = device.id

    def _drop_device(self, device_id: str) -> None:
        device = self._held.get(self._place.pop(device_id, ""), {}).pop(device_id, None)
        if device is not None and self._shows.get(device.object_id) == device.id:
            del self._shows[device.object_id]


def attached(device: Device) -> frozenset[str]:
    """The ids of the volumes in an instance's details."""
    if not isinstance(device.details, InstanceDetails):
        return frozenset()
    volumes = device.details.volume_details
    if isinstance(volumes, Mapping):  # the older API's format
        return frozenset(map(str, volumes))
    if not isinstance(volumes, (list, tuple)):
        return frozenset()
    return frozenset(str(item.get("id")) for item in volumes if isinstance(item, Mapping))


def _same(one: Device | None, other: Device | None) -> bool:
    """Whether two records are equal; records from the journal have lists instead of tuples."""
    if one is None or other is None:
        return one is other
    return one == other or _text_of(one) == _text_of(other)


def _text_of(device: Device) -> str:
    return json.dumps(simplified(device_plain(device)), sort_keys=True)


def _has_address(device: Device, address: str) -> bool:
    """Whether an instance's details contain a floating IP, as the last part of `network:address`."""
    details = device.details
    return isinstance(details, InstanceDetails) and any(
        entry.endswith(f":{address}") for entry in details.public_ips.split(", ")
    )
