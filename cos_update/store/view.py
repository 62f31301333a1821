"""The view: the known state of both sides, as records.

Separate from `schema`, the plain form in which it is saved: fields here follow the needs of passes, fields there are a
contract with the readers of the file.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from cos_update.model.cloud_memory import CloudMemory
from cos_update.model.concertim import Actual, Device
from cos_update.model.kinds import ResourceKind
from cos_update.model.openstack import Project, RememberedStack
from cos_update.model.settings import ViewFor
from cos_update.store.cloud_memory import EncodedCloud


@dataclass(frozen=True, slots=True)
class Origin:
    """OpenStack's own name and state of an object.

    `stack_id` is the top-level stack that it belongs to; "" for a stack itself. `created` (ISO 8601) is kept only if
    view.pickle is written for services that need it.
    """

    kind: ResourceKind
    name: str
    state: str
    project_id: str
    stack_id: str = ""
    created: str = ""


@dataclass(frozen=True, slots=True)
class Resync:
    """A request for an immediate pass: its id, when (Unix time) and why."""

    id: str
    at: float
    why: str


@dataclass(frozen=True, slots=True)
class View:
    """The known state of both sides. Times are Unix times, 0 for never.

    `origins` is keyed by OpenStack id. `stacks` and `unowned` are the memory of Heat's responses (see `Membership`).
    `needs_reread` are the ids of devices that an update has left in an unknown state. `gaps` describes what the last
    pass could not read. `former` has, by OpenStack id, devices that are gone from Concertim though their objects exist:
    values that others wrote to them go to their replacements. `dropped` has values that Concertim accepts but does not
    store, by Concertim id and field: as sent, and as shown. `reported` are the keys of notices that need not be
    reported again. `journal_seq` is the last journal entry that `actual` includes; `torn` means that the journal has
    lost entries after the saved view. `resync` is the request that was on disk at loading; saving never changes it.
    `view_for` are the services that view.pickle is written for, since `view_for_since`.
    """

    actual: Actual
    projects: Mapping[str, Project] = field(default_factory=dict)
    origins: Mapping[str, Origin] = field(default_factory=dict)
    stacks: Mapping[str, RememberedStack] = field(default_factory=dict)
    unowned: Mapping[str, bool] = field(default_factory=dict)
    needs_reread: tuple[str, ...] = ()
    cloud_read_at: float = 0.0
    concertim_read_at: float = 0.0
    concertim_full_read_at: float = 0.0
    passes_since_full: int = 0
    passes_since_membership: int = 0
    gaps: tuple[str, ...] = ()
    former: Mapping[str, Device] = field(default_factory=dict)
    dropped: Mapping[str, Mapping[str, tuple[object, object]]] = field(default_factory=dict)
    reported: tuple[str, ...] = ()
    last_read: str = ""
    """The id of the last rack in the rotation of full reads."""
    cloud: CloudMemory | EncodedCloud | None = None
    """The basis of incremental readings of the cloud; decoded only on demand (see `cloud_memory`)."""
    still: Mapping[str, Any] = field(default_factory=dict)
    """If the last pass changed nothing: its plan, and the checksums of what it read, in plain containers; else {}."""
    recheck: Mapping[str, tuple[str, str]] = field(default_factory=dict)
    """OpenStack id -> kind and project, of objects that others have posted since from their own readings."""
    saved_at: float = 0.0
    saved_by: str = ""
    journal_seq: int = 0
    torn: bool = False
    resync: Resync | None = None
    view_for: ViewFor = ViewFor.NONE
    view_for_since: float = 0.0
