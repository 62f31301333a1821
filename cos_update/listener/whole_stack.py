"""The wide round: stacks are read with all that they hold, their racks too, and brought in step as in a pass."""

from __future__ import annotations

import time
from collections.abc import Iterable
from dataclasses import dataclass, field

from cos_update.listener.attempt import Ending, Endings, Fate, Means, Tasks, endings
from cos_update.listener.index import KINDS, Shown
from cos_update.model.errors import CloudError
from cos_update.model.events import Key, Kind
from cos_update.model.openstack import Gap, Inventory, Listing, Project, Stack, StackContent
from cos_update.openstack.session import NotFound
from cos_update.openstack.single_objects import Asked, Found
from cos_update.openstack.stack_members import remembered_stacks
from cos_update.planning.plan import Lane, NoticeKind
from cos_update.planning.states import IN_PROGRESS, server_status, stack_status, volume_status
from cos_update.store import Posting
from cos_update.sync.reconciler import RACK_WAIT

LISTINGS = {Kind.SERVER: Listing.SERVERS, Kind.VOLUME: Listing.VOLUMES, Kind.NETWORK: Listing.NETWORKS}


@dataclass(slots=True)
class _Trees:
    """What Heat says of the stacks, by id; `done` are those with which nothing more is to do."""

    stacks: dict[str, Stack] = field(default_factory=dict)
    contents: dict[str, StackContent] = field(default_factory=dict)
    gone: list[Key] = field(default_factory=list)
    done: Endings = field(default_factory=dict)


def refresh(means: Means, project: Project, tasks: Tasks) -> Endings:
    """Does a wide round; every task gets an ending. Raises CloudError, ConcertimError, ViewError."""
    began = time.time()
    trees = _trees(means, project, tasks)
    shown = means.synced()
    _see_racks(means, shown, trees)
    trees.done.update((stack, Ending()) for stack in trees.gone if not shown.has_rack(stack.id))
    concerned = [Key(Kind.STACK, item, project.id) for item in trees.stacks]
    concerned += [stack for stack in trees.gone if stack not in trees.done]
    if not concerned:
        return trees.done
    found = _members(means, shown, project, trees, concerned)
    inventory = _inventory(began, project, trees, found)
    stacks = [stack.id for stack in concerned]
    sight = means.look(project, inventory, shown, shown.part(stacks, alone=False), stacks)
    applied = means.post(sight)
    shown.remember(remembered_stacks(inventory))
    ends = endings(applied, sight.plan.lanes)
    lanes = {lane.stack_id: lane for lane in sight.plan.lanes}
    for stack in concerned:
        trees.done[stack] = ends.get(stack.id) or _ending(
            stack, lanes.get(stack.id), found, inventory, held=bool(sight.plan.held)
        )
    return trees.done


def _trees(means: Means, project: Project, tasks: Tasks) -> _Trees:
    """Reads each stack from its top down to what it holds."""
    trees = _Trees()

    def ask(stack: Key) -> tuple[Stack, StackContent] | CloudError | None:
        try:
            top = means.objects.top_stack(project.id, stack.id)
            if top is None:
                return None
            if top[0].id != stack.id:
                return top[0], StackContent()
            return top[0], means.objects.content(*top)
        except NotFound:
            return None
        except CloudError as error:
            return error

    for stack, answer in zip(tasks, means.objects.each(ask, tasks), strict=True):
        if isinstance(answer, CloudError):
            trees.done[stack] = Ending(Fate.FAILED, f"Heat: {answer}")
        elif answer is None:
            trees.gone.append(stack)
        elif answer[0].id != stack.id:
            trees.done[stack] = Ending(to=(Key(Kind.STACK, answer[0].id, project.id),))
        else:
            trees.stacks[stack.id], trees.contents[stack.id] = answer
    return trees


def _see_racks(means: Means, shown: Shown, trees: _Trees) -> None:
    """Reads the racks concerned as they are now: what is made or removed must fit what is there."""
    concertim = means.tools.concertim
    if any(not shown.has_rack(item) for item in trees.stacks):
        shown.see_shells(concertim.owners(), concertim.templates(), concertim.racks())
    for stack_id in (*trees.stacks, *(stack.id for stack in trees.gone)):
        if rack_id := shown.rack_id(stack_id):
            _see_rack(means, shown, stack_id, rack_id)


