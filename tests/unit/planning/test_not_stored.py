"""A field that Concertim accepts but does not store is sent once, reported once, and not sent again."""

from __future__ import annotations

import threading
from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import pytest
from clouds import OWNERS, PROJECTS, truth
from strictapp import NAMES, StrictApp, unguarded

from cos_update.model.concertim import Device, Record, Template
from cos_update.model.exit_codes import ExitCode
from cos_update.model.openstack import Address, Flavor, Inventory, Network, Output, Server, Stack, StackContent, Volume
from cos_update.planning.desired import desired_state
from cos_update.planning.outcome import Applied, Result
from cos_update.planning.plan import NoticeKind
from cos_update.planning.planner import Rules, make_plan, unconfirmed_deletions
from cos_update.planning.report import Report, report
from cos_update.store import View
from cos_update.sync.cache_policy import dropped
from cos_update.sync.executor import execute


class Forgetful(StrictApp):
    """Says yes to everything and forgets the fields named in `forgets`, `metadata.KEY` included."""

    forgets: frozenset[str] = frozenset()

    def _forgetting(self, record: Any, before: Any) -> Any:
        for name in self.forgets:
            key = name.removeprefix("metadata.")
            if key != name and not isinstance(record, Template):
                record = replace(record, metadata={k: v for k, v in record.metadata.items() if k != key})
            elif hasattr(record, name):
                record = replace(record, **{name: getattr(before, name) if before else _nothing(getattr(record, name))})
            elif isinstance(record, Device) and hasattr(record.details, name):
                value = getattr(before.details, name) if before else _nothing(getattr(record.details, name))
                record = replace(record, details=replace(record.details, **{name: value}))
        return record

    def create(self, record: Record) -> Record:
        return super().create(self._forgetting(record, None))

    def update(self, record: Record, changes: Mapping[str, object]) -> Record:
        there: dict[str, Any] = getattr(self, f"{NAMES[type(record)]}s")
        before = there[record.id]
        there[record.id] = self._forgetting(super().update(record, changes), before)
        return there[record.id]


def _nothing(value: object) -> object:
    return "" if isinstance(value, str) else {} if isinstance(value, Mapping) else None


class Passes:
    """Passes one after another, each with what the last one remembered."""

    def __init__(self, *forgets: str) -> None:
        self.app = Forgetful(OWNERS)
        self.app.forgets = frozenset(forgets)
        self.view = View(self.app.actual())

    def run(self, inventory: Inventory) -> Report:
        actual, rules = self.app.actual(), Rules()
        desired = desired_state(inventory, actual)
        absence_checks = truth(inventory, unconfirmed_deletions(desired, actual, inventory, rules))
        plan = make_plan(desired, actual, inventory, absence_checks, rules, dropped=self.view.dropped)
        applied: Applied = execute(plan, self.app, unguarded, workers=1, stop=threading.Event())
        now = self.app.actual()
        self.view = View(now, dropped=dropped(self.view, applied.outcomes, now))
        return report(plan, applied, 0.0)


def cloud(text: str, number: int) -> Inventory:
    """A cloud in which every field of every kind of object depends on `text` and `number`."""
    flavor = Flavor("f", f"flavor{number}", 1, 512 * number, 10 * number, text)
    server = Server(
        "i1", "p-a", f"node{number}", "active", flavor_id="f", addresses=(Address(text, "10.0.0.1"),), key_name=text,
        volume_ids=("v1",), description=text,
    )  # fmt: skip
    volume = Volume("v1", "p-a", "v1", "in-use", number, text, number > 1, number > 1, number > 1, text, text)
    network = Network(
        "n1", "p-a", "n1", "ACTIVE", number > 1, 1400 + number, number > 1, number > 1, number > 1, text,
        cidrs=(f"10.{number}.0.0/24",),
    )  # fmt: skip
    stack = Stack("s1", "p-a", "s1", "CREATE_COMPLETE", text, text, "1")
    content = StackContent(("i1",), ("v1",), ("n1",), (Output("key", text),))
    return Inventory(
        0.0, PROJECTS, {"f": flavor}, {"s1": stack}, {"s1": content}, {"i1": server}, {"v1": volume}, {"n1": network}
    )


FIELDS = [
    "ram", "disk", "description", "network_details", "creation_output", "metadata.openstack_stack_owner",
    "metadata.openstack_stack_output", "metadata.net_interfaces", "private_ips", "ssh_key", "volume_details",
    "availability_zone", "bootable", "encrypted", "read_only", "size", "volume_type", "admin_state_up", "dns_domain",
    "mtu", "port_security_enabled", "shared", "l2_adjacency",
]  # fmt: skip


@pytest.mark.parametrize("field", FIELDS)
def test_it_is_reported_once_and_not_sent_again_until_the_wish_changes(field: str) -> None:
    passes = Passes(field)
    assert passes.run(cloud("one", 1)).exit_code is ExitCode.IN_PART
    for _ in range(2):
        quiet = passes.run(cloud("one", 1))
        assert (quiet.outcomes, quiet.exit_code) == ((), ExitCode.DONE)
    changed = passes.run(cloud("two", 2))
    reported = [o for o in changed.outcomes if field in {change.field for change in o.dropped}]
    assert reported
    assert all(field in o.reason for o in reported)
    again = passes.run(cloud("two", 2))
    assert again.outcomes == ()
    assert NoticeKind.NOT_STORED in {notice.kind for notice in again.notices}


def test_what_else_is_to_be_changed_still_is() -> None:
    passes = Passes("ssh_key")
    passes.run(cloud("one", 1))
    two = passes.run(cloud("two", 2))
    device = next(d for d in passes.app.devices.values() if d.object_id == "i1")
    assert (device.name, device.description) == ("node2", "two")
    assert [o.result for o in two.outcomes if o.action.openstack_id == "i1"] == [Result.REFUSED]


def test_it_is_sent_again_when_what_concertim_shows_has_changed() -> None:
    passes = Passes("ssh_key")
    passes.run(cloud("one", 1))
    assert passes.run(cloud("one", 1)).outcomes == ()
    device = next(d for d in passes.app.devices.values() if d.object_id == "i1")
    passes.app.devices[device.id] = replace(device, details=replace(device.details, ssh_key="by hand"))  # type: ignore[arg-type]
    assert len(passes.run(cloud("one", 1)).outcomes) == 1
    assert passes.run(cloud("one", 1)).outcomes == ()


def test_it_is_forgotten_once_it_is_stored() -> None:
    passes = Passes("ssh_key")
    passes.run(cloud("one", 1))
    passes.app.forgets = frozenset()
    passes.run(cloud("two", 2))
    assert passes.view.dropped == {}
    assert passes.run(cloud("two", 2)).notices == ()
