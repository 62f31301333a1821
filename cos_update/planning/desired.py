"""The desired state of Concertim by OpenStack ids: inventory -> templates, racks and devices.

None means unknown: the field must be left as it is. Names are OpenStack's own; the planner makes them legal and unique,
since it knows the names in use.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace

from cos_update.model.concertim import OBJECT_ID, STACK_ID, Actual, ApiFlavour, Owner
from cos_update.model.kinds import DEVICES, ResourceKind
from cos_update.model.openstack import Flavor, Inventory, Network, Output, Server, Stack, StackContent, Volume
from cos_update.planning import details, states, values
from cos_update.planning.plan import SERVICE, Notice, NoticeKind

CLUSTER_TYPE = "concertim_cluster_type"
"""The stack output with the cluster type that the stack was created from."""


@dataclass(frozen=True, slots=True)
class DesiredTemplate:
    """The template of a flavor. `listed` is False for a flavor that is only embedded in a server.

    `height` is that of a new template; an existing one may have any of `heights`.
    """

    flavor_id: str
    name: str
    height: int
    vcpus: int | None
    ram: int | None
    disk: int | None
    description: str
    heights: frozenset[int]
    listed: bool = True


@dataclass(frozen=True, slots=True)
class DesiredDevice:
    """A device. `details` and `metadata` have only values known to OpenStack; `template` is a flavor's id or a tag."""

    object_id: str
    kind: ResourceKind
    name: str
    status: str
    description: str
    template: str
    metadata: Mapping[str, object]
    details: Mapping[str, object]
    created: str = ""


@dataclass(frozen=True, slots=True)
class DesiredRack:
    """The rack of a stack. `settled`: an object missing from the stack's content is certainly not in the stack.

    A rack whose stack could not be read has neither name nor status; its devices are the existing ones whose objects
    could be read.
    """

    stack_id: str
    project_id: str
    owner: Owner
    name: str | None = None
    status: str | None = None
    order_id: str | None = ""
    """The order id of a new rack. None: it comes from billing, which does not have one (yet)."""
    completes_order_id: bool = False
    """Whether to set this order id on a rack without one: it is known to come from billing."""
    metadata: Mapping[str, object] = field(default_factory=dict)
    network_details: Mapping[str, object] | None = None
    creation_output: str | None = None
    devices: tuple[DesiredDevice, ...] = ()
    settled: bool = False
    created: str = ""
    cluster_type: str = ""


@dataclass(frozen=True, slots=True)
class Desired:
    """The desired state: templates by flavor id, racks by stack id, and notices about the rest."""

    templates: Mapping[str, DesiredTemplate]
    racks: Mapping[str, DesiredRack]
    notices: tuple[Notice, ...] = ()


def desired_state(
    inventory: Inventory, actual: Actual, order_id: str = "stack_id", orders: Mapping[str, str] | None = None
) -> Desired:
    """The desired state for `inventory`.

    `actual` provides the owners, the capabilities of the app, and the devices of racks whose stack could not be read.
    `order_id` is the setting concertim.order_id. `orders` are the order ids found in billing, by stack id; None: they
    do not come from billing.
    """
    owners = _owners(actual)
    racks: dict[str, DesiredRack] = {}
    claimed: set[str] = set()
    for stack in sorted(inventory.stacks.values(), key=lambda s: (s.created, s.id)):
        if owner := owners.get(stack.project_id):
            rack = _rack(stack, owner, inventory, actual, order_id, claimed)
            racks[stack.id] = rack if orders is None else _billed(rack, orders)
    for rack in _unread_racks(inventory, actual, owners):
        racks[rack.stack_id] = rack
    notices = (
        *_unread(inventory),
        *_disabled(inventory),
        *_narrowed(actual),
        *_ownerless(inventory, owners),
        *_not_shown(inventory, actual),
        *_unknown(inventory),
    )
    return Desired(_templates(inventory), racks, notices)


