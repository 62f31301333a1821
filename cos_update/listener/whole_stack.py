"""Whole-stack attempts: read stacks with all members and their racks, and reconcile them as in a pass.

For everything that `in_place`, which costs a request or two, cannot handle.
"""

from __future__ import annotations

import time
from collections.abc import Iterable
from dataclasses import dataclass, field

from cos_update.listener.attempt import Tasks, WorkContext, WorkOutcome, WorkResult, WorkResults, results
from cos_update.listener.index import StateIndex
from cos_update.model.errors import CloudError
from cos_update.model.events import Key
from cos_update.model.kinds import DEVICES, ResourceKind
from cos_update.model.openstack import Gap, Inventory, Project, Stack, StackContent
from cos_update.openstack.refusals import NotFound
from cos_update.openstack.single_objects import Asked, Found
from cos_update.openstack.stack_members import remembered_stacks
from cos_update.planning.deletions import Scope
from cos_update.planning.plan import NoticeKind, RackPlan
from cos_update.planning.states import IN_PROGRESS, server_status, stack_status, volume_status
from cos_update.store import JournalEntry
from cos_update.sync.apply import RACK_WAIT


@dataclass(slots=True)
class _Trees:
    """The stacks read from Heat, by id; `done` are those that need no further work."""

    stacks: dict[str, Stack] = field(default_factory=dict)
    contents: dict[str, StackContent] = field(default_factory=dict)
    gone: list[Key] = field(default_factory=list)
    done: WorkResults = field(default_factory=dict)


def refresh(context: WorkContext, project: Project, tasks: Tasks) -> WorkResults:
    """Reconciles whole stacks; every task gets a result. Raises CloudError, ConcertimError, ViewError."""
    began = time.time()
    trees = _trees(context, project, tasks)
    index = context.synced()
    _see_racks(context, index, trees)
    trees.done.update((stack, WorkResult()) for stack in trees.gone if not index.has_rack(stack.id))
    concerned = [Key(ResourceKind.STACK, item, project.id) for item in trees.stacks]
    concerned += [stack for stack in trees.gone if stack not in trees.done]
    if not concerned:
        return trees.done
    found = _members(context, index, project, trees, concerned)
    inventory = _inventory(began, project, trees, found)
    stacks = [stack.id for stack in concerned]
    scope = Scope.of_stacks(project.id, stacks)
    snapshot = context.plan(inventory, index, index.part(stacks, alone=False), scope)
    applied = context.apply(snapshot)
    index.remember(remembered_stacks(inventory))
    ends = results(applied, snapshot.plan.rack_plans)
    rack_plans = {rack_plan.stack_id: rack_plan for rack_plan in snapshot.plan.rack_plans}
    for stack in concerned:
        trees.done[stack] = ends.get(stack.id) or _result(
            stack, rack_plans.get(stack.id), found, inventory, held=bool(snapshot.plan.held)
        )
    return trees.done


def _trees(context: WorkContext, project: Project, tasks: Tasks) -> _Trees:
    """Reads each stack from its top-level stack down to its members."""
    trees = _Trees()

    def ask(stack: Key) -> tuple[Stack, StackContent] | CloudError | None:
        try:
            top = context.objects.top_stack(project.id, stack.id)
            if top is None:
                return None
            if top[0].id != stack.id:
                return top[0], StackContent()
            return top[0], context.objects.content(*top)
        except NotFound:
            return None
        except CloudError as error:
            return error

    for stack, answer in zip(tasks, context.objects.each(ask, tasks), strict=True):
        if isinstance(answer, CloudError):
            trees.done[stack] = WorkResult(WorkOutcome.FAILED, f"Heat: {answer}")
        elif answer is None:
            trees.gone.append(stack)
        elif answer[0].id != stack.id:
            trees.done[stack] = WorkResult(to=(Key(ResourceKind.STACK, answer[0].id, project.id),))
        else:
            trees.stacks[stack.id], trees.contents[stack.id] = answer
    return trees


def _see_racks(context: WorkContext, index: StateIndex, trees: _Trees) -> None:
    """Reads the current state of the affected racks, which creations and removals must fit."""
    concertim = context.services.concertim
    if any(not index.has_rack(item) for item in trees.stacks):
        index.see_shells(concertim.owners(), concertim.templates(), concertim.racks())
    for stack_id in (*trees.stacks, *(stack.id for stack in trees.gone)):
        if rack_id := index.rack_id(stack_id):
            _see_rack(context, index, stack_id, rack_id)


