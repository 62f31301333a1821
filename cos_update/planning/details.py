"""The details of devices; fields that OpenStack omits are omitted here."""

from __future__ import annotations

from collections.abc import Mapping

from cos_update.model.concertim import ApiFlavour
from cos_update.model.kinds import ResourceKind
from cos_update.model.openstack import Gap, Inventory, Network, Server, Volume
from cos_update.planning import values
from cos_update.planning.plan import SERVICE, Notice, NoticeKind


def of_server(server: Server, inventory: Inventory, flavour: ApiFlavour) -> Mapping[str, object]:
    """Details of an instance; with `volume_details` only if every attached volume could be read.

    They are a list of objects; the older API stores only an object there (observed): volumes by id.
    """
    found: dict[str, object] = {
        "public_ips": values.address_list(a for a in server.addresses if a.floating),
        "private_ips": values.address_list(a for a in server.addresses if not a.floating),
        "ssh_key": values.clean_text(server.key_name or ""),
    }
    volumes = _attached(server, inventory)
    if volumes is not None:
        by_id = {str(item["id"]): {"name": item["name"], "size": item["size"]} for item in volumes}
        found["volume_details"] = by_id if flavour is ApiFlavour.USERS else volumes
    return found


def net_interfaces(server: Server) -> list[dict[str, object]]:
    """The server's addresses as typed values, for the metadata key of that name."""
    interfaces: list[dict[str, object]] = [
        {
            "network": values.clean_text(item.network),
            "address": values.clean_text(item.address),
            "type": "floating" if item.floating else "fixed",
        }
        for item in server.addresses
    ]
    return sorted(interfaces, key=lambda i: (str(i["network"]), str(i["address"])))


def of_volume(volume: Volume) -> Mapping[str, object]:
    """Details of a volume."""
    return _known_fields(
        {
            "availability_zone": _short(volume.availability_zone),
            "bootable": volume.bootable,
            "encrypted": volume.encrypted,
            "read_only": volume.read_only,
            "size": volume.size if 0 <= volume.size <= values.MAX_INTEGER else None,
            "volume_type": _short(volume.volume_type),
        }
    )


def of_network(network: Network) -> Mapping[str, object]:
    """Details of a network."""
    return _known_fields(
        {
            "admin_state_up": network.admin_state_up,
            "dns_domain": _short(network.dns_domain),
            "l2_adjacency": network.l2_adjacency,
            "mtu": network.mtu if network.mtu is not None and 0 <= network.mtu <= values.MAX_INTEGER else None,
            "port_security_enabled": network.port_security_enabled,
            "shared": network.shared,
            "qos_policy": _short(network.qos_policy),
        }
    )


def gap_notice(gap: Gap, inventory: Inventory) -> Notice:
    """The notice for an incomplete listing."""
    service = gap.kind.service
    if gap.absent:
        text = f"the cloud has no {service}: {gap.kind.listing} are left alone"
        return Notice(NoticeKind.ABSENT, SERVICE, service, "", text)
    project = inventory.projects.get(gap.project_id or "")
    if gap.of_login and project:
        text = f"it cannot be read ({gap.reason.rstrip('.')}): all of it is left alone"
        return Notice(NoticeKind.UNREAD, ResourceKind.PROJECT, project.name, project.id, text)
    stack = inventory.stacks.get(gap.stack_id or "")
    where = f" of stack {stack.name}" if stack else f" of project {project.name}" if project else ""
    text = f"{service} could not be read ({gap.reason}): {gap.kind.listing}{where} left alone"
    if gap.hint:
        text = f"{text}. {gap.hint.rstrip('.')}"
    name = stack.name if stack else project.name if project else service
    return Notice(NoticeKind.UNREAD, SERVICE, name, gap.stack_id or gap.project_id or "", text)


def _attached(server: Server, inventory: Inventory) -> list[dict[str, object]] | None:
    known = [inventory.volumes[item] for item in sorted(server.volume_ids) if item in inventory.volumes]
    if len(known) < len(server.volume_ids) and not inventory.is_complete(ResourceKind.VOLUME, server.project_id):
        return None
    return [{"id": v.id, "name": values.clean_text(v.name), "size": v.size} for v in known]


def _known_fields(fields: Mapping[str, object]) -> Mapping[str, object]:
    return {name: value for name, value in fields.items() if value is not None}


def _short(text: str | None) -> str | None:
    return None if text is None else values.clean_text(text, values.SHORT_TEXT)
