"""The fake Concertim responds like the real app in a recorded conversation of some 650 exchanges."""

from __future__ import annotations

import base64
import json
from collections.abc import Iterator
from datetime import date
from decimal import Decimal

import pytest
from replay import Replay, recorded

from cos_update.fakes import Sandbox
from cos_update.fakes.concertim import ConcertimApp, Team, User

RECORDED_AT = 1795398118.0
"""The time of the recording: it puts dates before and after "today"."""
RACK_TEMPLATE = "718d95a3-1f4b-4e47-ac4f-d6892c521520"
NIL = "00000000-0000-0000-0000-000000000000"

LEFT_OUT = {
    "nodes.create instance, details type of another class": (
        "the app's answer shows the columns of a class that has nothing to do with devices"
    ),
}


@pytest.fixture
def app() -> Iterator[ConcertimApp]:
    fake = ConcertimApp(race_window=0.0)
    fake.wire.keep_requests = False
    fake.state.clock = lambda: RECORDED_AT
    with Sandbox(fake):
        yield fake


def add_user(app: ConcertimApp, login: str, team: Team | None = None, *, admin: bool = False) -> User:
    user = app.state.add_user(login, f"{login}pw")
    if team is not None:
        app.state.add_role(user, team, "admin" if admin else "member")
    return user


def tokens(app: ConcertimApp) -> dict[str, str]:
    """The Authorization headers that stand in the recording as placeholders."""
    users = {user.login: user for user in app.state.users.values()}
    admin = users["admin"]
    fresh = app.tokens.issue(admin)
    header, payload, signature = fresh.split(".")
    claims = json.loads(base64.urlsafe_b64decode(payload + "=="))
    found = {f"<{login.upper()} token>": f"Bearer {app.tokens.issue(user)}" for login, user in users.items()}
    return {
        **found,
        "<SECOND token>": f"Bearer {app.tokens.issue(admin)}",
        "<OLD token>": f"Bearer {app.tokens.issue(admin)}",
        "<ADMIN token, bare>": fresh,
        "<ADMIN token, lower-case bearer>": f"bearer {fresh}",
        "<tampered token>": f"Bearer {header}.{payload}.{signature[::-1]}",
        "<re-signed token>": f"Bearer {app.tokens.sign(claims)}",
        "<expired token>": f"Bearer {app.tokens.issue(admin, life=-60)}",
        "<token of unknown jti>": f"Bearer {app.tokens.sign({**claims, 'jti': NIL})}",
        "<token of unknown sub>": f"Bearer {app.tokens.sign({**claims, 'sub': NIL})}",
    }


def replay(app: ConcertimApp) -> Replay:
    return Replay(app, tokens(app), ids={RACK_TEMPLATE: app.state.tagged("rack").id})


def test_the_main_conversation(app: ConcertimApp) -> None:
    state = app.state
    t1 = state.add_team("t1", "a" * 32)
    t2 = state.add_team("t2", "b" * 32)
    t3 = state.add_team("t3-no-project")
    add_user(app, "alice", t1, admin=True)
    add_user(app, "bob", t1)
    add_user(app, "carol", t2, admin=True)
    dave = add_user(app, "dave")

    def add_t9() -> None:
        state.add_team("t9", "9" * 32, id="94edaf78-2446-4a40-b256-347ed98e3ade")

    def mark_t9() -> None:
        state.teams["94edaf78-2446-4a40-b256-347ed98e3ade"].pending_deletion = True

    def mark_dave() -> None:
        dave.pending_deletion = True

    def add_frank() -> None:
        frank = state.add_user("frank", "frankpassword", email="frank@example.org")
        frank.foreign_password = frank.password

    def limit() -> None:
        state.rack_limit, state.device_limit = len(state.racks), len(state.devices)

    def lift_limit() -> None:
        state.rack_limit = state.device_limit = None

    def bill_t1() -> None:
        t1.billing_acct_id, t1.cost, t1.credits, t3.project_id = "acct-1", Decimal(3), Decimal(100), ""
        t1.billing_period_start, t1.billing_period_end = date(2026, 11, 1), date(2026, 12, 1)

    def bill_t1_anew() -> None:
        t1.cost, t1.credits, t1.billing_period_start, t1.billing_period_end = Decimal(5), Decimal(-5), None, None

    def rename_template() -> None:
        next(template for template in state.templates.values() if template.name == "m1.small2").name = "m1.small"

    by_hand = {
        "racks.create normal full": bill_t1,
        "racks.index order before an update": bill_t1_anew,
        "nodes.create instance full": rename_template,
        "racks.create default name, first of a team": add_t9,
        "teams.index with a team pending deletion": mark_t9,
        "login.user pending deletion": mark_dave,
        "login.user created by the app itself": add_frank,
        "racks.create over the licence limit": limit,
        "racks.index": lift_limit,
    }
    assert replay(app).run(recorded("main"), by_hand, LEFT_OUT) == []


def test_the_conversation_about_access(app: ConcertimApp) -> None:
    team = app.state.add_team("acc", "q" * 32, id="a62566eb-ed9c-472f-bc7b-53e7b4928c3d")
    add_user(app, "alice", team, admin=True)
    add_user(app, "bob", team)
    by_hand = {"auth.all tokens revoked on the server": app.tokens.revoke_all}
    assert replay(app).run(recorded("access"), by_hand, LEFT_OUT) == []


def test_the_conversation_that_verified_doubts(app: ConcertimApp) -> None:
    team = app.state.add_team("v1", "q" * 32, id="2035921c-50e7-4272-97bc-549fe4deeb89")
    team.billing_acct_id = "b1"
    app.state.add_team("v2", "w" * 32, id="d98f76d9-a7eb-4b8e-8538-ebaa37030046")
    assert replay(app).run(recorded("verify"), {}, LEFT_OUT) == []


def test_every_case_left_out_is_in_the_recording() -> None:
    assert LEFT_OUT.keys() <= {exchange["case"] for exchange in recorded("main")}
