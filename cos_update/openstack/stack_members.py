"""The members of stacks, remembered between readings, and which stacks must be read again.

A changed stack has another status or update time in Heat's listing; but a change of a nested stack (autoscaling) does
not affect its parents. So a stack is also read again if one of its members has vanished. For a new object that belongs
to no known stack, the likeliest stacks of its project are read first, then the others.
"""

from __future__ import annotations

from bisect import bisect_left
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import replace
from itertools import takewhile

from cos_update.model.absence import AbsenceCheck
from cos_update.model.kinds import DEVICES, ResourceKind
from cos_update.model.openstack import (
    Inventory,
    Membership,
    Network,
    RememberedStack,
    Server,
    Stack,
    StackContent,
    Volume,
)

Item = Server | Volume | Network


def unchanged(stacks: Mapping[str, Stack], memory: Membership) -> dict[str, StackContent]:
    """The remembered contents, by stack id, of stacks without changes in Heat's listing."""
    found = {}
    for stack in stacks.values():
        past = memory.stacks.get(stack.id)
        if past and (past.status, past.updated) == (stack.status, stack.updated):
            found[stack.id] = past.content
    return found


def shrunken(inventory: Inventory, memory: Membership) -> list[Stack]:
    """Remembered stacks with a member that is no longer listed."""
    found = []
    for stack in _remembered(inventory, memory):
        past = memory.stacks[stack.id]
        if any(item not in past.absent for item in _absent(inventory, stack, past.content)):
            found.append(stack)
    return found


def with_soft_deleted(inventory: Inventory, absence_checks: Iterable[AbsenceCheck]) -> Inventory:
    """Adds servers that turned out to be soft-deleted, if they are still members of their stacks."""
    held = {item for content in inventory.contents.values() for item in content.servers}
    found = {
        absence_check.soft_deleted.id: absence_check.soft_deleted
        for absence_check in absence_checks
        if absence_check.soft_deleted
    }
    kept = {server_id: server for server_id, server in found.items() if server_id in held}
    return replace(inventory, servers={**inventory.servers, **kept}) if kept else inventory


def likely(inventory: Inventory, memory: Membership) -> list[Stack]:
    """Remembered stacks that may contain a new object, by its name: Heat prefixes names with the stack's name."""
    unexplained = newcomers(inventory, memory)
    if not unexplained:
        return []
    names: dict[str, list[tuple[str, str]]] = defaultdict(list)
    for stack in inventory.stacks.values():
        names[stack.project_id].append((stack.name, stack.id))
        names[stack.project_id] += ((item.name, stack.id) for item in _members(inventory, stack.id) if item.name)
    for known in names.values():
        known.sort()
    near = set()
    for item in unexplained:
        known = names[item.project_id]
        place = bisect_left(known, (item.name, ""))
        # The names with the longest common prefix are its neighbours.
        beside = known[max(place - 1, 0) : place + 1]
        longest = max((_in_common(item.name, name) for name, _ in beside), default=0)
        near |= {stack_id for name, stack_id in beside if _in_common(item.name, name) == longest}
    return [stack for stack in _remembered(inventory, memory) if stack.id in near]


def possible(inventory: Inventory, memory: Membership) -> list[Stack]:
    """All remembered stacks of the projects with new objects."""
    projects = {item.project_id for item in newcomers(inventory, memory)}
    return [stack for stack in _remembered(inventory, memory) if stack.project_id in projects]


def remember(inventory: Inventory, past: Membership) -> Membership:
    """The membership to remember for the next reading; `past` remains valid where this reading is incomplete."""
    stacks = remembered_stacks(inventory)
    if inventory.chosen is not None or not inventory.is_complete(ResourceKind.STACK):
        stacks = {item: stack for item, stack in past.stacks.items() if item not in inventory.stacks} | stacks
    return Membership(stacks, _unowned(inventory, past))


def remembered_stacks(inventory: Inventory) -> dict[str, RememberedStack]:
    """The contents of the stacks read, valid while their status and update time stay the same."""
    return {
        stack.id: RememberedStack(stack.status, stack.updated, content, tuple(_absent(inventory, stack, content)))
        for stack in inventory.stacks.values()
        if (content := inventory.contents.get(stack.id))
        and may_be_remembered(stack, content)
        and inventory.is_complete(ResourceKind.RESOURCE, stack.project_id, stack.id)
    }


def may_be_remembered(stack: Stack, content: StackContent) -> bool:
    """Whether a content stays valid as long as the stack's status and update time do."""
    return content.whole and content.outputs is not None and not stack.status.endswith("_IN_PROGRESS")


def _unowned(inventory: Inventory, past: Membership) -> dict[str, bool]:
    sure = {project for project in inventory.projects if inventory.is_complete(ResourceKind.STACK, project)}
    loose = list(_loose(inventory))
    found = {item.id: _is_being_made(item) for item in loose if item.project_id in sure}
    needs_reread = {item.id for item in loose if item.project_id not in sure}
    listed = (inventory.servers, inventory.volumes, inventory.networks)
    if inventory.chosen is not None or not all(inventory.is_complete(each) for each in DEVICES):
        needs_reread |= {item for item in past.unowned if not any(item in items for items in listed)}
    return {item: past.unowned[item] for item in needs_reread if item in past.unowned} | found


def newcomers(inventory: Inventory, memory: Membership) -> list[Item]:
    """Objects that belong to no stack and are new, or have just finished being created."""
    return [
        item
        for item in _loose(inventory)
        if item.id not in memory.unowned or (memory.unowned[item.id] and not _is_being_made(item))
    ]


def _loose(inventory: Inventory) -> Iterator[Item]:
    held = {item for content in inventory.contents.values() for item in content.ids}
    for items in (inventory.servers, inventory.volumes, inventory.networks):
        yield from (item for item in items.values() if item.id not in held)


def _is_being_made(item: Item) -> bool:
    """Whether an object is being created: services list it some moments before Heat records it as a resource."""
    if isinstance(item, Server):
        return item.vm_state == "building"
    return item.status in ("creating", "BUILD")


def _remembered(inventory: Inventory, memory: Membership) -> Iterator[Stack]:
    for stack_id, content in inventory.contents.items():
        past = memory.stacks.get(stack_id)
        if past is not None and past.content is content:
            yield inventory.stacks[stack_id]


def _absent(inventory: Inventory, stack: Stack, content: StackContent) -> Iterator[str]:
    for kind in DEVICES:
        listed = inventory.of(kind)
        missing = [item for item in content.of(kind) if item not in listed]
        if missing and inventory.is_complete(kind, stack.project_id):
            yield from missing


def _in_common(one: str, other: str) -> int:
    """The length of the common prefix of two names."""
    return sum(1 for _ in takewhile(lambda pair: pair[0] == pair[1], zip(one, other, strict=False)))


def _members(inventory: Inventory, stack_id: str) -> Iterable[Item]:
    content = inventory.contents.get(stack_id) or StackContent()
    yield from (inventory.servers[item] for item in content.servers if item in inventory.servers)
    yield from (inventory.volumes[item] for item in content.volumes if item in inventory.volumes)
    yield from (inventory.networks[item] for item in content.networks if item in inventory.networks)
