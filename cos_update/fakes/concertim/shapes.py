"""The JSON forms of the records."""

from __future__ import annotations

from cos_update.fakes.concertim.records import Device, Json, Rack, Team, TeamRole, Template, User
from cos_update.fakes.concertim.state import State
from cos_update.fakes.concertim.values import money, plain_decimal
from cos_update.model.concertim import ApiFlavour

CHARGES = ("order_id", "cost", "billing_acct_id", "billing_period_start", "billing_period_end")
"""Fields that the newer API no longer has."""


def of_flavour(state: State, shape: Json) -> Json:
    """A shape without the fields that this API does not have."""
    if state.flavour is not ApiFlavour.CREDITS:
        return shape
    return {name: value for name, value in shape.items() if name not in CHARGES}


def team_shape(state: State, team: Team) -> Json:
    """A team, as in its index and as the owner of a rack."""
    start, end = team.billing_period_start, team.billing_period_end
    shape: Json = {
        "id": team.id,
        "name": team.name,
        "project_id": team.project_id,
        "billing_acct_id": team.billing_acct_id,
        "billing_period_start": start and start.isoformat(),
        "billing_period_end": end and end.isoformat(),
        "cost": plain_decimal(team.cost),
        "credits": plain_decimal(team.credits),
    }
    return of_flavour(state, shape)


def user_shape(state: State, user: User, *, index: bool) -> Json:
    """A user; the team roles are wrapped everywhere but in the index."""
    shape: Json = {"id": user.id, "login": user.login, "name": user.name, "email": user.email}
    if not user.root:
        shape["cloud_user_id"] = user.cloud_user_id
    shape["root"] = user.root
    if state.flavour is ApiFlavour.USERS:
        if not user.root:
            shape["project_id"] = user.project_id
    else:
        roles = [_role_shape(role) for role in state.roles_of(user)]
        shape["status"] = "pending deletion" if user.pending_deletion else "active"
        shape["team_roles"] = roles if index else [{"team_role": role} for role in roles]
    shape["fullname"] = user.name
    return shape | user.more


def login_shape(user: User) -> Json:
    """The whole record, which the app returns for a login."""
    return {
        "id": user.id,
        "login": user.login,
        "name": user.name,
        "email": user.email,
        "authentication_token": None,
        "root": user.root,
        "cloud_user_id": user.cloud_user_id,
        "foreign_password": user.foreign_password,
        "created_at": user.created_at,
        "updated_at": user.created_at,
        "deleted_at": None,
        "pending_foreign_password": None,
    }


def template_shape(state: State, template: Template) -> Json:
    shape: Json = {
        "id": template.id,
        "name": template.name,
        "description": template.description,
        "height": template.height,
        "tag": template.tag,
        "foreign_id": template.foreign_id,
        "vcpus": template.vcpus,
        "ram": template.ram,
        "disk": template.disk,
    }
    if state.flavour is ApiFlavour.USERS:
        del shape["tag"]
    return shape


def rack_shape(state: State, rack: Rack, sent: Json | None = None) -> Json:
    """A rack without its devices. `sent`: objects just sent, which the response returns as sent."""
    shape: Json = {
        "id": rack.id,
        "name": rack.name,
        "u_height": rack.u_height,
        "metadata": rack.metadata,
        "status": rack.status,
        "cost": money(rack.cost),
        "network_details": rack.network_details,
        "creation_output": rack.creation_output,
        "order_id": rack.order_id,
        "owner": owner_shape(state, rack.owner_id),
    }
    shape.update(sent or {})
    return of_flavour(state, shape)


def owner_shape(state: State, owner_id: str) -> Json:
    """The owner of a rack: a team, or a user in the older API."""
    if state.flavour is ApiFlavour.USERS:
        return user_shape(state, state.users[owner_id], index=False)
    return team_shape(state, state.teams[owner_id])


def location_shape(device: Device) -> Json:
    """The location of a device. All devices have the full depth."""
    return {
        "depth": 2,
        "end_u": device.end_u,
        "facing": device.facing,
        "rack_id": device.rack_id,
        "start_u": device.start_u,
        "type": "rack",
    }


def device_shape(
    state: State,
    device: Device,
    *,
    index: bool = False,
    location: Json | None = None,
    sent: Json | None = None,
) -> Json:
    """A device with its details at the top level; the index has the template's id instead of the template.

    `location` replaces the current one; `sent` are objects just sent, which the response returns as sent.
    """
    shape: Json = {
        "id": device.id,
        "name": device.name,
        "description": device.description,
        "metadata": device.metadata,
        "status": device.status,
        "cost": money(device.cost),
        "location": location or location_shape(device),
    }
    if state.flavour is not ApiFlavour.USERS:
        shape["type"] = device.type
    if index:
        shape["template_id"] = device.template_id
    else:
        shape["template"] = template_shape(state, state.templates[device.template_id])
    shape.update(device.details)
    shape.update(sent or {})
    return of_flavour(state, shape)


def _role_shape(role: TeamRole) -> Json:
    return {"id": role.id, "team_id": role.team_id, "user_id": role.user_id}
