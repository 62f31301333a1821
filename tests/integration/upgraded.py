"""The cloud for `tests/fixtures/upgrade`: two stacks in one project, and objects outside any stack."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from handmade import PROJECT, STACK, STACKS, Answer, HandmadeCloud, Teller

FLAVORS = (
    {"id": "f-small", "name": "m1.small", "vcpus": 2, "ram": 2048, "disk": 20, "description": "For everyday work"},
    {"id": "f-large", "name": "m1.large", "vcpus": 4, "ram": 8192, "disk": 0},
)
SECOND = "57ac0002"
VOLUME = "70100001"
NETWORK = "0e700001"
LATE = "5e120005"


def server(server_id: str, name: str, flavor: str, **more: object) -> dict[str, object]:
    """A server of the project as Nova shows it."""
    return {
        "id": server_id, "tenant_id": PROJECT, "name": name, "flavor": {"id": flavor}, "user_id": "u" * 32,
        "OS-EXT-STS:vm_state": "active", "created": "2026-01-02T03:04:05Z", **more,
    }  # fmt: skip


SERVERS = (
    server(
        "5e120001", "login", "f-small", key_name="key",
        addresses={"net": [
            {"addr": "10.0.0.5", "OS-EXT-IPS:type": "fixed"}, {"addr": "203.0.113.7", "OS-EXT-IPS:type": "floating"},
        ]},
    ),
    server("5e120002", "head_node (blue)", "f-large", **{"os-extended-volumes:volumes_attached": [{"id": VOLUME}]}),
    server("5e120003", "compute", "f-small", **{"OS-EXT-STS:vm_state": "stopped"}),
    server("5e120004", "loose", "f-small"),
)  # fmt: skip


def furnish(cloud: HandmadeCloud, *, late: bool) -> None:
    """Gives the cloud all that is in it; with `late` also a server that its second stack got last."""
    cloud.servers = [*SERVERS, *([server(LATE, "late", "f-small")] if late else [])]
    cloud.volumes = [
        {"id": VOLUME, "name": "home", "status": "in-use", "size": 10, "os-vol-tenant-attr:tenant_id": PROJECT},
        {"id": "70100002", "name": "loose", "status": "available", "size": 1, "os-vol-tenant-attr:tenant_id": PROJECT},
    ]
    network = {"id": NETWORK, "name": "net", "status": "ACTIVE", "project_id": PROJECT, "mtu": 1450, "shared": False}
    subnet = {"id": "5b000001", "network_id": NETWORK, "cidr": "10.0.0.0/24", "project_id": PROJECT}
    first = _stack(STACK, "cluster", "2026-01-02T03:00:00Z")
    second = _stack(SECOND, "second", "2026-01-03T00:00:00Z" if late else "2026-01-02T03:00:00Z")
    outputs = [{"output_key": "url", "output_value": "https://x", "description": ""}]
    cloud.resources = [
        cloud.resource("OS::Nova::Server", "5e120001"),
        cloud.resource("OS::Nova::Server", "5e120002"),
        cloud.resource("OS::Cinder::Volume", VOLUME),
        cloud.resource("OS::Neutron::Net", NETWORK),
    ]
    held = [cloud.resource("OS::Nova::Server", item) for item in ("5e120003", *([LATE] if late else []))]
    cloud.answers |= {
        "GET /compute/v2.1/flavors/detail": _always({"flavors": FLAVORS}),
        "GET /network/v2.0/networks": _always({"networks": [network]}),
        "GET /network/v2.0/subnets": _always({"subnets": [subnet]}),
        f"GET {STACKS}": lambda query, _: None if "marker" in query else Answer({"stacks": [first, second]}),
        f"GET {STACKS}/cluster/{STACK}": _always({"stack": {**first, "outputs": outputs}}),
        f"GET {STACKS}/second/{SECOND}": _always({"stack": {**second, "outputs": []}}),
        f"GET {STACKS}/second/{SECOND}/resources": _always({"resources": held}),
    }


def _stack(stack_id: str, name: str, updated: str) -> dict[str, object]:
    href = f"http://heat.internal/v1/{PROJECT}/stacks/{name}/{stack_id}"
    return {
        "id": stack_id, "stack_name": name, "stack_status": "UPDATE_COMPLETE", "stack_owner": "owner", "tags": None,
        "creation_time": "2026-01-02T03:00:00Z", "updated_time": updated, "links": [{"rel": "self", "href": href}],
    }  # fmt: skip


def _always(body: Mapping[str, Any]) -> Teller:
    return lambda *_: Answer(body)
