"""Fills the fake Concertim over its API like previous update handlers of either generation.

They show what the app accepts of them; whatever it refuses is not there.
"""

from __future__ import annotations

import itertools
import json
import uuid
from collections.abc import Iterator
from dataclasses import dataclass, field

import requests
from world import World

from cos_update.model.concertim import ApiFlavour
from cos_update.model.kinds import ResourceKind
from cos_update.model.openstack import Flavor, Inventory, Server, Stack
from cos_update.planning import states

_STATUS = {
    ResourceKind.SERVER: states.server_status,
    ResourceKind.VOLUME: states.volume_status,
    ResourceKind.NETWORK: states.network_status,
}
_DETAILS = {
    ResourceKind.SERVER: "Device::ComputeDetails",
    ResourceKind.VOLUME: "Device::VolumeDetails",
    ResourceKind.NETWORK: "Device::NetworkDetails",
}


@dataclass
class Handlers:
    """One generation of them, with its rules. `orders` are the order ids they gave, by stack id."""

    world: World
    generation: int
    orders: dict[str, str] = field(default_factory=dict)
    templates: dict[str, tuple[str, int]] = field(default_factory=dict)
    """By flavor id or tag: the template's id and height."""

    def fill(self, inventory: Inventory) -> None:
        """All that they show of the cloud."""
        self._token = self._login()
        for template in self._get("templates"):
            if template.get("tag"):
                self.templates[template["tag"]] = template["id"], template["height"]
        flavors = dict(inventory.flavors)
        for server in inventory.servers.values():  # those that are deleted by now were there then
            if server.flavor is not None:
                flavors.setdefault(server.flavor_id, server.flavor)
        for flavor_id, flavor in sorted(flavors.items()):
            self._template(flavor_id, flavor)
        is_older = self.world.concertim.state.flavour is ApiFlavour.USERS
        owners = {owner["project_id"]: owner["id"] for owner in self._get("users" if is_older else "teams")
                  if owner.get("project_id")}  # fmt: skip
        for stack in sorted(inventory.stacks.values(), key=lambda s: s.created):
            if stack.project_id in owners:
                self._rack(stack, inventory, owners[stack.project_id])

    def height(self, vcpus: int) -> int:
        """The height of a flavor's template."""
        if self.generation == 2:
            return min(vcpus // 2 + 1, 4)
        return {1: 1, 2: 2, 3: 3, 4: 3}.get(vcpus, 4)

    def name(self, name: str) -> str:
        """What they make of an object's name."""
        return name.replace(".", "-").replace("_", "-") if self.generation == 1 else name

    def _template(self, flavor_id: str, flavor: Flavor) -> None:
        sizes = {name: getattr(flavor, name) or None for name in ("ram", "disk", "vcpus")}
        body = {"name": flavor.name, "height": self.height(flavor.vcpus), "foreign_id": flavor_id, **sizes}
        if made := self._post("templates", {"template": body}):
            self.templates[flavor_id] = str(made["id"]), self.height(flavor.vcpus)

    def _rack(self, stack: Stack, inventory: Inventory, owner_id: str) -> None:
        order = self.orders[stack.id] = str(uuid.uuid4())
        body = {
            "user_id" if self.world.concertim.state.flavour is ApiFlavour.USERS else "team_id": owner_id,
            "name": self.name(stack.name),
            "u_height": 42,
            "status": states.stack_status(stack),
            "order_id": order,
            "cost": 12.5,
            "creation_output": "theirs=1",
            "metadata": {
                "openstack_stack_id": stack.id,
                "openstack_stack_owner": stack.owner,
                "openstack_stack_owner_id": uuid.uuid4().hex if self.generation == 1 else stack.project_id,
                "stack_status_reason": "Stack CREATE completed successfully",
                "openstack_stack_output": [],
                "another_service": {"note": "mine"},
            },
        }
        if not (made := self._post("racks", {"rack": body})):
            return
        units = itertools.count(1)
        content = inventory.contents[stack.id]
        for kind, items in ((ResourceKind.SERVER, content.servers), (ResourceKind.VOLUME, content.volumes),
                            (ResourceKind.NETWORK, content.networks)):  # fmt: skip
            for item in items:
                if item in inventory.of(kind):
                    self._device(kind, inventory.of(kind)[item], stack.id, str(made["id"]), units)

    def _device(self, kind: ResourceKind, thing: object, stack_id: str, rack_id: str, units: Iterator[int]) -> None:
        """From the bottom, one above the other; a gap is left where one was refused."""
        is_older = self.world.concertim.state.flavour is ApiFlavour.USERS
        if is_older and kind is not ResourceKind.SERVER:
            return
        mark = thing.flavor_id if isinstance(thing, Server) else kind.template_tag
        template_id, height = self.templates[mark]
        place = [next(units) for _ in range(height)]
        details: dict[str, object] = {} if is_older else {"type": kind.device_type, "details": {"type": _DETAILS[kind]}}
        body = {
            "name": self.name(thing.name),  # type: ignore[attr-defined]
            "status": _STATUS[kind](thing),  # type: ignore[operator]
            "cost": 1.25,
            "description": "of theirs",
            "location": {"rack_id": rack_id, "start_u": place[0], "facing": "f"},
            "metadata": {"openstack_instance_id": thing.id, "openstack_stack_id": stack_id, "another_service": 7},  # type: ignore[attr-defined]
            **details,
        }
        self._post("nodes", {"template_id": template_id, "device": body})

    def _login(self) -> str:
        url = f"{self.world.concertim.url}/users/sign_in.json"
        answer = requests.post(url, json={"user": {"login": "admin", "password": "admin"}}, timeout=30)
        return str(answer.headers["Authorization"])

    def _get(self, path: str) -> list[dict[str, object]]:
        url = f"{self.world.concertim.url}/api/v1/{path}"
        answer = requests.get(url, headers=self._headers(), timeout=30)
        return list(answer.json())

    def _post(self, path: str, body: object) -> dict[str, object] | None:
        url = f"{self.world.concertim.url}/api/v1/{path}"
        answer = requests.post(url, data=json.dumps(body), headers=self._headers(), timeout=30)
        return dict(answer.json()) if answer.ok else None

    def _headers(self) -> dict[str, str]:
        return {"Authorization": self._token, "Accept": "application/json", "Content-Type": "application/json"}
