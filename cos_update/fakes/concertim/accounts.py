"""The endpoints of teams and users."""

from __future__ import annotations

from cos_update.fakes.concertim.call import Call
from cos_update.fakes.concertim.shapes import team_shape, user_shape


async def teams(call: Call) -> object:
    """GET /teams."""
    return [
        team_shape(call.state, team)
        for team in call.state.listed(tuple(call.state.teams.values()))
        if call.state.may_read(call.user, team.id)
    ]


async def users(call: Call) -> object:
    """GET /users: all for root, oneself for others."""
    shown = tuple(call.state.users.values()) if call.user.root else (call.user,)
    return [user_shape(call.state, user, index=True) for user in shown]


async def current_user(call: Call) -> object:
    """GET /users/current."""
    return user_shape(call.state, call.user, index=False)
