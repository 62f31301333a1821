"""The in-memory state of the fake Concertim. Tests read and change it directly, from any thread."""

from __future__ import annotations

import itertools
import time
import uuid
from collections.abc import Callable, Iterable, Iterator, Mapping, MutableMapping
from datetime import UTC, date, datetime
from typing import Literal, TypeVar

from cos_update.fakes.concertim.devicetypes import DETAILS, TYPES
from cos_update.fakes.concertim.records import Device, Rack, Team, TeamRole, Template, User
from cos_update.model.concertim import ApiFlavour

Row = TypeVar("Row", Team, Template, Rack, Device)


class DeviceTable(MutableMapping[str, Device]):
    """The devices by id, with an index by rack."""

    def __init__(self) -> None:
        self._rows: dict[str, Device] = {}
        self._racks: dict[str, dict[str, Device]] = {}

    def __getitem__(self, device_id: str) -> Device:
        return self._rows[device_id]

    def __setitem__(self, device_id: str, device: Device) -> None:
        self._rows[device_id] = device
        self._racks.setdefault(device.rack_id, {})[device_id] = device

    def __delitem__(self, device_id: str) -> None:
        del self._racks[self._rows.pop(device_id).rack_id][device_id]

    def __iter__(self) -> Iterator[str]:
        return iter(tuple(self._rows))

    def __len__(self) -> int:
        return len(self._rows)

    def rows(self) -> tuple[Device, ...]:
        return tuple(self._rows.values())

    def in_rack(self, rack_id: str) -> tuple[Device, ...]:
        return tuple(self._racks.get(rack_id, {}).values())


