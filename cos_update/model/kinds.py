"""The kinds of OpenStack resources, with all their names.

A single table, separate from the records, so that the readers of services, the planner, Concertim's client and all
output share one vocabulary, and a new kind is one line here.
"""

from __future__ import annotations

from enum import StrEnum


class ResourceKind(StrEnum):
    """A kind of resource; its value is OpenStack's singular ("server").

    `listing` is the name of its index in the API of `service` (a project name such as Nova); `label` is the name of its
    representation in Concertim, used in plans, logs and metrics. Kinds shown as devices have a `device_type`, in the
    spelling of Concertim's API, and a `template_tag` if their template is one of Concertim's own.
    """

    service: str
    listing: str
    label: str
    device_type: str
    template_tag: str

    def __new__(
        cls, value: str, service: str, listing: str, label: str = "", device_type: str = "", template_tag: str = ""
    ) -> ResourceKind:
        member = str.__new__(cls, value)
        member._value_ = value
        member.service, member.listing, member.label = service, listing, label or value
        member.device_type, member.template_tag = device_type, template_tag
        return member

    PROJECT = "project", "Keystone", "projects"
    FLAVOR = "flavor", "Nova", "flavors", "template"
    SERVER = "server", "Nova", "servers", "instance", "Instance"
    STACK = "stack", "Heat", "stacks", "rack"
    RESOURCE = "resource", "Heat", "resources"
    """The members of a stack."""
    VOLUME = "volume", "Cinder", "volumes", "volume", "Volume", "volume"
    NETWORK = "network", "Neutron", "networks", "network", "Network", "network"
    SUBNET = "subnet", "Neutron", "subnets"
    ADDRESS = "address", "Neutron", "floatingips"
    """A floating IP, named by its address."""


DEVICES = (ResourceKind.SERVER, ResourceKind.VOLUME, ResourceKind.NETWORK)
"""The kinds that are shown as devices, in the order of placement in a rack."""
BY_DEVICE_TYPE = {kind.device_type: kind for kind in DEVICES}
"""Those kinds, by the name that Concertim's API has for the type."""
