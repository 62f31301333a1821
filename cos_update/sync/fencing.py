"""Makes every write under the lease it belongs to, if several machines post to one Concertim.

A rack and its devices belong to the shard of the owner's project. A template belongs to no project; a lock across sites
ensures that one machine at a time changes templates.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field

from cos_update.concertim.client import ConcertimClient
from cos_update.coordination.fence import Check
from cos_update.coordination.site import Grant, Site
from cos_update.model.concertim import Actual, Device, Rack, Record, Template
from cos_update.sync.calls import Concertim
from cos_update.sync.services import Services


def fenced(services: Services, actual: Actual) -> Concertim:
    """The Concertim client for executing a plan that was made from `actual`."""
    if services.site is None:
        return services.concertim
    return FencedConcertim(services.concertim, services.site, services.grant, actual)


@dataclass(slots=True)
class FencedConcertim:
    """Declares the lease of each write. Writes raise Fenced if the lease is no longer valid."""

    concertim: ConcertimClient
    site: Site
    grant: Grant | None
    actual: Actual
    _new: dict[str, str] = field(default_factory=dict)
    """The owners of racks that were created here, by rack id."""

    def create(self, record: Record) -> Record:
        with self._under(record):
            made = self._made_elsewhere(record) or self.concertim.create(record)
        if isinstance(made, Rack):
            self._new[made.id] = made.owner_id or (record.owner_id if isinstance(record, Rack) else "")
        return made

    def update(self, record: Record, changes: Mapping[str, object]) -> Record:
        with self._under(record):
            return self.concertim.update(record, changes)

    def delete(self, record: Record) -> None:
        with self._under(record):
            self.concertim.delete(record)

    def device(self, device_id: str) -> Device | None:
        return self.concertim.device(device_id)

    def end_retries(self) -> None:
        self.concertim.end_retries()

    def _made_elsewhere(self, record: Record) -> Record | None:
        """The template that another machine has created since the plan was made."""
        if not isinstance(record, Template):
            return None
        wanted = (record.foreign_id, record.height)
        return next((t for t in self.concertim.templates() if (t.foreign_id, t.height) == wanted), None)

    @contextmanager
    def _under(self, record: Record) -> Iterator[None]:
        with ExitStack() as held:
            if isinstance(record, Template):
                check = held.enter_context(self.site.templates(self.grant))
            else:
                check = self._check_of(record)
            held.enter_context(self.site.fence.writing(check))
            yield

    def _check_of(self, record: Rack | Device) -> Check:
        owner_id = record.owner_id if isinstance(record, Rack) else self._owner_of(record.rack_id)
        owner = self.actual.owners.get(owner_id)
        return self.site.check(self.grant, owner.project_id if owner else "")

    def _owner_of(self, rack_id: str) -> str:
        rack = self.actual.racks.get(rack_id)
        return rack.owner_id if rack else self._new.get(rack_id, "")
