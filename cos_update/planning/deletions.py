"""Decides what may be deleted, and why other objects are kept: when in doubt, keep.

A managed object is deleted only if every relevant listing was read completely for its project, none contains it, and
its service returned 404 for its id. More than `max_deletes` percent at once are held back altogether.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Set
from dataclasses import dataclass, field

from cos_update.model.absence import AbsenceCheck, Presence
from cos_update.model.concertim import Actual, Device, Rack
from cos_update.model.events import Key
from cos_update.model.kinds import ResourceKind
from cos_update.model.openstack import Inventory
from cos_update.model.shards import Shards
from cos_update.planning.desired import Desired, DesiredRack
from cos_update.planning.matching import Matches, is_managed
from cos_update.planning.plan import RACK, SERVICE, Notice, NoticeKind

FEW = 10
"""Up to this many removals are never held back."""


@dataclass(frozen=True, slots=True)
class Scope:
    """The scope of a plan; None: everything. Racks of other projects, stacks and shards are left alone."""

    projects: frozenset[str] | None = None
    stacks: frozenset[str] | None = None
    shards: Shards | None = None
    """The part of the projects that is this machine's, watched or not: all others are somebody else's business."""

    @classmethod
    def of_stacks(cls, project_id: str, stacks: Iterable[str]) -> Scope:
        """The racks of these stacks of one project."""
        return cls(frozenset({project_id}), frozenset(stacks))

    @property
    def is_everything(self) -> bool:
        """Whether the plan covers the whole cloud; with shards: all of their projects, and what belongs to none."""
        is_whole = self.projects is None and self.stacks is None
        return is_whole and (self.shards is None or self.shards.is_first)

    @property
    def is_shared(self) -> bool:
        """Whether other machines plan for the other projects."""
        return self.shards is not None and not self.shards.is_everything

    def covers(self, project_id: str, stack_id: str) -> bool:
        """Whether the rack of this stack is part of the plan."""
        return (
            (self.projects is None or project_id in self.projects)
            and (self.stacks is None or stack_id in self.stacks)
            and (self.shards is None or self.shards.covers(project_id))
        )


@dataclass(frozen=True, slots=True)
class Deletions:
    """The deletions, by Concertim id with the reason; notices by rack id; and absences to confirm first.

    `asked` are the objects whose absence a decision depends on.
    """

    devices: Mapping[str, str] = field(default_factory=dict)
    racks: Mapping[str, str] = field(default_factory=dict)
    templates: Mapping[str, str] = field(default_factory=dict)
    notices: Mapping[str, tuple[Notice, ...]] = field(default_factory=dict)
    asked: tuple[Key, ...] = ()

    def __len__(self) -> int:
        return len(self.devices) + len(self.racks) + len(self.templates)


@dataclass(slots=True)
class DeletionReview:
    """Collects what is deleted, what is kept, and the absences that this depends on."""

    inventory: Inventory
    absence_checks: Mapping[Key, AbsenceCheck]
    devices: dict[str, str] = field(default_factory=dict)
    racks: dict[str, str] = field(default_factory=dict)
    templates: dict[str, str] = field(default_factory=dict)
    notices: dict[str, list[Notice]] = field(default_factory=dict)
    asked: dict[Key, None] = field(default_factory=dict)

    def ask(self, key: Key) -> AbsenceCheck:
        """The check of an object that is missing from a complete listing; records that a decision depends on it."""
        self.asked[key] = None
        return self.absence_checks.get(key, AbsenceCheck(Presence.UNKNOWN, "it was not checked"))

    def say(self, rack_id: str, notice: Notice) -> None:
        """Reports `notice` with the rack."""
        self.notices.setdefault(rack_id, []).append(notice)

    def deletions(self) -> Deletions:
        """The decisions."""
        notices = {rack_id: tuple(of_rack) for rack_id, of_rack in self.notices.items()}
        return Deletions(self.devices, self.racks, self.templates, notices, tuple(self.asked))


def review_deletions(
    desired: Desired,
    actual: Actual,
    matches: Matches,
    inventory: Inventory,
    absence_checks: Mapping[Key, AbsenceCheck],
    scope: Scope,
    *,
    prune_unwatched: bool = False,
) -> Deletions:
    """Decides what is deleted. Without absence checks, `asked` has the ones that are needed."""
    review = DeletionReview(inventory, absence_checks)
    homes = {device.object_id: rack.stack_id for rack in desired.racks.values() for device in rack.devices}
    for rack in sorted(actual.racks.values(), key=lambda r: r.id):
        owner = actual.owners.get(rack.owner_id)
        project_id = owner.project_id if owner else ""
        if not scope.covers(project_id, rack.stack_id):
            continue
        if not rack.stack_id:
            _review_duplicates(review, rack, matches, homes)
            continue
        wanted = desired.racks.get(rack.stack_id)
        if wanted is None:
            _review_lost_rack(review, rack, project_id, matches, prune_unwatched=prune_unwatched)
        elif matches.racks[rack.stack_id].id == rack.id:
            _review_devices(review, rack, wanted, matches, homes.keys())
    if scope.is_everything:
        _review_templates(review, desired, actual)
    return review.deletions()


def _review_lost_rack(
    review: DeletionReview, rack: Rack, project_id: str, matches: Matches, *, prune_unwatched: bool
) -> None:
    if rack.known_as:
        return  # its own metadata does not say that it is ours
    # Comes first, for a team whose project id was removed or changed: the stack exists, so nothing of it is lost.
    if rack.stack_id in review.inventory.stacks:
        text = f"its stack is not in the project of the team that rack {rack.name} belongs to: left alone"
        review.say(rack.id, Notice(NoticeKind.OTHER_OWNER, RACK, rack.name, rack.stack_id, text))
        return
    if project_id in review.inventory.disabled:
        return  # reported for the project
    if project_id not in review.inventory.projects:
        _review_unwatched_rack(review, rack, project_id, matches, prune_unwatched=prune_unwatched)
        return
    ours = [device for device in matches.in_rack.get(rack.id, ()) if device.object_id]
    for kind in (ResourceKind.STACK, *(device.kind for device in ours)):
        if not review.inventory.is_complete(kind, project_id, rack.stack_id):
            text = f"its stack is no longer listed, but {kind.service} could not be read: kept"
            review.say(rack.id, Notice(NoticeKind.UNCONFIRMED, RACK, rack.name, rack.stack_id, text))
            return
    absence_check = review.ask(Key(ResourceKind.STACK, rack.stack_id, project_id))
    if absence_check.presence is Presence.GONE:
        _empty(review, rack, matches, "its stack is gone from Heat (404)")
    else:
        _keep(review, rack.id, RACK, rack.name, rack.stack_id, "Heat", absence_check)


def _review_unwatched_rack(
    review: DeletionReview, rack: Rack, project_id: str, matches: Matches, *, prune_unwatched: bool
) -> None:
    inventory = review.inventory
    if not inventory.is_complete(ResourceKind.PROJECT):
        return
    why = "its project is no longer watched" if project_id else "its team has no project id"
    # Without a project id, only the stacks themselves show that it is not a watched one.
    is_known = bool(project_id) or inventory.is_complete(ResourceKind.STACK)
    if prune_unwatched and inventory.projects and is_known:
        _empty(review, rack, matches, why)
        return
    text = f"{why}: kept (bulk --prune-unwatched removes it)"
    review.say(rack.id, Notice(NoticeKind.ORPHANED, RACK, rack.name, rack.stack_id, text))


def _empty(review: DeletionReview, rack: Rack, matches: Matches, why: str) -> None:
    held = matches.in_rack.get(rack.id, ())
    review.devices.update((device.id, why) for device in held if device.object_id)
    foreign = [device.name for device in held if not device.object_id]
    if foreign:
        text = f"{why}, but it holds devices that are not ours ({', '.join(sorted(foreign)[:3])}): rack kept"
        review.say(rack.id, Notice(NoticeKind.SHARED_RACK, RACK, rack.name, rack.stack_id, text))
    else:
        review.racks[rack.id] = why


def _review_duplicates(review: DeletionReview, rack: Rack, matches: Matches, homes: Mapping[str, str]) -> None:
    """In a rack that is not (or no longer) ours, removes our devices that exist in their stack's own rack as well."""
    for device in matches.in_rack.get(rack.id, ()):
        home = matches.racks.get(homes.get(device.object_id, ""))
        stays = matches.devices.get(device.object_id)
        if home and stays and stays.id != device.id and stays.rack_id == home.id:
            why = f"device {stays.name} in rack {home.name} is of the same {device.kind.label}"
            review.devices[device.id] = why
            review.say(rack.id, Notice(NoticeKind.DUPLICATE, device.kind.label, device.name, device.object_id, why))


