"""A Concertim filled by previous update handlers of either generation, for the pure core's tests.

They make what Concertim accepts of them, and nothing of what it refuses.
"""

from __future__ import annotations

import contextlib
from collections.abc import Mapping

from strictapp import StrictApp

from cos_update.model.concertim import (
    OBJECT_ID,
    STACK_ID,
    Details,
    Device,
    InstanceDetails,
    Location,
    NetworkDetails,
    Rack,
    Template,
    VolumeDetails,
)
from cos_update.model.errors import Refused
from cos_update.model.kinds import ResourceKind
from cos_update.model.openstack import Inventory, StackContent

HEIGHTS: Mapping[int, tuple[int, ...]] = {1: (1, 1, 2, 3, 3, 4, 4, 4, 4, 4), 2: (1, 1, 2, 2, 3, 3, 4, 4, 4, 4)}
"""By generation, the height of the template of a flavor with so many vCPUs."""
DETAILS: Mapping[ResourceKind, Details] = {
    ResourceKind.SERVER: InstanceDetails(login_user="ubuntu"),
    ResourceKind.VOLUME: VolumeDetails(),
    ResourceKind.NETWORK: NetworkDetails(),
}


def dashed(name: str, generation: int) -> str:
    """The name that they make of an object's."""
    return name.replace(".", "-").replace("_", "-") if generation == 1 else name


def fill(app: StrictApp, inventory: Inventory, generation: int) -> None:
    """Fills `app` with what they show of the cloud."""
    templates = {tag: item for item, t in app.templates.items() if (tag := t.tag)}
    for flavor in inventory.flavors.values():
        template = Template(
            "", flavor.name, HEIGHTS[generation][flavor.vcpus], flavor.id, flavor.vcpus, flavor.ram, flavor.disk
        )
        with contextlib.suppress(Refused):
            templates[flavor.id] = app.create(template).id
    owners = {owner.project_id: owner.id for owner in app.owners.values()}
    for stack in inventory.stacks.values():
        metadata = {
            STACK_ID: stack.id,
            "openstack_stack_owner": stack.owner,
            "openstack_stack_owner_id": "heat-stack-user-project" if generation == 1 else stack.project_id,
            "theirs": [1, 2],
        }
        with contextlib.suppress(Refused):
            rack = app.create(
                Rack(
                    "", dashed(stack.name, generation), owners[stack.project_id], 42, "ACTIVE", metadata,
                    order_id=f"bundle-{stack.id}", cost="12.50", created="2026", cluster_type="slurm",
                )
            )  # fmt: skip
            _fill_rack(app, inventory, rack, inventory.contents[stack.id], templates, generation)
    app.refusals.clear()


def _fill_rack(
    app: StrictApp,
    inventory: Inventory,
    rack: Rack,
    content: StackContent,
    templates: Mapping[str, str],
    generation: int,
) -> None:
    unit = 1
    for kind in (ResourceKind.SERVER, ResourceKind.VOLUME, ResourceKind.NETWORK):
        for item in getattr(content, f"{kind.label}s" if kind is not ResourceKind.SERVER else "servers"):
            thing = inventory.of(kind)[item]
            template_id = templates.get(getattr(thing, "flavor_id", kind.template_tag))
            if template_id is None:
                continue
            height = app.templates[template_id].height
            with contextlib.suppress(Refused):
                app.create(
                    Device(
                        "", dashed(thing.name, generation), kind, rack.id, template_id, "ACTIVE",
                        Location(unit, unit + height - 1), DETAILS[kind],
                        metadata={OBJECT_ID: item, STACK_ID: rack.stack_id, "theirs": "x"}, cost="1.00", created="2026",
                    )
                )  # fmt: skip
                unit += height
