"""The rows of the fake Concertim. All are mutable, so that tests can simulate manual changes."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import date
from decimal import Decimal
from typing import Literal

Json = dict[str, object]


@dataclass(slots=True)
class User:
    """A user. `project_id` is used by the older API only, where racks belong to users."""

    id: str
    login: str
    password: str
    name: str
    email: str
    root: bool = False
    cloud_user_id: str | None = None
    project_id: str | None = None
    foreign_password: str | None = None
    pending_deletion: bool = False
    created_at: str = ""
    more: Json = field(default_factory=dict)
    """Additional fields of some releases: costs of an owner of racks, the password in the cloud."""


@dataclass(slots=True)
class Team:
    """A team, which owns racks and has an OpenStack project's id."""

    id: str
    name: str
    project_id: str | None = None
    billing_acct_id: str | None = None
    billing_period_start: date | None = None
    billing_period_end: date | None = None
    cost: Decimal = Decimal(0)
    credits: Decimal = Decimal(0)
    pending_deletion: bool = False
    touched: int = 0
    """Raised with every save: the order of an index."""


@dataclass(slots=True)
class TeamRole:
    """The role of a user in a team."""

    id: str
    team_id: str
    user_id: str
    role: Literal["admin", "member"]


@dataclass(slots=True)
class Template:
    """A template. The one that racks use is hidden from the index."""

    id: str
    name: str
    height: int
    description: str | None = None
    tag: str | None = None
    foreign_id: str | None = None
    vcpus: int | None = None
    ram: int | None = None
    disk: int | None = None
    images: Json = field(default_factory=dict)
    hidden: bool = False
    touched: int = 0
    """Raised with every save: the order of an index."""


@dataclass(slots=True)
class Rack:
    """A rack; `owner_id` is a team's id (older API: a user's)."""

    id: str
    name: str
    owner_id: str
    u_height: int
    status: str
    order_id: str
    serial: int
    """Incremented with every rack created; the newest has the highest."""
    cost: Decimal = Decimal(0)
    metadata: Json = field(default_factory=dict)
    network_details: Json = field(default_factory=dict)
    creation_output: str | None = None
    touched: int = 0
    """Raised with every save: the order of an index."""


@dataclass(slots=True)
class Device:
    """A device; it occupies the units `start_u` to `end_u` of its rack."""

    id: str
    name: str
    type: str
    rack_id: str
    template_id: str
    start_u: int
    height: int
    status: str
    details_type: str
    details: Json
    facing: str = "f"
    description: str | None = None
    cost: Decimal = Decimal(0)
    metadata: Json = field(default_factory=dict)
    touched: int = 0
    """Raised with every save: the order of an index."""

    @property
    def end_u(self) -> int:
        """The highest unit that it occupies."""
        return self.start_u + self.height - 1
