"""Handles keys without a rack: finds the stacks of new objects, and updates the templates of flavors."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence

from cos_update.listener.attempt import WorkContext, WorkOutcome, WorkResult, WorkResults
from cos_update.listener.index import StateIndex
from cos_update.model.errors import CloudError
from cos_update.model.events import Key
from cos_update.model.kinds import ResourceKind
from cos_update.model.openstack import Gap, Inventory, Project, Stack
from cos_update.openstack.single_objects import Asked
from cos_update.planning.deletions import Scope
from cos_update.planning.outcome import Result

MOST_STACKS = 20
"""Maximum number of stacks to search for an unknown object; more need a full pass."""


def homes(context: WorkContext, project: Project, keys: Sequence[Key], unit: Callable[[Key], Key]) -> WorkResults:
    """Finds the stacks that may contain objects without a rack; `unit` returns the current unit of work of a key.

    An object enters a stack through a change of the stack, or of a nested one, which does not show in the stack itself.
    So candidates are new, changed and unfinished stacks, and those whose name is a prefix of the object's. Raises
    ViewError.
    """
    index = context.synced()
    ends: WorkResults = {}
    for key in keys:
        if key.kind is ResourceKind.ADDRESS:
            server_id = index.server_at(key.id)
            ends[key] = WorkResult(to=(unit(Key(ResourceKind.SERVER, server_id, key.project_id)),) if server_id else ())
        elif (known := unit(key)) != key:
            ends[key] = WorkResult(to=(known,))
    unknown = [key for key in keys if key not in ends]
    if not unknown:
        return ends
    try:
        stacks = context.objects.stacks(project.id)
        names = _names(context, project, unknown)
    except CloudError as error:
        return ends | {key: WorkResult(WorkOutcome.FAILED, str(error)) for key in unknown}
    holders = tuple(
        Key(ResourceKind.STACK, stack.id, project.id)
        for stack in stacks.values()
        if _may_hold_more(stack, index) or any(name.startswith(stack.name) for name in names)
    )
    if len(holders) > MOST_STACKS:
        result = WorkResult(WorkOutcome.RESYNC, f"{len(holders)} stacks of project {project.name} are new or changed")
    else:
        result = WorkResult(to=holders)
    return ends | dict.fromkeys(unknown, result)


def _names(context: WorkContext, project: Project, keys: Sequence[Key]) -> set[str]:
    """The names of the objects that exist."""

    def of(kind: ResourceKind) -> frozenset[str]:
        return frozenset(key.id for key in keys if key.kind is kind)

    found = context.objects.read(
        project.id, Asked(of(ResourceKind.SERVER), of(ResourceKind.VOLUME), of(ResourceKind.NETWORK))
    )
    return {item.name for items in (found.servers, found.volumes, found.networks) for item in items.values()} - {""}


def _may_hold_more(stack: Stack, index: StateIndex) -> bool:
    past = index.remembered(stack.id)
    return not index.has_rack(stack.id) or past is None or (past.status, past.updated) != (stack.status, stack.updated)


def flavor(context: WorkContext, flavor_id: str) -> WorkResult:
    """Updates the template of a flavor; removing one is left to a full pass. Raises ViewError."""
    index = context.synced()
    try:
        found = context.objects.flavor(flavor_id)
    except CloudError as error:
        return WorkResult(WorkOutcome.FAILED, f"Nova: {error}")
    if found is None:
        return (
            WorkResult(WorkOutcome.RESYNC, f"flavor {flavor_id} is gone")
            if flavor_id in index.flavors()
            else WorkResult()
        )
    inventory = Inventory(time.time(), flavors={found.id: found}, gaps=(Gap(ResourceKind.FLAVOR, "only one was read"),))
    nothing = Scope(frozenset(), frozenset())
    applied = context.apply(context.plan(inventory, index, index.part((), alone=True), nothing))
    unanswered = [o.reason for o in applied.outcomes if o.result in (Result.FAILED, Result.SKIPPED)]
    return WorkResult(WorkOutcome.FAILED, unanswered[0]) if unanswered else WorkResult()
