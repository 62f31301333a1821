"""A plan as data: the actions on Concertim in order, and what is left alone with the reason.

`diff` shows a plan, `bulk` reports it and the executor posts it; it contains everything that these need.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from enum import StrEnum

from cos_update.model.concertim import Device, Record
from cos_update.model.kinds import ResourceKind

RACK, TEMPLATE, SERVICE = ResourceKind.STACK.label, ResourceKind.FLAVOR.label, "service"
"""Subjects of notices; for a device it is the label of its kind."""


class Verb(StrEnum):
    """The verb of an action."""

    CREATE = "create"
    UPDATE = "update"
    REMOVE = "remove"

    @property
    def past(self) -> str:
        """The past form for reports and logs."""
        return _PAST[self]


_PAST = {Verb.CREATE: "created", Verb.UPDATE: "changed", Verb.REMOVE: "removed"}


@dataclass(frozen=True, slots=True)
class Change:
    """The change of one field; `field` may be a path ("metadata.net_interfaces")."""

    field: str
    old: object
    new: object


@dataclass(frozen=True, slots=True)
class Action:
    """One call to Concertim for one record: for create the new one (its id is ""), else the current one.

    `payload` has the fields to send on update, with the model's names. `why` completes the sentence "removed: ..." or
    gives the reason of a replacement. `flavor_id` identifies the template of a new device if this plan also creates
    that template.
    """

    verb: Verb
    record: Record
    payload: Mapping[str, object] = field(default_factory=dict)
    changes: tuple[Change, ...] = ()
    why: str = ""
    flavor_id: str = ""
    size: str = ""
    """A short description of a new device: its flavor, or its size."""
    rack_name: str = ""
    """The future name of a device's rack: names of devices are unique only within it."""

    @property
    def kind(self) -> ResourceKind:
        """The kind of the OpenStack object."""
        return self.record.kind

    @property
    def name(self) -> str:
        """The object's current name."""
        return self.record.name

    @property
    def openstack_id(self) -> str:
        """The id of the OpenStack object."""
        return self.record.openstack_id

    @property
    def concertim_id(self) -> str:
        """The object's id in Concertim, "" for a new one."""
        return self.record.id

    @property
    def new_name(self) -> str | None:
        """The new name that an update sets; None if the name stays."""
        name = self.payload.get("name") if self.verb is Verb.UPDATE else None
        return None if name is None else str(name)

    def renaming_only(self, name: str) -> Action:
        """An update of the same object that sets only this name."""
        return replace(self, payload={"name": name}, changes=(Change("name", self.name, name),))

    @property
    def device(self) -> Device | None:
        """The object, if it is a device."""
        return self.record if isinstance(self.record, Device) else None


class NoticeKind(StrEnum):
    """The reasons for notices: something is not as expected, but no action follows."""

    UNREAD = "unread"
    """A listing of OpenStack is incomplete: objects that depend on it are left alone."""
    ABSENT = "absent"
    """The cloud does not have the service."""
    NO_OWNER = "no-owner"
    """No team (or user) of Concertim has the project's id."""
    OTHER_OWNER = "other-owner"
    """The rack belongs to another team than the project's; Concertim cannot move it."""
    ORPHANED = "orphaned"
    """The project is no longer watched: its racks stay."""
    HELD_BACK = "held-back"
    """More removals than `max_deletes` allows."""
    DISABLED = "disabled"
    """The project is disabled: it counts as not watched, and its racks stay."""
    UNCONFIRMED = "unconfirmed"
    """Missing from a listing, but not proven gone."""
    UNPLACED = "unplaced"
    """The device does not fit in its rack."""
    SHARED_RACK = "shared-rack"
    """The stack is gone, but its rack holds devices that are not ours."""
    IN_USE = "in-use"
    """A template whose flavor is gone is still used by a device."""
    DUPLICATE = "duplicate"
    """Two Concertim objects had the same OpenStack id."""
    NO_ORDER = "no-order"
    """No order for the stack was found in billing: its rack is created without an order id."""
    NOT_SHOWN = "not-shown"
    """Concertim cannot show it."""
    NOT_STORED = "not-stored"
    """Concertim accepts a field but does not store it."""
    UNKNOWN_STATE = "unknown-state"
    """A state that the tables do not contain."""


REPORTED_ONCE = frozenset(
    {
        NoticeKind.NO_OWNER,
        NoticeKind.OTHER_OWNER,
        NoticeKind.NOT_STORED,
        NoticeKind.NO_ORDER,
        NoticeKind.DISABLED,
    }
)
"""Problems that no pass can fix: reported once, and again when they change."""
_IN_PART = frozenset({NoticeKind.UNREAD, NoticeKind.UNCONFIRMED, NoticeKind.UNPLACED})


@dataclass(frozen=True, slots=True)
class Notice:
    """One report about one object; `text` is for people and self-contained.

    `subject` is the type of the object in a word: the label of its kind if it is shown, else its kind.
    """

    kind: NoticeKind
    subject: str
    name: str
    openstack_id: str
    text: str

    @property
    def key(self) -> str:
        """Identifies the notice across passes; another text makes another notice."""
        return f"{self.kind} {self.subject} {self.name} {self.openstack_id} {self.text}"

    @property
    def leaves_work(self) -> bool:
        """Whether it makes the pass partial."""
        return self.kind in _IN_PART


@dataclass(frozen=True, slots=True)
class RackPlan:
    """All actions on one rack and its devices, executed in this order.

    `after` has the keys of rack plans that must end before this one begins: they free a name that this one takes.
    """

    stack_id: str
    project_id: str
    owner_id: str
    owner_name: str
    rack_name: str
    status: str
    rack_id: str = ""
    new: bool = False
    actions: tuple[Action, ...] = ()
    notices: tuple[Notice, ...] = ()
    after: frozenset[str] = frozenset()

    @property
    def key(self) -> str:
        """Identifies the rack plan: by its rack, or for a new rack by its stack."""
        return self.rack_id or self.stack_id


@dataclass(frozen=True, slots=True)
class Plan:
    """The whole plan, executed in order: `templates`, `first`, the rack plans (in parallel), `last`.

    `first` renames racks temporarily whose names are swapped in a cycle; `last` removes templates. `held` are the
    removals that are held back; `in_step` counts the racks and devices that are up to date.
    """

    templates: tuple[Action, ...] = ()
    first: tuple[Action, ...] = ()
    rack_plans: tuple[RackPlan, ...] = ()
    last: tuple[Action, ...] = ()
    notices: tuple[Notice, ...] = ()
    held: tuple[Action, ...] = ()
    in_step: int = 0

    @property
    def actions(self) -> tuple[Action, ...]:
        """All actions in the order of execution."""
        rack_plans = tuple(action for rack_plan in self.rack_plans for action in rack_plan.actions)
        return self.templates + self.first + rack_plans + self.last

    @property
    def all_notices(self) -> tuple[Notice, ...]:
        """All notices: the plan's own, then those of its racks."""
        return self.notices + tuple(notice for rack_plan in self.rack_plans for notice in rack_plan.notices)
