"""Decides what a pass remembers for the next: which part of the view replaces reading, and what the view keeps.

Separate from the reconciler, so that one place has the rules of what may be remembered, and for how long."""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Container, Iterable, Iterator, Mapping
from dataclasses import replace

from cos_update.model.concertim import Actual, Device
from cos_update.model.kinds import DEVICES, ResourceKind
from cos_update.model.openstack import Inventory, Membership
from cos_update.model.settings import Settings
from cos_update.planning.outcome import Outcome, Result
from cos_update.planning.plan import Verb
from cos_update.planning.states import origin_state
from cos_update.planning.stored import Memory, remembered
from cos_update.planning.values import timestamp
from cos_update.store import Origin, View

NOTHING = View(Actual(began=0.0))
"""The empty view of a process that knows nothing yet."""


def remembered_devices(settings: Settings, past: View) -> Actual | None:
    """Concertim as remembered; None if every device must be read in full."""
    is_always = settings.full_read_every <= 1
    return None if past is NOTHING or past.torn or is_always else past.actual


def due_racks(settings: Settings, past: View) -> tuple[str, ...]:
    """The racks to read by id in this pass, for the fields of their devices that the structure lacks.

    Each pass reads an equal share, continuing after the last rack of an earlier pass, so that every rack is read
    within `full_read_every` passes.
    """
    ids = sorted(past.actual.racks)
    number, every = past.passes_since_full, max(settings.full_read_every, 1)
    count = (number + 1) * len(ids) // every - number * len(ids) // every
    first = bisect_right(ids, past.last_read)
    return tuple((ids[first:] + ids[:first])[:count])


def remembered_stacks(settings: Settings, past: View) -> Membership | None:
    """The remembered members of stacks; None if all must be read from Heat."""
    is_due = past.passes_since_membership + 1 >= settings.membership_refresh
    return None if past is NOTHING or is_due else Membership(past.stacks, past.unowned)


def needs_reread(outcomes: Iterable[Outcome]) -> Iterator[str]:
    """The ids of devices that a failed update has left in an unknown state."""
    for outcome in outcomes:
        action, failed = outcome.action, outcome.result in (Result.REFUSED, Result.FAILED)
        if failed and outcome.record is None and action.device is not None and action.verb is Verb.UPDATE:
            yield action.device.id


def dropped(past: View, outcomes: Iterable[Outcome], now: Actual) -> Memory:
    """The values that Concertim accepts but does not store; forgotten if the app's API has changed."""
    known = past.dropped if past.actual.flavour is now.flavour else {}
    written = [o for o in outcomes if o.action.verb is not Verb.REMOVE and (o.result is Result.DONE or o.dropped)]
    return remembered(known, ((o.action, o.record, o.dropped) for o in written), now)


def with_costs(actual: Actual, past: Actual) -> Actual:
    """`actual` with the current costs of devices that equal those in `past`.

    Only after planning, which depends on the identity of records to see whether a device was read.
    """
    changed = {
        item: replace(device, cost=cost)
        for item, cost in actual.costs.items()
        if (device := actual.devices.get(item)) is not None and device is past.devices.get(item) and device.cost != cost
    }
    return replace(actual, devices={**actual.devices, **changed}, costs={}) if actual.costs else actual


def with_known_people(actual: Actual, past: Actual) -> Actual:
    """`actual` with the accounts of `past`, or the people in them, where these were not read this time."""
    accounts, before = actual.accounts, past.accounts
    if before is None or (accounts is not None and accounts.people is not None):
        return actual
    return replace(actual, accounts=replace(accounts, people=before.people) if accounts else before)


def with_former(past: View) -> Actual:
    """Concertim as it was, including the devices that were gone already before."""
    return replace(
        past.actual, devices={**{device.id: device for device in past.former.values()}, **past.actual.devices}
    )


def former(past: View, read: Actual, now: Actual, known: Container[str]) -> Mapping[str, Device]:
    """The devices that are gone from Concertim though their objects exist (`known`), by OpenStack id.

    `read` is Concertim as read, `now` as it is after applying the plan.
    """
    shown = {device.object_id for device in now.devices.values()}
    gone = {**past.former, **_by_object(past.actual, now), **_by_object(read, now)}
    return {item: device for item, device in gone.items() if item in known and item not in shown}


def _by_object(before: Actual, now: Actual) -> dict[str, Device]:
    gone = before.devices.keys() - now.devices.keys()
    return {before.devices[item].object_id: before.devices[item] for item in gone}


def origins(inventory: Inventory, *, dated: bool = False) -> dict[str, Origin]:
    """The OpenStack origins of all objects read, by OpenStack id; with creation times only if `dated`."""
    homes = {item: stack_id for stack_id, content in inventory.contents.items() for item in content.ids}
    found = {}
    for kind in (ResourceKind.STACK, *DEVICES):
        for item in inventory.of(kind).values():
            home, created = homes.get(item.id, ""), timestamp(item.created) if dated else ""
            found[item.id] = Origin(kind, item.name, origin_state(item), item.project_id, home, created)
    return found


def with_unread(found: Mapping[str, Origin], inventory: Inventory, past: Mapping[str, Origin]) -> Mapping[str, Origin]:
    """`found`, plus the remembered origins of objects that could not or need not be read in this pass."""
    if inventory.chosen is None and not inventory.gaps:
        return found
    kept = {
        item: origin
        for item, origin in past.items()
        if item not in found
        and (
            (inventory.chosen is not None and origin.project_id not in inventory.chosen)
            or not inventory.is_complete(origin.kind, origin.project_id)
        )
    }
    return {**kept, **found}