def _see_rack(context: WorkContext, index: StateIndex, stack_id: str, rack_id: str) -> None:
    """Reads one rack. Differences from the known state go into the journal, for everyone who relies on it."""
    services = context.services
    seen = index.recognised(rack_id, services.concertim.rack(rack_id))
    if any(index.difference(rack_id, seen)):
        with services.store.rack_lock(stack_id, RACK_WAIT):
            seen = index.recognised(rack_id, services.concertim.rack(rack_id))
            racks, devices = index.difference(rack_id, seen)
            services.store.record(JournalEntry(0, services.store.process, 0.0, time.time(), stack_id, racks, devices))
    index.see_rack(rack_id, seen)


def _members(
    context: WorkContext, index: StateIndex, project: Project, trees: _Trees, concerned: Iterable[Key]
) -> Found:
    """Reads the stacks' members, the objects in their racks, and the volumes attached to these."""
    ids: dict[ResourceKind, set[str]] = {kind: set() for kind in DEVICES}
    for content in trees.contents.values():
        ids[ResourceKind.SERVER].update(content.servers)
        ids[ResourceKind.VOLUME].update(content.volumes)
        ids[ResourceKind.NETWORK].update(content.networks)
    for stack in concerned:
        for item, device in index.devices(stack.id).items():
            ids[device.kind].add(item)
    sizes = index.sizes(project.id)
    asked = Asked(*(frozenset(ids[kind]) for kind in DEVICES))
    found = context.objects.read(project.id, asked, sizes)
    attached = {volume for server in found.servers.values() for volume in server.volume_ids} - ids[ResourceKind.VOLUME]
    if attached and ResourceKind.VOLUME not in found.absent:
        more = context.objects.read(project.id, Asked(volumes=frozenset(attached)), sizes)
        found.volumes |= more.volumes
        found.failed |= more.failed
    if not {server.flavor_id for server in found.servers.values()} <= index.flavors():
        # A process that died after creating a template may not have recorded it.
        index.see_templates(context.services.concertim.templates())
    context.objects.with_flavors(found, project.id, index.flavors())
    return found


def _inventory(began: float, project: Project, trees: _Trees, found: Found) -> Inventory:
    failed = {key.kind: reason for key, reason in found.failed.items()}
    gaps = [Gap(kind, reason, project.id) for kind, reason in failed.items()]
    gaps += [Gap(kind, "not in the catalog", project.id, absent=True) for kind in found.absent]
    if ResourceKind.NETWORK in failed or ResourceKind.NETWORK in found.absent:
        gaps.append(Gap(ResourceKind.SUBNET, failed.get(ResourceKind.NETWORK, "not in the catalog"), project.id))
    return Inventory(
        began,
        projects={project.id: project},
        flavors=found.flavors,
        stacks=trees.stacks,
        contents=trees.contents,
        servers=found.servers,
        volumes=found.volumes,
        networks=found.networks,
        gaps=tuple(gaps),
    )


def _result(stack: Key, rack_plan: RackPlan | None, found: Found, inventory: Inventory, *, held: bool) -> WorkResult:
    """The result if the stack's whole plan was posted."""
    content = inventory.contents.get(stack.id)
    ids = {*content.servers, *content.volumes, *content.networks} if content else set()
    unread = [reason for key, reason in found.failed.items() if content is None or key.id in ids]
    unproven = (
        [notice.text for notice in rack_plan.notices if notice.kind is NoticeKind.UNCONFIRMED] if rack_plan else []
    )
    if held:
        return WorkResult(WorkOutcome.RESYNC, "more removals than max_deletes allows")
    if unread or unproven:
        return WorkResult(WorkOutcome.FAILED, (unread + unproven)[0])
    return WorkResult(unsettled=_is_unsettled(stack.id, ids, inventory))


def _is_unsettled(stack_id: str, ids: Iterable[str], inventory: Inventory) -> bool:
    stack = inventory.stacks.get(stack_id)
    return (stack is not None and stack_status(stack) == IN_PROGRESS) or any(
        (item in inventory.servers and server_status(inventory.servers[item]) == IN_PROGRESS)
        or (item in inventory.volumes and volume_status(inventory.volumes[item]) == IN_PROGRESS)
        for item in ids
    )