def _review_devices(review: DeletionReview, rack: Rack, wanted: DesiredRack, matches: Matches, shown: Set[str]) -> None:
    for device in matches.in_rack.get(rack.id, ()):
        if device.object_id and not device.known_as and device.object_id not in shown:
            _review_device(review, device, wanted, rack)


def _review_device(review: DeletionReview, device: Device, wanted: DesiredRack, rack: Rack) -> None:
    inventory = review.inventory
    if not (
        inventory.is_complete(device.kind, wanted.project_id)
        and inventory.is_complete(ResourceKind.STACK, wanted.project_id, wanted.stack_id)
        and inventory.is_complete(ResourceKind.RESOURCE, wanted.project_id, wanted.stack_id)
    ):
        return
    if device.object_id in inventory.of(device.kind):
        if wanted.settled:
            review.devices[device.id] = "no longer in its stack"
        return
    absence_check = review.ask(Key(device.kind, device.object_id, wanted.project_id))
    service = device.kind.service
    if absence_check.presence is Presence.GONE:
        review.devices[device.id] = f"gone from {service} (404)"
    else:
        _keep(review, rack.id, device.kind.label, device.name, device.object_id, service, absence_check)


def _keep(
    review: DeletionReview,
    rack_id: str,
    subject: str,
    name: str,
    openstack_id: str,
    service: str,
    absence_check: AbsenceCheck,
) -> None:
    if absence_check.presence is Presence.EXISTS:
        text = f"missing from {service}'s listing, but {service} still returns it by id: kept"
    else:
        text = f"missing from {service}'s listing, but not proven gone ({absence_check.reason}): kept"
    review.say(rack_id, Notice(NoticeKind.UNCONFIRMED, subject, name, openstack_id, text))


