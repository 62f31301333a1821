"""The question whether the licence allows another rack: never leaves one behind."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from scripted import Reply, Request, ScriptedServer

from cos_update.concertim.client import ConcertimClient
from cos_update.fakes import Fault, FaultKind
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


def test_an_answer_that_gets_lost_is_an_error_for_people(app: ConcertimApp, client: ConcertimClient) -> None:
    someone = owner(app)
    app.wire.faults.add(Fault(FaultKind.LOST_ANSWER, method="POST", path="/racks"))
    with pytest.raises(Unavailable, match="without a complete answer"):
        client.limit_met(someone)


def owner(app: ConcertimApp) -> Owner:
    team = app.state.add_team("team", "p1")
    return Owner(team.id, team.name, "p1")