def _see_rack(means: Means, shown: Shown, stack_id: str, rack_id: str) -> None:
    """Reads one rack. What was not known of it is told to whoever goes by what we know, our successor among them."""
    tools = means.tools
    seen = tools.concertim.rack(rack_id)
    if any(shown.difference(rack_id, seen)):
        with tools.store.rack_lock(stack_id, RACK_WAIT):
            seen = tools.concertim.rack(rack_id)
            racks, devices = shown.difference(rack_id, seen)
            tools.store.posted(Posting(0, tools.store.process, 0.0, time.time(), stack_id, racks, devices))
    shown.see_rack(rack_id, seen)


def _members(means: Means, shown: Shown, project: Project, trees: _Trees, concerned: Iterable[Key]) -> Found:
    """Reads what the stacks hold, what their racks show, and the volumes attached to any of it."""
    ids: dict[Kind, set[str]] = {kind: set() for kind in LISTINGS}
    for content in trees.contents.values():
        ids[Kind.SERVER].update(content.servers)
        ids[Kind.VOLUME].update(content.volumes)
        ids[Kind.NETWORK].update(content.networks)
    for stack in concerned:
        for item, device in shown.devices(stack.id).items():
            ids[KINDS[device.type]].add(item)
    sizes = shown.sizes(project.id)
    asked = Asked(*(frozenset(ids[kind]) for kind in (Kind.SERVER, Kind.VOLUME, Kind.NETWORK)))
    found = means.objects.read(project.id, asked, sizes)
    attached = {volume for server in found.servers.values() for volume in server.volume_ids} - ids[Kind.VOLUME]
    if attached and Kind.VOLUME not in found.absent:
        more = means.objects.read(project.id, Asked(volumes=frozenset(attached)), sizes)
        found.volumes |= more.volumes
        found.failed |= more.failed
    if not {server.flavor_id for server in found.servers.values()} <= shown.flavors():
        # Who died after making a template may not have said so.
        shown.see_templates(means.tools.concertim.templates())
    means.objects.with_flavors(found, project.id, shown.flavors())
    return found


def _inventory(began: float, project: Project, trees: _Trees, found: Found) -> Inventory:
    failed = {key.kind: reason for key, reason in found.failed.items()}
    gaps = [Gap(LISTINGS[kind], reason, project.id) for kind, reason in failed.items()]
    gaps += [Gap(LISTINGS[kind], "not in the catalog", project.id, absent=True) for kind in found.absent]
    if Kind.NETWORK in failed or Kind.NETWORK in found.absent:
        gaps.append(Gap(Listing.SUBNETS, failed.get(Kind.NETWORK, "not in the catalog"), project.id))
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


def _ending(stack: Key, lane: Lane | None, found: Found, inventory: Inventory, *, held: bool) -> Ending:
    """The end of a round in which all that was planned for the stack was posted."""
    content = inventory.contents.get(stack.id)
    ids = {*content.servers, *content.volumes, *content.networks} if content else set()
    unread = [reason for key, reason in found.failed.items() if content is None or key.id in ids]
    unproven = [notice.text for notice in lane.notices if notice.kind is NoticeKind.UNCONFIRMED] if lane else []
    if held:
        return Ending(Fate.RESYNC, "more removals than max_deletes allows")
    if unread or unproven:
        return Ending(Fate.FAILED, (unread + unproven)[0])
    return Ending(unsettled=_is_unsettled(stack.id, ids, inventory))


def _is_unsettled(stack_id: str, ids: Iterable[str], inventory: Inventory) -> bool:
    stack = inventory.stacks.get(stack_id)
    return (stack is not None and stack_status(stack) == IN_PROGRESS) or any(
        (item in inventory.servers and server_status(inventory.servers[item]) == IN_PROGRESS)
        or (item in inventory.volumes and volume_status(inventory.volumes[item]) == IN_PROGRESS)
        for item in ids
    )