def _review_templates(review: DeletionReview, desired: Desired, actual: Actual) -> None:
    if not review.inventory.is_complete(ResourceKind.FLAVOR):
        return
    for template in sorted(actual.templates.values(), key=lambda t: t.id):
        if is_managed(template) and template.foreign_id not in desired.templates:
            absence_check = review.ask(Key(ResourceKind.FLAVOR, template.foreign_id))
            if absence_check.presence is Presence.GONE:
                review.templates[template.id] = "its flavor is gone from Nova (404)"


def too_many(
    deletions: Deletions, actual: Actual, scope: Scope, max_deletes: float, out_of: int | None = None
) -> Notice | None:
    """The notice that explains why all removals are held back, if they exceed `max_deletes` percent.

    `out_of` is the total number of managed objects, if `actual` is only a part.
    """
    managed = sum(1 for _ in _managed(actual, scope)) if out_of is None else out_of
    count = len(deletions)
    if count <= FEW or count * 100 <= max_deletes * managed:
        return None
    text = (
        f"{count} of {managed} managed objects would be removed ({count * 100 / managed:.0f} %, more than "
        f"max_deletes: {max_deletes:g}): all removals held back. If they are really gone, run "
        "cos-update bulk --once --allow-deletes, or raise max_deletes in the configuration"
    )
    return Notice(NoticeKind.HELD_BACK, SERVICE, "removals", "", text)


def _managed(actual: Actual, scope: Scope) -> Iterable[str]:
    covered = set()
    for rack in actual.racks.values():
        owner = actual.owners.get(rack.owner_id)
        if rack.stack_id and scope.covers(owner.project_id if owner else "", rack.stack_id):
            covered.add(rack.id)
    yield from covered
    yield from (d.id for d in actual.devices.values() if d.object_id and d.rack_id in covered)
    if scope.is_everything:
        yield from (template.id for template in actual.templates.values() if is_managed(template))