class State:
    """The tables, by id."""

    def __init__(self, flavour: ApiFlavour = ApiFlavour.TEAMS, clock: Callable[[], float] = time.time) -> None:
        self.flavour = flavour
        self.clock = clock
        """Returns the Unix time; tests may replace it."""
        self.users: dict[str, User] = {}
        self.teams: dict[str, Team] = {}
        self.team_roles: list[TeamRole] = []
        self.templates: dict[str, Template] = {}
        self.racks: dict[str, Rack] = {}
        self.devices = DeviceTable()
        self.rack_limit: int | None = None
        self.device_limit: int | None = None
        """The licence's limits on racks and devices."""
        self.unstored: set[str] = set()
        """Fields of devices' details that are accepted and passed over, as those that an API does not know."""
        self._serials = itertools.count(1)

    @property
    def today(self) -> date:
        """The date of the clock, in UTC."""
        return datetime.fromtimestamp(self.clock(), UTC).date()

    @property
    def timestamp(self) -> str:
        """The clock's time as the app writes it."""
        now = datetime.fromtimestamp(self.clock(), UTC)
        return now.strftime("%Y-%m-%dT%H:%M:%S.") + f"{now.microsecond // 1000:03d}Z"

    def add_user(
        self,
        login: str,
        password: str = "secret",  # noqa: S107 - a fake's password guards nothing
        *,
        root: bool = False,
        name: str | None = None,
        email: str | None = None,
        project_id: str | None = None,
        id: str | None = None,  # noqa: A002 - named as the column
    ) -> User:
        user = User(
            id or _new_id(),
            login,
            password,
            name or login,
            email or f"{login}@example.com",
            root,
            project_id=project_id,
            created_at=self.timestamp,
        )
        self.users[user.id] = user
        return user

    def add_team(self, name: str, project_id: str | None = None, *, id: str | None = None) -> Team:  # noqa: A002
        """Add a team with a project's id."""
        team = Team(id or _new_id(), name, project_id)
        self.teams[team.id] = self.touched(team)
        return team

    def add_role(
        self,
        user: User,
        team: Team,
        role: Literal["admin", "member"],
        *,
        id: str | None = None,  # noqa: A002
    ) -> TeamRole:
        """Make a user an admin or a member of a team."""
        added = TeamRole(id or _new_id(), team.id, user.id, role)
        self.team_roles.append(added)
        return added

    def add_template(
        self,
        name: str,
        height: int = 1,
        *,
        description: str | None = None,
        tag: str | None = None,
        foreign_id: str | None = None,
        vcpus: int | None = None,
        ram: int | None = None,
        disk: int | None = None,
        hidden: bool = False,
        id: str | None = None,  # noqa: A002
    ) -> Template:
        """Add a template as a person would manually."""
        template = Template(
            id or _new_id(), name, height, description, tag, foreign_id, vcpus, ram, disk, hidden=hidden
        )
        self.templates[template.id] = self.touched(template)
        return template

    def add_rack(
        self,
        name: str,
        owner: Team | User,
        u_height: int = 42,
        *,
        status: str = "ACTIVE",
        order_id: str | None = None,
        metadata: Mapping[str, object] | None = None,
        id: str | None = None,  # noqa: A002
    ) -> Rack:
        """Add a rack as a person would manually."""
        rack_id = id or _new_id()
        rack = Rack(rack_id, name, owner.id, u_height, status, order_id or rack_id, self.next_serial())
        rack.metadata = dict(metadata or {})
        self.racks[rack.id] = self.touched(rack)
        return rack

    def add_device(
        self,
        rack: Rack,
        name: str,
        template: Template,
        start_u: int,
        *,
        type: str = "Instance",  # noqa: A002 - named as the column
        status: str = "ACTIVE",
        metadata: Mapping[str, object] | None = None,
        details: Mapping[str, object] | None = None,
        id: str | None = None,  # noqa: A002
    ) -> Device:
        """Add a device as a person would manually; nothing is validated."""
        details_type = TYPES[type].details_type
        device = Device(
            id or _new_id(),
            name,
            type,
            rack.id,
            template.id,
            start_u,
            template.height,
            status,
            details_type,
            {**DETAILS[details_type].empty(), **(details or {})},
        )
        device.metadata = dict(metadata or {})
        self.devices[device.id] = self.touched(device)
        return device

    def devices_of(self, rack: Rack | str) -> tuple[Device, ...]:
        """The devices of a rack, highest unit first."""
        rack_id = rack if isinstance(rack, str) else rack.id
        return tuple(sorted(self.devices.in_rack(rack_id), key=lambda device: device.start_u, reverse=True))

    def remove_rack(self, rack_id: str) -> None:
        """Remove a rack and its devices."""
        for device in self.devices.in_rack(rack_id):
            del self.devices[device.id]
        self.racks.pop(rack_id, None)

    def tagged(self, tag: str) -> Template:
        """The app's own template with this tag."""
        return next(template for template in self.templates.values() if template.tag == tag)

    def newest_rack(self, owner_id: str | None) -> Rack | None:
        """The rack of an owner that was created last."""
        racks = [rack for rack in tuple(self.racks.values()) if rack.owner_id == owner_id]
        return max(racks, key=lambda rack: rack.serial, default=None)

    def touched(self, row: Row) -> Row:
        """The row, moved to the end of its index, as PostgreSQL does with a saved row."""
        row.touched = next(self._serials)
        return row

    def next_serial(self) -> int:
        """The serial of the next rack."""
        return next(self._serials)

    @staticmethod
    def listed(rows: Iterable[Row]) -> list[Row]:
        """The rows in the order of their index."""
        return sorted(rows, key=lambda row: row.touched)

    def roles_of(self, user: User) -> list[TeamRole]:
        return [role for role in self.team_roles if role.user_id == user.id]

    def may_read(self, user: User, owner_id: str) -> bool:
        """Whether a user may see the content of this owner's racks."""
        if user.root:
            return True
        if self.flavour is ApiFlavour.USERS:
            return owner_id == user.id
        return any(role.team_id == owner_id for role in self.roles_of(user))

    def may_write(self, user: User, owner_id: str | None) -> bool:
        """Whether a user may change this owner's racks and devices."""
        if user.root:
            return True
        if self.flavour is ApiFlavour.USERS:
            return owner_id == user.id
        return any(role.team_id == owner_id and role.role == "admin" for role in self.roles_of(user))


def seeded(flavour: ApiFlavour, admin_password: str) -> State:
    """The state of a fresh installation: the root user `admin` and the app's own templates."""
    state = State(flavour)
    state.add_user("admin", admin_password, root=True, name="System Administrator", email="admin@test.com")
    state.add_template("rack", 42, description="Rack", tag="rack", hidden=True)
    if flavour is not ApiFlavour.USERS:
        state.add_template("network", 1, description="Network", tag="network")
        state.add_template("volume", 2, description="Volume", tag="volume")
    return state


def _new_id() -> str:
    return str(uuid.uuid4())