def template_height(vcpus: int) -> int:
    """The height of a flavor's template, in rack units."""
    return 4 if vcpus > 4 else 3 if vcpus > 2 else max(vcpus, 1)


def heights_in_the_field(vcpus: int) -> frozenset[int]:
    """The heights that a flavor's template may have, from us or from previous update handlers.

    Their first generation used our rule, the second another one. Concertim cannot change the height of a template, so
    an existing one is kept: recreating it would recreate its devices, and lose the history of their metrics.
    """
    return frozenset({template_height(vcpus), min(max(vcpus, 0) // 2 + 1, 4)})


def without_order(inventory: Inventory, actual: Actual) -> tuple[str, ...]:
    """The ids of the stacks whose racks have no order id, or do not exist yet."""
    if actual.flavour is ApiFlavour.CREDITS:
        return ()
    owners = _owners(actual)
    ordered = {rack.stack_id for rack in actual.racks.values() if rack.order_id}
    return tuple(
        stack.id for stack in inventory.stacks.values() if stack.project_id in owners and stack.id not in ordered
    )


def _billed(rack: DesiredRack, orders: Mapping[str, str]) -> DesiredRack:
    order_id = orders.get(rack.stack_id)
    return replace(rack, order_id=order_id, completes_order_id=order_id is not None)


def _owners(actual: Actual) -> dict[str, Owner]:
    owners: dict[str, Owner] = {}
    for owner in sorted(actual.owners.values(), key=lambda o: o.id):
        if owner.project_id:
            owners.setdefault(owner.project_id, owner)
    return owners


def _templates(inventory: Inventory) -> dict[str, DesiredTemplate]:
    remembered = {
        server.flavor_id: _template(server.flavor, server.flavor_id, listed=False)
        for server in sorted(inventory.servers.values(), key=lambda s: s.id)
        if server.flavor is not None and server.flavor_id
    }
    listed = {flavor.id: _template(flavor, flavor.id, listed=True) for flavor in inventory.flavors.values()}
    return remembered | listed


def _template(flavor: Flavor, flavor_id: str, *, listed: bool) -> DesiredTemplate:
    return DesiredTemplate(
        flavor_id=flavor_id,
        name=flavor.name,
        height=template_height(flavor.vcpus),
        heights=heights_in_the_field(flavor.vcpus),
        vcpus=values.positive(flavor.vcpus),
        ram=values.positive(flavor.ram),
        disk=values.positive(flavor.disk),
        description=values.clean_text(flavor.description, values.SHORT_TEXT),
        listed=listed,
    )


def _rack(
    stack: Stack, owner: Owner, inventory: Inventory, actual: Actual, order_id: str, claimed: set[str]
) -> DesiredRack:
    content = inventory.contents.get(stack.id)
    known = content is not None
    if content is None or not content.whole:
        content = _content_shown(stack.id, inventory, actual, content)
    devices = _devices(stack.id, content, inventory, actual, claimed)
    outputs = content.outputs if known else None
    metadata: dict[str, object] = {
        STACK_ID: stack.id,
        "openstack_stack_owner": values.clean_text(stack.owner),
        # Not the owner's: other services find the rack's team by it, as do previous update handlers.
        "openstack_stack_owner_id": stack.project_id,
        "stack_status_reason": values.clean_text(stack.status_reason),
    }
    if outputs is not None:
        metadata["openstack_stack_output"] = values.stack_output(outputs)
    return DesiredRack(
        stack_id=stack.id,
        project_id=stack.project_id,
        owner=owner,
        name=stack.name,
        status=states.stack_status(stack),
        order_id=_order_id(stack, order_id),
        metadata=metadata,
        network_details=_network_details(content, inventory, stack.project_id) if known else None,
        creation_output=None if outputs is None else values.creation_output(outputs),
        devices=devices,
        created=values.timestamp(stack.created),
        cluster_type=_cluster_type(outputs),
        settled=known
        and content.whole
        and not stack.status.endswith("_IN_PROGRESS")
        and inventory.is_complete(ResourceKind.RESOURCE, stack.project_id, stack.id),
    )


def _cluster_type(outputs: Iterable[Output] | None) -> str:
    found = next((output.value for output in outputs or () if output.key == CLUSTER_TYPE), None)
    return values.clean_text(found, values.SHORT_TEXT) if isinstance(found, str) else ""


def _unread_racks(inventory: Inventory, actual: Actual, owners: Mapping[str, Owner]) -> Iterable[DesiredRack]:
    """Racks of watched projects whose stacks could not be listed: their devices' services may still be readable."""
    for rack in sorted(actual.racks.values(), key=lambda r: r.id):
        owner = actual.owners.get(rack.owner_id)
        if not rack.stack_id or owner is None or rack.stack_id in inventory.stacks:
            continue
        if owner.project_id in inventory.projects and not inventory.is_complete(
            ResourceKind.STACK, owner.project_id, rack.stack_id
        ):
            content = _content_shown(rack.stack_id, inventory, actual)
            devices = _devices(rack.stack_id, content, inventory, actual, set())
            yield DesiredRack(rack.stack_id, owner.project_id, owner, devices=devices)


def _content_shown(
    stack_id: str, inventory: Inventory, actual: Actual, read: StackContent | None = None
) -> StackContent:
    """The incomplete content `read` of a stack, supplemented by the devices in its racks."""
    racks = {rack.id for rack in actual.racks.values() if rack.stack_id == stack_id}
    shown = {
        device.object_id: device.kind
        for device in actual.devices.values()
        if device.rack_id in racks and device.object_id
    }
    for content in inventory.contents.values() if shown else ():
        for item in content.ids:
            shown.pop(item, None)
    known = read or StackContent(outputs=None)
    servers, volumes, networks = (
        tuple(sorted({*known.of(kind), *(item for item, other in shown.items() if other is kind)})) for kind in DEVICES
    )
    return StackContent(servers, volumes, networks, outputs=known.outputs, whole=False)


def _devices(
    stack_id: str, content: StackContent, inventory: Inventory, actual: Actual, claimed: set[str]
) -> tuple[DesiredDevice, ...]:
    devices = [
        _instance(stack_id, inventory.servers[item], inventory, actual.flavour)
        for item in content.servers
        if item in inventory.servers and item not in claimed
    ]
    if actual.flavour is not ApiFlavour.USERS:
        devices += [
            _volume(stack_id, inventory.volumes[item])
            for item in content.volumes
            if item in inventory.volumes and item not in claimed
        ]
        devices += [
            _network(stack_id, inventory.networks[item])
            for item in content.networks
            if item in inventory.networks and item not in claimed
        ]
    claimed.update(device.object_id for device in devices)
    return tuple(devices)


def _instance(stack_id: str, server: Server, inventory: Inventory, flavour: ApiFlavour) -> DesiredDevice:
    known = details.of_server(server, inventory, flavour)
    addresses = {"net_interfaces": details.net_interfaces(server)}
    status = states.server_status(server)
    return _device(ResourceKind.SERVER, server, stack_id, status, known, server.flavor_id, **addresses)


def _volume(stack_id: str, volume: Volume) -> DesiredDevice:
    return _device(ResourceKind.VOLUME, volume, stack_id, states.volume_status(volume), details.of_volume(volume))


def _network(stack_id: str, network: Network) -> DesiredDevice:
    return _device(ResourceKind.NETWORK, network, stack_id, states.network_status(network), details.of_network(network))


def _device(
    kind: ResourceKind,
    item: Server | Volume | Network,
    stack_id: str,
    status: str,
    known: Mapping[str, object],
    flavor_id: str = "",
    **metadata: object,
) -> DesiredDevice:
    return DesiredDevice(
        object_id=item.id,
        kind=kind,
        name=item.name,
        status=status,
        description=values.clean_text(item.description, values.SHORT_TEXT),
        template=flavor_id or kind.template_tag,
        metadata={OBJECT_ID: item.id, STACK_ID: stack_id, **metadata},
        details=known,
        created=values.timestamp(item.created),
    )


def _network_details(content: StackContent, inventory: Inventory, project_id: str) -> Mapping[str, object] | None:
    if not (
        inventory.is_complete(ResourceKind.NETWORK, project_id)
        and inventory.is_complete(ResourceKind.SUBNET, project_id)
    ):
        return None
    found: dict[str, set[str]] = {}
    for item in content.networks:
        if network := inventory.networks.get(item):
            found.setdefault(values.clean_text(network.name) or network.id, set()).update(network.cidrs or ())
    return {name: sorted(cidrs) for name, cidrs in found.items()}


def _order_id(stack: Stack, setting: str) -> str:
    prefix = setting.removeprefix("tag:") + "=" if setting.startswith("tag:") else None
    if prefix:
        for tag in sorted(stack.tags):
            if tag.startswith(prefix) and (
                value := values.clean_text(tag.removeprefix(prefix), values.SHORT_TEXT).strip()
            ):
                return value
    return stack.id


def _unread(inventory: Inventory) -> Iterable[Notice]:
    # A project in which login fails has a gap for each of its listings.
    yield from dict.fromkeys(details.gap_notice(gap, inventory) for gap in inventory.gaps)


def _disabled(inventory: Inventory) -> Iterable[Notice]:
    for project in inventory.disabled.values():
        text = "the project is disabled: it counts as not watched, and its racks are left as they are"
        yield Notice(NoticeKind.DISABLED, ResourceKind.PROJECT, project.name, project.id, text)


def _narrowed(actual: Actual) -> Iterable[Notice]:
    if actual.is_narrowed:
        text = (
            "concertim.concertim_username is not a root user: it sees only the teams that it belongs to, "
            "and cannot create racks or templates; use a root user"
        )
        yield Notice(NoticeKind.UNREAD, SERVICE, "Concertim", "", text)


def _ownerless(inventory: Inventory, owners: Mapping[str, Owner]) -> Iterable[Notice]:
    for project in sorted(inventory.projects.values(), key=lambda p: p.name):
        stacks = sum(stack.project_id == project.id for stack in inventory.stacks.values())
        if stacks and project.id not in owners:
            text = (
                f"no team of Concertim has the project id {project.id}: {stacks} stacks not shown; "
                "create the team, or give an existing one this project id"
            )
            yield Notice(NoticeKind.NO_OWNER, ResourceKind.PROJECT, project.name, project.id, text)


def _not_shown(inventory: Inventory, actual: Actual) -> Iterable[Notice]:
    volumes = sum(len(content.volumes) for content in inventory.contents.values())
    networks = sum(len(content.networks) for content in inventory.contents.values())
    if actual.flavour is ApiFlavour.USERS and volumes + networks:
        text = f"this Concertim's API supports only instances: {volumes} volumes and {networks} networks are not shown"
        yield Notice(NoticeKind.NOT_SHOWN, SERVICE, "Concertim", "", text)


def _unknown(inventory: Inventory) -> Iterable[Notice]:
    words: dict[str, Notice] = {}
    for kind in (ResourceKind.SERVER, ResourceKind.STACK, ResourceKind.VOLUME, ResourceKind.NETWORK):
        subject = kind if kind is ResourceKind.STACK else kind.label
        for item in inventory.of(kind).values():
            if word := states.unknown_word(item):
                text = f"the state {word!r} of {subject} {item.name} is unknown to cos-update"
                words.setdefault(word, Notice(NoticeKind.UNKNOWN_STATE, subject, item.name, item.id, text))
    yield from words.values()
