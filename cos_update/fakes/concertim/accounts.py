"""The endpoints of teams and users."""

from __future__ import annotations

from datetime import date

from cos_update.fakes.concertim.call import Call
from cos_update.fakes.concertim.checks import check_cost, check_length, check_number
from cos_update.fakes.concertim.params import scalars
from cos_update.fakes.concertim.problems import Errors, Refusal, forbidden, not_found, unknown_attribute
from cos_update.fakes.concertim.records import Json, Team
from cos_update.fakes.concertim.shapes import team_shape, user_shape
from cos_update.fakes.concertim.values import COLUMN_LIMIT, day, decimal, refuse_null_cost, text
from cos_update.model.concertim import ApiFlavour

TEAM_TEXTS: tuple[str, ...] = ("project_id", "billing_acct_id")
TEAM_FIELDS = (*TEAM_TEXTS, "cost", "credits", "billing_period_start", "billing_period_end")
NO_COLUMNS_OF_USERS = TEAM_FIELDS
"""What root may send for a user, and what the user does not have."""
PERMISSIONS = {
    "manage": {kind: ["superAdmin", "admin"] for kind in ("racks", "devices", "chassis")},
    "move": {"racks": [], "devices": ["superAdmin", "admin"], "chassis": ["superAdmin", "admin"]},
    "view": {kind: ["superAdmin", "admin", "member"] for kind in ("racks", "devices", "chassis")},
}


async def teams(call: Call) -> object:
    """GET /teams."""
    return [
        team_shape(call.state, team)
        for team in call.state.listed(tuple(call.state.teams.values()))
        if call.state.may_read(call.user, team.id)
    ]


async def update_team(call: Call) -> object:
    """PATCH /teams/:id."""
    team = _find_team(call)
    call.root_only()
    call.params.wrap("team", TEAM_FIELDS)
    given = scalars(call.params.root("team"), TEAM_FIELDS)
    texts = {field: text(given[field]) for field in TEAM_TEXTS if field in given}
    start, end = (
        day(given[field]) if field in given else getattr(team, field)
        for field in ("billing_period_start", "billing_period_end")
    )
    cost = decimal(given["cost"]) if "cost" in given else team.cost
    errors = Errors()
    _check_texts(call, team, texts, errors)
    if "cost" in given:
        check_cost(errors, given["cost"], cost)
    if "credits" in given:
        check_number(errors, "credits", given["credits"])
        if given["credits"] in (None, ""):
            errors.add("credits", "blank")
    _check_period(errors, start, end, call.state.today)
    errors.refuse()
    team.cost = refuse_null_cost(cost, "teams")
    team.credits = decimal(given.get("credits", team.credits)) or team.credits * 0
    team.billing_period_start, team.billing_period_end = start, end
    for field, value in texts.items():
        setattr(team, field, value and value.strip())
    call.state.touched(team)
    return team_shape(call.state, team)


async def delete_team(call: Call) -> object:
    """DELETE /teams/:id: refused with racks, and without them for want of a cloud configuration."""
    team = _find_team(call)
    call.root_only()
    racks = [rack for rack in tuple(call.state.racks.values()) if rack.owner_id == team.id]
    if racks and not call.params.asks("recurse"):
        title, description = "Unprocessable Content", "Cannot delete team as they have active racks"
        raise Refusal(422, {"errors": [{"status": "422", "title": title, "description": description}]})
    raise Refusal(422, {})


async def users(call: Call) -> object:
    """GET /users: all for root, oneself for others."""
    shown = tuple(call.state.users.values()) if call.user.root else (call.user,)
    return [user_shape(call.state, user, index=True) for user in shown]


async def current_user(call: Call) -> object:
    """GET /users/current."""
    return user_shape(call.state, call.user, index=False)


async def permissions(_: Call) -> object:
    """GET /users/permissions."""
    return PERMISSIONS


async def update_user(call: Call) -> object:
    """PATCH /users/:id: root sets the cloud user's id; what others send is ignored."""
    user = call.state.users.get(call.id)
    if user is None:
        raise not_found()
    if not call.user.root and call.user is not user:
        raise forbidden()
    call.params.wrap("user", ("cloud_user_id", "project_id"))
    root = call.params.root("user")
    if call.user.root:
        older = call.state.flavour is ApiFlavour.USERS
        for field in NO_COLUMNS_OF_USERS:
            if field in root and not (older and field == "project_id"):
                raise unknown_attribute(field, "User")
        given: Json = scalars(root, ("cloud_user_id", "project_id"))
        user.cloud_user_id = text(given.get("cloud_user_id", user.cloud_user_id))
        user.project_id = text(given.get("project_id", user.project_id))
    return user_shape(call.state, user, index=False)


def _find_team(call: Call) -> Team:
    if call.id not in call.state.teams:
        raise not_found()
    return call.state.teams[call.id]


def _check_texts(call: Call, team: Team, texts: dict[str, str | None], errors: Errors) -> None:
    others = [other for other in tuple(call.state.teams.values()) if other.id != team.id]
    for field, sent in texts.items():
        value = sent and sent.strip()
        check_length(errors, field, value, COLUMN_LIMIT)
        if value and any(getattr(other, field) == value for other in others):
            errors.add(field, "taken")


def _check_period(errors: Errors, start: date | None, end: date | None, today: date) -> None:
    if start is None and end is None:
        return
    if start is None or end is None:
        errors.add("billing_period", "must have a start date and end date, or neither")
        return
    if end <= start:
        errors.add("billing_period_end", f"must be greater than {start.isoformat()}")
    if end < today:
        errors.add("billing_period_end", "must be today or later")
    if start > today:
        errors.add("billing_period_start", "must be today or earlier")
