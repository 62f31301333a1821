"""What is to be done to Concertim, as data: actions, what is left alone and why, and in which order.

A plan is shown by `diff`, reported by `bulk` and posted by the executor; it holds all that each of them needs.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from enum import StrEnum

from cos_update.model.concertim import Device, Record
from cos_update.model.kinds import ResourceKind

RACK, TEMPLATE, SERVICE = ResourceKind.STACK.label, ResourceKind.FLAVOR.label, "service"
"""Subjects of notices; that of a device is the label of its kind."""


class Verb(StrEnum):
    """What an action does."""

    CREATE = "create"
    UPDATE = "update"
    REMOVE = "remove"

    @property
    def past(self) -> str:
        """The word for what was done, as reports and logs have it."""
        return _PAST[self]


_PAST = {Verb.CREATE: "created", Verb.UPDATE: "changed", Verb.REMOVE: "removed"}


@dataclass(frozen=True, slots=True)
class Change:
    """One field of an object, as it is and as it is to be; `field` may be a path ("metadata.net_interfaces")."""

    field: str
    old: object
    new: object


@dataclass(frozen=True, slots=True)
class Action:
    """One call to Concertim about one record: on create the new one (its id is ""), else the record as it is.

    `payload` holds the fields to send on update, in the model's names. `why` ends the sentence "removed: ..." or says
    why something is replaced. `flavor_id` names the template of a new device when that template is itself made by this
    plan.
    """

    verb: Verb
    record: Record
    payload: Mapping[str, object] = field(default_factory=dict)
    changes: tuple[Change, ...] = ()
    why: str = ""
    flavor_id: str = ""
    size: str = ""
    """What a new device is, in a word or two: its flavor, or its size."""
    rack_name: str = ""
    """The rack of a device, as it will be called: names of devices are unique only there."""

    @property
    def kind(self) -> ResourceKind:
        """What its object stands for."""
        return self.record.kind

    @property
    def name(self) -> str:
        """What its object is called, until now."""
        return self.record.name

    @property
    def openstack_id(self) -> str:
        """The id of what its object stands for."""
        return self.record.openstack_id

    @property
    def concertim_id(self) -> str:
        """The object's id in Concertim, "" for one that is to be made."""
        return self.record.id

    @property
    def new_name(self) -> str | None:
        """What an update calls its object from now on; None when the name stays."""
        name = self.payload.get("name") if self.verb is Verb.UPDATE else None
        return None if name is None else str(name)

    def renaming_only(self, name: str) -> Action:
        """An update of the same object to nothing but this name."""
        return replace(self, payload={"name": name}, changes=(Change("name", self.name, name),))

    @property
    def device(self) -> Device | None:
        """Its object, if that is a device."""
        return self.record if isinstance(self.record, Device) else None


class NoticeKind(StrEnum):
    """Why something is not as a person might expect, though no action follows."""

    UNREAD = "unread"
    """A listing of OpenStack is not complete: what depends on it is left alone."""
    ABSENT = "absent"
    """The cloud does not have the service."""
    NO_OWNER = "no-owner"
    """No team (or user) of Concertim stands for the project."""
    OTHER_OWNER = "other-owner"
    """The rack belongs to another team than the project's; Concertim cannot move it."""
    ORPHANED = "orphaned"
    """The project is not watched any more: its racks stay."""
    HELD_BACK = "held-back"
    """More removals than `max_deletes` allows."""
    DISABLED = "disabled"
    """The project is disabled: it counts as not watched, and its racks stay."""
    UNCONFIRMED = "unconfirmed"
    """Missing from a listing, but not proven gone."""
    UNPLACED = "unplaced"
    """The device fits nowhere in its rack."""
    SHARED_RACK = "shared-rack"
    """The stack is gone, but its rack holds devices that are not ours."""
    IN_USE = "in-use"
    """A template whose flavor is gone is still used by a device."""
    DUPLICATE = "duplicate"
    """Two Concertim objects stood for one OpenStack object."""
    NO_ORDER = "no-order"
    """Billing has no order for the stack, as far as could be found out: its rack is made without an order id."""
    NOT_SHOWN = "not-shown"
    """Concertim has no way to show it."""
    NOT_STORED = "not-stored"
    """Concertim accepts a field and does not store it."""
    UNKNOWN_STATE = "unknown-state"
    """A state word that the tables do not know."""


REPORTED_ONCE = frozenset(
    {
        NoticeKind.NO_OWNER,
        NoticeKind.OTHER_OWNER,
        NoticeKind.NOT_STORED,
        NoticeKind.NO_ORDER,
        NoticeKind.DISABLED,
    }
)
"""What a person must know though no pass can do anything about it: reported when it begins, and when it changes."""
_IN_PART = frozenset({NoticeKind.UNREAD, NoticeKind.UNCONFIRMED, NoticeKind.UNPLACED})


@dataclass(frozen=True, slots=True)
class Notice:
    """One thing that is reported, about one object; `text` is for people and complete in itself.

    `subject` says in a word what the object is: the label of its kind where it is shown, else its kind.
    """

    kind: NoticeKind
    subject: str
    name: str
    openstack_id: str
    text: str

    @property
    def key(self) -> str:
        """What tells this notice from all others, from pass to pass; another text makes another one."""
        return f"{self.kind} {self.subject} {self.name} {self.openstack_id} {self.text}"

    @property
    def leaves_work(self) -> bool:
        """Whether the pass is done only in part because of it."""
        return self.kind in _IN_PART


@dataclass(frozen=True, slots=True)
class RackPlan:
    """All that happens to one rack, one call after another, in this order.

    `after` holds the keys of the rack plans that must have ended before this one begins: they free a name that this
    one takes.
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
        """What tells this rack plan from all others: its rack, or for a new rack its stack."""
        return self.rack_id or self.stack_id


@dataclass(frozen=True, slots=True)
class Plan:
    """The whole order of work: `templates`, then `first`, then the rack plans (side by side), then `last`.

    `first` moves racks out of the way whose names are swapped in a circle; `last` removes templates. `held` are the
    removals that are held back; `in_step` counts the racks and devices that are as they should be.
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
        """Every action, in the order in which they are posted."""
        rack_plans = tuple(action for rack_plan in self.rack_plans for action in rack_plan.actions)
        return self.templates + self.first + rack_plans + self.last

    @property
    def all_notices(self) -> tuple[Notice, ...]:
        """Every notice: the plan's own, then those of its racks."""
        return self.notices + tuple(notice for rack_plan in self.rack_plans for notice in rack_plan.notices)
