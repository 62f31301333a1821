"""The probe whether the licence allows another rack never leaves one behind."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from scripted import Reply, Request, ScriptedServer

from cos_update.concertim.client import ConcertimClient
from cos_update.fakes import Fault, FaultKind, Sandbox
from cos_update.fakes.concertim import ConcertimApp
from cos_update.model.concertim import ApiFlavour, Owner
from cos_update.model.errors import Unavailable

Connect = Callable[..., ConcertimClient]


@pytest.mark.parametrize("limit", [None, 1])
def test_a_licence_with_room(app: ConcertimApp, client: ConcertimClient, limit: int | None) -> None:
    app.state.rack_limit = limit
    assert client.limit_met(owner(app)) == ""
    assert app.state.racks == {}


def test_a_licence_that_is_used_up(app: ConcertimApp, client: ConcertimClient) -> None:
    app.state.rack_limit = 0
    assert client.limit_met(owner(app)) == "The rack limit of 0 has been exceeded"


def test_a_rack_that_is_accepted_all_the_same_goes_again(connect: Connect) -> None:
    made = {"id": "r1", "name": "limit-check", "u_height": 42, "status": "ACTIVE", "owner": {"id": "t1"}}

    def answer(request: Request) -> Reply | None:
        return Reply(200, made) if request.path.endswith("/racks") else None

    with ScriptedServer(answer) as server:
        assert connect(server.url, api=ApiFlavour.TEAMS).limit_met(Owner("t1", "team", "p1")) == ""
        sent = [f"{request.method} {request.path}" for request in server.requests]
    assert sent[-1] == "DELETE /api/v1/racks/r1"


@pytest.mark.parametrize("flavour", list(ApiFlavour))
def test_an_app_that_takes_racks_has_nothing_to_complain_of(connect: Connect, flavour: ApiFlavour) -> None:
    fake = ConcertimApp(flavour)
    someone = fake.state.add_team("team", "p1") if flavour is not ApiFlavour.USERS else None
    user = fake.state.add_user("user", project_id="p1")
    with Sandbox(fake):
        client = connect(fake.url)
        assert client.complaints(Owner(someone.id if someone else user.id, "team", "p1")) == ()
    assert fake.state.racks == {}


def test_what_refuses_every_rack_is_not_taken_for_room(connect: Connect) -> None:
    newer = ConcertimApp(ApiFlavour.CREDITS)
    team = newer.state.add_team("team", "p1")
    with Sandbox(newer):
        client = connect(newer.url, api=ApiFlavour.TEAMS)
        assert client.limit_met(Owner(team.id, "team", "p1")) == ""
        assert client.complaints(Owner(team.id, "team", "p1")) == ("cloud_created_at can't be blank",)


def test_an_app_that_fails_is_not_taken_for_room(app: ConcertimApp, client: ConcertimClient) -> None:
    someone = owner(app)
    app.wire.faults.add(Fault(FaultKind.STATUS, "/racks", "POST", code=500, body={"errors": []}))
    assert client.complaints(someone) == ("Concertim failed (500)",)


def test_an_answer_that_gets_lost_is_an_error_for_people(app: ConcertimApp, client: ConcertimClient) -> None:
    someone = owner(app)
    app.wire.faults.add(Fault(FaultKind.LOST_ANSWER, method="POST", path="/racks"))
    with pytest.raises(Unavailable, match="without a complete answer"):
        client.limit_met(someone)


def owner(app: ConcertimApp) -> Owner:
    team = app.state.add_team("team", "p1")
    return Owner(team.id, team.name, "p1")
