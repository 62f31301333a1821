"""A view with one of everything that other services read, and with objects that they could not handle."""

from __future__ import annotations

from dataclasses import replace

from cos_update.model.accounts import Account, Accounts, Person
from cos_update.model.concertim import (
    OBJECT_ID,
    STACK_ID,
    Actual,
    ApiFlavour,
    Device,
    InstanceDetails,
    Location,
    NetworkDetails,
    Owner,
    Rack,
    Template,
    VolumeDetails,
)
from cos_update.model.kinds import ResourceKind
from cos_update.model.openstack import Project
from cos_update.model.settings import ViewFor
from cos_update.store import Origin, View

MADE = "2024-05-01T10:00:00Z"
OUTPUT = {"concertim_cluster_type": "slurm", "ip": ["10.0.0.4", 1]}

OWNERS = {
    "o1": Owner("o1", "blue", "p1"),
    "o2": Owner("o2", "green", ""),
}
ACCOUNTS = Accounts(
    {
        "o1": Account("acct-1", "2026-11-01", "2026-12-01", "99.999", "-5.0"),
        "o2": Account(),
    },
    {
        "o1": Person("o1", "bo", "Bo Blue", "bo@example.com", "c1"),
        "u2": Person("u2", "cy", "Cy", "cy@example.com"),
        "u0": Person("u0", "admin", "System Administrator", "admin@example.com", "", is_root=True),
    },
)
TEMPLATES = {
    "t1": Template("t1", "m1.small", 2, "f1", 2, 2048, 20, "small"),
    "t2": Template("t2", "volume", 2, tag="volume"),
    "t3": Template("t3", "network", 1, tag="network"),
}
RACKS = {
    "r1": Rack(
        "r1",
        "web",
        "o1",
        42,
        "ACTIVE",
        {
            STACK_ID: "s1",
            "openstack_stack_owner": "bo",
            "stack_status_reason": "Stack CREATE completed",
            "openstack_stack_output": OUTPUT,
        },
        {"net": ["10.0.0.0/24"]},
        "concertim_cluster_type=slurm, ip=10.0.0.4",
        "order-1",
        "12.50",
    ),
    "r2": Rack("r2", "by-hand", "o2", 10, "ACTIVE", cost="none"),
    "r3": Rack("r3", "lost", "o9", 10, "ACTIVE"),
}


def _device(key: str, kind: ResourceKind, template: str, unit: tuple[int, int], **more: object) -> Device:
    object_id = {"d1": "i1", "d2": "v1", "d3": "n1"}.get(key)
    metadata: dict[str, object] = {OBJECT_ID: object_id, STACK_ID: "s1"} if object_id else {}
    metadata |= {"net_interfaces": [{"network": "net", "address": "10.0.0.4"}]} if key == "d1" else {}
    rack = str(more.pop("rack", "r1"))
    place = Location(*unit)
    return Device(key, key, kind, rack, template, "ACTIVE", place, metadata=metadata, **more)  # type: ignore[arg-type]


DEVICES = {
    item.id: item
    for item in (
        _device(
            "d1",
            ResourceKind.SERVER,
            "t1",
            (3, 4),
            details=InstanceDetails("ext:1.2.3.4", "net:10.0.0.4", "key", "rocky", [{"id": "v1", "name": "home"}]),
            description="login",
            cost="1.25",
        ),
        _device("d2", ResourceKind.VOLUME, "t2", (1, 2), details=VolumeDetails("nova", True, None, False, 10, "ssd")),
        _device("d3", ResourceKind.NETWORK, "t3", (42, 42), details=NetworkDetails(mtu=1450, shared=False)),
        _device("d4", ResourceKind.SERVER, "t9", (5, 7), rack="r2", details=InstanceDetails()),
        _device("d5", ResourceKind.SERVER, "t1", (1, 2), rack="r3", details=InstanceDetails()),
        _device("d6", ResourceKind.SERVER, "t1", (1, 2), rack="r9", details=InstanceDetails()),
    )
}


def sample(form: ViewFor, flavour: ApiFlavour = ApiFlavour.TEAMS) -> View:
    """The view as it is written for one generation."""
    return View(
        Actual(1.0, flavour, OWNERS, TEMPLATES, RACKS, DEVICES, accounts=ACCOUNTS),
        projects={"p1": Project("p1", "CM_blue")},
        origins={
            "s1": Origin(ResourceKind.STACK, "Web!", "CREATE_COMPLETE", "p1", "", MADE),
            "i1": Origin(ResourceKind.SERVER, "login node", "active", "p1", "s1", MADE),
        },
        view_for=form,
        view_for_since=1.0,
    )


def without_accounts(form: ViewFor) -> View:
    """The same when nothing is known of money and people."""
    view = sample(form)
    return replace(view, actual=replace(view.actual, accounts=None))
