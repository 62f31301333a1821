"""In-place attempts: read only the named servers and volumes, and update their existing devices.

Anything that needs more (a new name, another flavor, a deleted object) is left to `whole_stack`.
"""

from __future__ import annotations

import time
from collections.abc import Collection, Mapping
from dataclasses import replace

from cos_update.listener.attempt import Tasks, WorkContext, WorkOutcome, WorkResult, WorkResults, results
from cos_update.listener.index import StateIndex, attached
from cos_update.model.concertim import Device
from cos_update.model.events import Key
from cos_update.model.kinds import ResourceKind
from cos_update.model.openstack import Gap, Inventory, Project
from cos_update.openstack.single_objects import Asked, Found
from cos_update.planning.deletions import Scope
from cos_update.planning.plan import RackPlan, Verb
from cos_update.planning.states import IN_PROGRESS, server_status, volume_status

NOT_ASKED = "only changed objects were read"


def is_in_place(index: StateIndex, stack: Key, dirty: Collection[Key]) -> bool:
    """Whether all dirty objects of a stack are of a kind that can be updated in place, and have devices in its rack."""
    return all(
        key.kind in (ResourceKind.SERVER, ResourceKind.VOLUME) and index.home(key.id) == stack.id for key in dirty
    )


def refresh(context: WorkContext, project: Project, tasks: Tasks) -> WorkResults:
    """Updates what is possible in place; stacks that need more get no result. Raises CloudError, ViewError."""
    index = context.synced()
    began = time.time()
    devices = {item: device for stack in tasks for item, device in index.devices(stack.id).items()}
    found = _read(context, project, tasks, index, devices)
    done: WorkResults = {}
    able = []
    flavors = index.flavors()
    for stack, dirty in tasks.items():
        reasons = [found.failed[key] for key in dirty if key in found.failed]
        if reasons:
            done[stack] = WorkResult(WorkOutcome.FAILED, reasons[0])
        elif all(_is_usual(key, found, devices, flavors) for key in dirty):
            able.append(stack)
    inventory = Inventory(
        began,
        projects={project.id: project},
        servers=found.servers,
        volumes=found.volumes,
        gaps=tuple(Gap(kind, NOT_ASKED, project.id) for kind in ResourceKind),
    )
    stacks = [stack.id for stack in able]
    scope = Scope.of_stacks(project.id, stacks)
    snapshot = context.plan(inventory, index, index.part(stacks, alone=True), scope)
    rack_plans = tuple(rack_plan for rack_plan in snapshot.plan.rack_plans if _is_in_place(rack_plan))
    left = {rack_plan.stack_id for rack_plan in snapshot.plan.rack_plans if not _is_in_place(rack_plan)}
    applied = context.apply(replace(snapshot, plan=replace(snapshot.plan, templates=(), rack_plans=rack_plans)))
    ends = results(applied, rack_plans)
    for stack in able:
        if stack.id not in left:
            unsettled = any(_is_unsettled(key, found) for key in tasks[stack])
            done[stack] = replace(ends.get(stack.id, WorkResult()), unsettled=unsettled)
    return done


def _read(
    context: WorkContext, project: Project, tasks: Tasks, index: StateIndex, devices: Mapping[str, Device]
) -> Found:
    dirty = {key for keys in tasks.values() for key in keys}
    servers = {key.id for key in dirty if key.kind is ResourceKind.SERVER}
    volumes = {key.id for key in dirty if key.kind is ResourceKind.VOLUME}
    # A server's details include its volumes.
    servers |= {item for item, device in devices.items() if attached(device) & volumes}
    asked = Asked(frozenset(servers), frozenset(volumes))
    found = context.objects.read(project.id, asked, index.sizes(project.id))
    changed = {
        volume
        for server in found.servers.values()
        if server.id in devices and attached(devices[server.id]) != set(server.volume_ids)
        for volume in server.volume_ids
    }
    if missing := changed - found.volumes.keys():
        more = context.objects.read(project.id, Asked(volumes=frozenset(missing)), index.sizes(project.id))
        found.volumes |= more.volumes
        found.failed |= {
            Key(ResourceKind.SERVER, server.id, project.id): reason
            for server in found.servers.values()
            for key, reason in more.failed.items()
            if key.id in server.volume_ids
        }
    return found


def _is_usual(key: Key, found: Found, devices: Mapping[str, Device], flavors: set[str]) -> bool:
    """Whether the object, its device and its flavor's template exist."""
    if key.kind is ResourceKind.VOLUME:
        return key.id in found.volumes and key.id in devices
    server = found.servers.get(key.id)
    return server is not None and key.id in devices and server.flavor_id in flavors


def _is_in_place(rack_plan: RackPlan) -> bool:
    """Whether a rack's plan only updates devices, and no field that depends on people's changes since the last read.

    Those are names, which must be free, and metadata, which is replaced as a whole and includes people's keys.
    """
    return not rack_plan.notices and all(
        action.verb is Verb.UPDATE and action.device is not None and not {"name", "metadata"} & action.payload.keys()
        for action in rack_plan.actions
    )


def _is_unsettled(key: Key, found: Found) -> bool:
    if key.kind is ResourceKind.VOLUME:
        return volume_status(found.volumes[key.id]) == IN_PROGRESS
    return server_status(found.servers[key.id]) == IN_PROGRESS
