"""The kinds of OpenStack resource, and what each is called by everybody who names it.

One table, apart from the records, so that the reader of a service, the planner, the client of Concertim and whoever
prints a line mean the same thing, and a new kind is one line here.
"""

from __future__ import annotations

from enum import StrEnum


class ResourceKind(StrEnum):
    """A kind of resource; as text it is OpenStack's own word for one of them ("server").

    `listing` is the name of its index in the API of `service`, which is called as people call it; `label` the word for
    what Concertim shows of it, as plans, logs and metrics have it. What is shown as a device has a `device_type`, as
    Concertim's API spells it, and a `template_tag` if its template is one of Concertim's own.
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
    """What a stack holds."""
    VOLUME = "volume", "Cinder", "volumes", "volume", "Volume", "volume"
    NETWORK = "network", "Neutron", "networks", "network", "Network", "network"
    SUBNET = "subnet", "Neutron", "subnets"
    ADDRESS = "address", "Neutron", "floatingips"
    """A floating IP, named by its address."""


DEVICES = (ResourceKind.SERVER, ResourceKind.VOLUME, ResourceKind.NETWORK)
"""The kinds that are shown as devices, in the order in which they get their places in a rack."""
BY_DEVICE_TYPE = {kind.device_type: kind for kind in DEVICES}
"""Those kinds, by the name that Concertim's API has for the type."""
