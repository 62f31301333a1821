"""Where several machines post to one Concertim nothing that writes is sent without a lease that is good."""

from __future__ import annotations

import inspect
from collections.abc import Callable

import pytest

from cos_update.concertim.client import ConcertimClient
from cos_update.coordination.fence import Fence
from cos_update.fakes import Fault, FaultKind
from cos_update.fakes.concertim import ConcertimApp
from cos_update.model.concertim import Template
from cos_update.model.errors import Fenced
from cos_update.model.settings import ConcertimSettings

TEMPLATE = Template("", "m1", 2, "f1", 2, 2048, 20, "flavor")


def good() -> None:
    """A lease that is good."""


def lost() -> None:
    raise Fenced("not sent")


@pytest.fixture
def fence() -> Fence:
    return Fence(15)


@pytest.fixture
def client(app: ConcertimApp, fence: Fence) -> ConcertimClient:
    return ConcertimClient(ConcertimSettings(app.url, "admin", "admin", retries=1), fence)


def writes(app: ConcertimApp) -> list[str]:
    return [r.method for r in app.wire.requests if r.method != "GET" and "sign_in" not in r.path]


WRITES: dict[str, Callable[[ConcertimClient, Template], object]] = {
    "create": lambda client, _: client.create(TEMPLATE),
    "update": lambda client, there: client.update(there, {"name": "m2"}),
    "delete": lambda client, there: client.delete(there),
}


@pytest.mark.parametrize("write", WRITES.values(), ids=WRITES.keys())
def test_nothing_is_written_under_a_lease_that_is_lost_or_was_never_named(
    app: ConcertimApp, client: ConcertimClient, fence: Fence, write: Callable[[ConcertimClient, Template], object]
) -> None:
    with fence.writing(good):
        there = client.create(TEMPLATE)
    assert isinstance(there, Template)
    app.wire.reset()
    with pytest.raises(Fenced):
        write(client, there)
    with fence.writing(lost), pytest.raises(Fenced):
        write(client, there)
    assert writes(app) == []
    assert fence.fenced == 2
    assert client.templates()  # reading goes on


def test_a_write_is_not_tried_again_once_its_lease_is_lost(
    app: ConcertimApp, client: ConcertimClient, fence: Fence
) -> None:
    answers = iter((good, good, lost))
    with fence.writing(good):
        there = client.create(TEMPLATE)
    app.wire.faults.add(Fault(FaultKind.STATUS, method="PATCH", code=503, times=1))
    app.wire.reset()
    with fence.writing(lambda: next(answers)()), pytest.raises(Fenced):
        client.update(there, {"name": "m2"})
    assert writes(app) == ["PATCH"]


def test_the_lease_is_looked_at_right_before_anything_is_sent(
    app: ConcertimApp, client: ConcertimClient, fence: Fence
) -> None:
    """Whatever takes time comes before: a process that is stopped in between sends nothing when it goes on."""
    callers: list[str] = []
    with fence.writing(lambda: callers.append(inspect.stack()[3].function)):
        client.create(TEMPLATE)
    assert callers == ["send", "send"]  # the headers, and the body


def test_a_request_whose_lease_is_lost_between_headers_and_body_is_not_carried_out(
    app: ConcertimApp, client: ConcertimClient, fence: Fence
) -> None:
    answers = iter((good, lost))
    with fence.writing(lambda: next(answers)()), pytest.raises(Fenced):
        client.create(TEMPLATE)
    assert all(template.name != "m1" for template in client.templates())
