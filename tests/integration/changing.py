"""A cloud that is read repeatedly, incrementally."""

from __future__ import annotations

from collections import Counter
from dataclasses import replace

from cos_update.fakes.openstack import OpenStackApp
from cos_update.fakes.openstack.records import Project, Stack
from cos_update.model.cloud_memory import CloudMemory
from cos_update.model.openstack import Inventory, Membership
from cos_update.model.settings import CloudSettings, ReadScope
from cos_update.openstack.inventory import CloudReader, CloudReading
from cos_update.openstack.stack_members import remember

PASS = 150.0
"""Seconds from one reading to the next."""


class ChangingCloud:
    """A cloud, and somebody who reads it again and again."""

    def __init__(self, app: OpenStackApp, scope: ReadScope) -> None:
        self.app, self.scope = app, scope
        self.cloud = app.state
        self.team: Project = self.cloud.create_project("CM_team", watched=True)
        self.stack: Stack = self.cloud.create_stack(self.team, "cluster")
        self.net = self.cloud.create_network(self.stack, "net")
        self.server = self.cloud.add_server(self.stack, "node", networks=[self.net])
        self.volume = self.cloud.create_volume(self.stack, "data")
        self.others = [
            self.cloud.create_network(self.team, "other"),
            self.cloud.create_volume(self.team, "other"),
            self.cloud.add_server(self.team, "other"),
        ]
        self.membership: Membership | None = None
        self.memory: CloudMemory | None = None

    def settings(self) -> CloudSettings:
        auth = {
            "auth_url": self.app.auth_url,
            "username": "concertim",
            "password": "concertim",
            "user_domain_name": "Default",
        }
        if self.scope is ReadScope.AUTO:
            auth |= {"project_name": "admin", "project_domain_name": "Default"}
        return CloudSettings(auth=auth, retries=0, scope=self.scope)

    def start(self) -> None:
        self.reader = CloudReader(self.settings(), sleep=lambda _: None)
        # All of that happened long ago.
        self.cloud.pass_time(900)
        assert self.read().why_full == "nothing is remembered"
        self.cloud.pass_time(PASS)

    def read(self, every: int = 100) -> CloudReading:
        """One more reading, which must have spared what need not be read."""
        self.app.wire.reset()
        found = self.reader.refresh(self.memory, self.membership, every=every)
        self.memory = found.memory
        self.membership = remember(found.inventory, self.membership or Membership())
        refused = {request.service for request in self.app.wire.refusals if request.status == 400}
        assert refused <= ({"neutron"} if self.cloud.neutron_validates_filters else set())
        self.asked = [request.kind for request in self.app.wire.requests]
        return found

    def changes(self) -> Inventory:
        """A reading by changes."""
        found = self.read()
        assert found.why_full == ""
        return found.inventory

    def in_full(self) -> Inventory:
        return CloudReader(self.settings(), sleep=lambda _: None).read()

    def singly(self) -> Counter[str]:
        """What was read by its id, by kind."""
        return Counter(kind.split("/")[-2] for kind in self.asked if kind.endswith("{id}"))


def content(inventory: Inventory) -> Inventory:
    return replace(inventory, began=0.0)
