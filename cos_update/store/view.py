"""The view: what is known of both sides, as records.

Apart from `schema`, the plain form in which it is saved: a field here is a question of what passes need to know, one
there a promise to whoever reads the file.
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


@dataclass(frozen=True, slots=True)
class Origin:
    """What OpenStack itself says of an object: its own name and its own word for its state.

    `stack_id` is the top-level stack that it belongs to; "" for a stack itself. `created` (ISO 8601) is kept only when
    view.pickle is written for services that want it.
    """

    kind: ResourceKind
    name: str
    state: str
    project_id: str
    stack_id: str = ""
    created: str = ""


@dataclass(frozen=True, slots=True)
class Resync:
    """A pass asked for out of turn: its id, when (Unix time) and why."""

    id: str
    at: float
    why: str


@dataclass(frozen=True, slots=True)
class View:
    """What is known of both sides. Times are Unix times, 0 for never.

    `origins` is keyed by OpenStack id. `stacks` and `unowned` are the memory of Heat's answers (see `Membership`).
    `needs_reread` are the ids of devices that an update has left in an unknown state, `gaps` says in words what the
    last pass could not read. `former` are, by OpenStack id, devices that are gone from Concertim while their objects
    are not: what others wrote to them goes to the devices that take their places. `dropped` is what Concertim accepts
    and does not store, by Concertim id and field: as it was sent, and as it was shown. `reported` are the keys of
    notices that need not be reported again. `journal_seq` is the last journal entry that `actual` includes; `torn`
    tells that the journal has lost entries after the saved view. `resync` is the request that was on disk at loading;
    saving never changes it. `view_for` tells whose view.pickle is written from it, since `view_for_since`.
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
    """The id of the last rack that was read in its turn."""
    cloud: CloudMemory | Mapping[str, Any] | None = None
    """What a reading of the cloud by changes builds on; as it was loaded, until somebody wants it (see `cloud_memory`).
    """
    recheck: Mapping[str, tuple[str, str]] = field(default_factory=dict)
    """By OpenStack id kind and project of what others have posted of since, from a reading of the cloud of theirs."""
    saved_at: float = 0.0
    saved_by: str = ""
    journal_seq: int = 0
    torn: bool = False
    resync: Resync | None = None
    view_for: ViewFor = ViewFor.NONE
    view_for_since: float = 0.0
