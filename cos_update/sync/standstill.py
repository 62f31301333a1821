"""Spares planning while nothing changes: the view holds the last plan if it changed nothing, and what it was made from.

Planning is pure, so equal inputs give an equal plan. What the view holds is compared with the view itself, where
unchanged records are the same objects from reading to reading; of the rest it has a checksum.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from hashlib import blake2b
from operator import attrgetter
from typing import Any, TypeVar

from cos_update import __version__
from cos_update.model.concertim import Actual, Device, Rack
from cos_update.model.openstack import Inventory, StackContent
from cos_update.openstack.stack_members import may_be_remembered
from cos_update.planning.deletions import Scope
from cos_update.planning.plan import Notice, NoticeKind, Plan, RackPlan
from cos_update.planning.planner import Rules
from cos_update.store import View, cloud_memory

R = TypeVar("R", Rack, Device)

_FLAVOR = attrgetter("id", "name", "vcpus", "ram", "disk", "description")
_STACK = attrgetter(
    "id", "project_id", "name", "status", "status_reason", "owner", "created", "updated", "tags", "description"
)
_PROJECT = attrgetter("id", "name")
_GAP = attrgetter("kind", "reason", "project_id", "stack_id", "absent", "of_login", "hint")
_OUTPUT = attrgetter("key", "value", "description")
_NOTICE = attrgetter("kind", "subject", "name", "openstack_id", "text")
_RACK = attrgetter("stack_id", "project_id", "owner_id", "owner_name", "rack_name", "status", "rack_id")


def still(plan: Plan, inventory: Inventory, actual: Actual, past: View, options: str) -> Mapping[str, Any]:
    """For the view: the plan, in plain containers, and the checksum of its inputs; {} if it changes anything.

    It was made from `inventory`, `actual`, `past` and `options` alone: planning asked for and read nothing more.
    """
    if plan.actions or plan.held or not _is_same_actual(actual, past.actual):
        return {}
    return {
        "inputs": _checksum(inventory, options),
        "in_step": plan.in_step,
        "notices": [_notice_plain(notice) for notice in plan.notices],
        "racks": [
            [*_RACK(rack_plan), [_notice_plain(notice) for notice in rack_plan.notices]]
            for rack_plan in plan.rack_plans
            if rack_plan.notices
        ],
    }


def plan_of(past: View, inventory: Inventory, actual: Actual, options: str) -> Plan | None:
    """The plan that the view holds, if it follows from these inputs too; racks without notices are left out of it.

    It does not depend on when a reading began or on what devices have cost.
    """
    if not past.still or not (_is_same_cloud(inventory, past) and _is_same_actual(actual, past.actual)):
        return None
    try:
        if past.still["inputs"] != _checksum(inventory, options):
            return None
        racks = tuple(map(_rack_plan, past.still["racks"]))
        notices = tuple(map(_notice, past.still["notices"]))
        return Plan(rack_plans=racks, notices=notices, in_step=int(past.still["in_step"]))
    except (LookupError, TypeError, ValueError, OverflowError):
        return None


def options_text(rules: Rules, scope: Scope, order_id: str, *, dated: bool) -> str:
    """The options of a plan of everything; with shards, of everything in them."""
    shards = scope.shards
    return f"{rules} {order_id} {dated} {shards and (sorted(shards.held), shards.count)}"


def are_same(one: Mapping[str, R], other: Mapping[str, R]) -> bool:
    """Whether both hold equal records, with equal `known_as`, in the same order."""
    return len(one) == len(other) and all(
        item is there or (key == their_key and item == there and item.known_as == there.known_as)
        for (key, item), (their_key, there) in zip(one.items(), other.items(), strict=True)
    )


def _is_same_actual(one: Actual, other: Actual) -> bool:
    return one is other or (
        (one.flavour, one.is_narrowed, one.owners, one.templates)
        == (other.flavour, other.is_narrowed, other.owners, other.templates)
        and are_same(one.racks, other.racks)
        and are_same(one.devices, other.devices)
    )


def _is_same_cloud(inventory: Inventory, past: View) -> bool:
    """Whether the objects and the remembered members of stacks are those that the view remembers."""
    memory = cloud_memory(past)
    return (
        memory is not None
        and (inventory.servers, inventory.volumes, inventory.networks)
        == (memory.servers, memory.volumes, memory.networks)
        and _contents(inventory, remembered=True) == {item: stack.content for item, stack in past.stacks.items()}
    )


def _contents(inventory: Inventory, *, remembered: bool) -> dict[str, StackContent]:
    """The contents of stacks that views remember, or those that they don't."""
    return {
        item: content
        for item, content in inventory.contents.items()
        if may_be_remembered(inventory.stacks[item], content) is remembered
    }


def _checksum(inventory: Inventory, options: str) -> str:
    """Of the inputs that the view does not hold, and of the program, whose next release may plan otherwise."""
    inputs = [
        __version__,
        options,
        [_PROJECT(project) for project in inventory.projects.values()],
        [_PROJECT(project) for project in inventory.disabled.values()],
        None if inventory.chosen is None else sorted(inventory.chosen),
        [_FLAVOR(flavor) for flavor in inventory.flavors.values()],
        [_STACK(stack) for stack in inventory.stacks.values()],
        [_GAP(gap) for gap in inventory.gaps],
        [(item, _content_plain(content)) for item, content in _contents(inventory, remembered=False).items()],
    ]
    return blake2b(json.dumps(inputs).encode(), digest_size=32).hexdigest()


def _content_plain(content: StackContent) -> list[object]:
    outputs = None if content.outputs is None else [_OUTPUT(output) for output in content.outputs]
    return [content.servers, content.volumes, content.networks, outputs, content.whole]


def _notice_plain(notice: Notice) -> list[str]:
    return list(map(str, _NOTICE(notice)))


def _rack_plan(plain: Any) -> RackPlan:
    *texts, notices = plain
    stack_id, project_id, owner_id, owner_name, rack_name, status, rack_id = map(str, texts)
    return RackPlan(
        stack_id,
        project_id,
        owner_id,
        owner_name,
        rack_name,
        status,
        rack_id,
        notices=tuple(map(_notice, notices)),
    )


def _notice(plain: Any) -> Notice:
    kind, *texts = plain
    return Notice(NoticeKind(kind), *map(str, texts))
