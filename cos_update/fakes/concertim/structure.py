"""The structure read (`GET /irv/racks`)."""

from __future__ import annotations

from cos_update.fakes.concertim.call import Call
from cos_update.fakes.concertim.records import Device, Json, Rack, Template, User
from cos_update.fakes.concertim.state import State
from cos_update.fakes.concertim.values import money
from cos_update.model.concertim import ApiFlavour


async def racks(call: Call) -> object:
    """GET /irv/racks: all values are text; several chassis are a list, one is an object, none are absent."""
    state = call.state
    shown = [rack for rack in state.listed(tuple(state.racks.values())) if state.may_read(call.user, rack.owner_id)]
    following = [*(rack.id for rack in shown[1:]), ""]
    return {
        "Racks": {
            "Rack": [
                _rack_shape(state, call.user, rack, next_id) for rack, next_id in zip(shown, following, strict=False)
            ]
        }
    }


def _rack_shape(state: State, user: User, rack: Rack, next_id: str) -> Json:
    shape: Json = {
        "id": rack.id,
        "name": rack.name,
        "uHeight": str(rack.u_height),
        "buildStatus": rack.status,
        "cost": f"${money(rack.cost)}",
        "teamRole": _role(state, user, rack),
        "nextRackId": next_id,
        "owner": {"id": rack.owner_id, "name": _owner_name(state, rack)},
        "template": _template_shape(state.tagged("rack")),
    }
    chassis = [_chassis_shape(state, device) for device in state.devices.in_rack(rack.id)]
    if chassis:
        shape["Chassis"] = chassis if len(chassis) > 1 else chassis[0]
    return shape


def _role(state: State, user: User, rack: Rack) -> str:
    if user.root:
        return "superAdmin"
    return next((role.role for role in state.roles_of(user) if role.team_id == rack.owner_id), "")


def _owner_name(state: State, rack: Rack) -> str:
    owners = state.users if state.flavour is ApiFlavour.USERS else state.teams
    return owners[rack.owner_id].name


def _template_shape(template: Template) -> Json:
    return {"id": template.id, "name": template.name, "height": str(template.height)}


def _chassis_shape(state: State, device: Device) -> Json:
    machine: Json = {
        "id": device.id,
        "name": device.name,
        "buildStatus": device.status,
        "cost": f"${money(device.cost)}",
    }
    if state.flavour is not ApiFlavour.USERS:
        machine["type"] = device.type
    return {
        "id": f"chassis-{device.id}",
        "name": f"chassis-{device.name}",
        "type": "RackChassis",
        "facing": device.facing,
        "uStart": str(device.start_u),
        "uEnd": str(device.end_u),
        "rows": "1",
        "cols": "1",
        "slots": "1",
        "template": _template_shape(state.templates[device.template_id]),
        "Slots": {"id": f"slot-{device.id}", "col": "1", "row": "1", "Machine": machine},
    }
