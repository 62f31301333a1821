"""The wire that both fakes share: recording, counting, faults, latency."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator

import pytest
import requests
from aiohttp import web

from cos_update.fakes import Fault, FaultKind, Sandbox, Wire


class Shelf:
    """The smallest fake: a list of books."""

    name = "shelf"
    url = ""

    def __init__(self) -> None:
        self.wire = Wire(lambda path: path.split("/")[1])
        self.books: list[object] = []

    def build(self) -> web.Application:
        application = self.wire.application()
        application.router.add_get("/library/books", self._index)
        application.router.add_post("/library/books", self._create)
        return application

    async def _index(self, _: web.Request) -> web.Response:
        return web.json_response({"books": self.books, "total": len(self.books)})

    async def _create(self, request: web.Request) -> web.Response:
        self.books.append(await request.json())
        return web.json_response({}, status=201)


@pytest.fixture
def shelf() -> Iterator[Shelf]:
    fake = Shelf()
    with Sandbox(fake):
        yield fake


def books(shelf: Shelf, **options: object) -> requests.Response:
    return requests.get(f"{shelf.url}/library/books", timeout=5, **options)  # type: ignore[arg-type]


def test_requests_are_recorded_with_body_query_and_status(shelf: Shelf) -> None:
    requests.post(f"{shelf.url}/library/books?lang=en", json={"title": "Emma"}, timeout=60)
    recorded = shelf.wire.requests[0]
    assert (recorded.method, recorded.path, recorded.query) == ("POST", "/library/books", {"lang": "en"})
    assert (recorded.body, recorded.status, recorded.service) == ({"title": "Emma"}, 201, "library")


def test_counts_go_by_service_method_and_route(shelf: Shelf) -> None:
    shelf.wire.keep_requests = False
    books(shelf)
    books(shelf)
    assert shelf.wire.counts == {("library", "GET", "/library/books"): 2}
    assert shelf.wire.requests == []
    shelf.wire.reset()
    assert not shelf.wire.counts


def test_only_answers_of_the_fake_itself_are_refusals(shelf: Shelf) -> None:
    requests.get(f"{shelf.url}/library/maps", timeout=60)
    shelf.wire.faults.add(Fault(FaultKind.STATUS, path="books"))
    assert books(shelf).status_code == 503
    assert [(refusal.path, refusal.status) for refusal in shelf.wire.refusals] == [("/library/maps", 404)]


def test_a_failure_of_the_fake_is_on_record(shelf: Shelf) -> None:
    answer = requests.post(f"{shelf.url}/library/books", data="not JSON", timeout=60)
    assert (answer.status_code, shelf.wire.refusals[0].status) == (500, 500)
    assert b"the fake itself failed" in shelf.wire.refusals[0].answer


def test_a_status_fault_strikes_after_and_for_as_many_as_it_says(shelf: Shelf) -> None:
    fault = Fault(FaultKind.STATUS, path="^/library/books$", after=1, times=2, code=429, retry_after=3, body={"e": 1})
    fault_id = shelf.wire.faults.add(fault)
    answers = [books(shelf) for _ in range(4)]
    assert [answer.status_code for answer in answers] == [200, 429, 429, 200]
    assert (answers[1].headers["Retry-After"], answers[1].json()) == ("3", {"e": 1})
    assert shelf.wire.faults.struck(fault_id) == 2


@pytest.mark.parametrize(
    "fault",
    [
        Fault(FaultKind.CUT, method="POST"),
        Fault(FaultKind.CUT, service="cinema"),
        Fault(FaultKind.CUT, path="maps"),
        Fault(FaultKind.CUT, query="page=2"),
    ],
)
def test_a_fault_strikes_no_other_requests(shelf: Shelf, fault: Fault) -> None:
    shelf.wire.faults.add(fault)
    assert books(shelf, params={"page": 1}).status_code == 200


def test_cut_closes_before_the_work_and_lost_answer_after_it(shelf: Shelf) -> None:
    for kind, done in ((FaultKind.CUT, 0), (FaultKind.LOST_ANSWER, 1)):
        fault_id = shelf.wire.faults.add(Fault(kind))
        with pytest.raises(requests.ConnectionError):
            requests.post(f"{shelf.url}/library/books", json={}, timeout=60)
        shelf.wire.faults.remove(fault_id)
        assert len(shelf.books) == done
    assert [recorded.status for recorded in shelf.wire.requests] == [0, 0]


def test_truncate_announces_more_than_it_sends(shelf: Shelf) -> None:
    shelf.wire.faults.add(Fault(FaultKind.TRUNCATE))
    with pytest.raises((requests.exceptions.ChunkedEncodingError, requests.ConnectionError)):
        books(shelf)


def test_empty_keeps_the_status_and_empties_the_list(shelf: Shelf) -> None:
    shelf.books.append("Emma")
    shelf.wire.faults.add(Fault(FaultKind.EMPTY))
    assert books(shelf).json() == {"books": [], "total": 1}


def test_hang_ends_with_the_fault(shelf: Shelf) -> None:
    fault_id = shelf.wire.faults.add(Fault(FaultKind.HANG))
    with pytest.raises(requests.ReadTimeout):
        requests.get(f"{shelf.url}/library/books", timeout=0.2)
    threading.Timer(0.2, shelf.wire.faults.remove, [fault_id]).start()
    with pytest.raises(requests.ConnectionError):
        books(shelf)
    assert books(shelf).status_code == 200


def test_delay_and_latency_make_answers_late(shelf: Shelf) -> None:
    shelf.wire.faults.add(Fault(FaultKind.DELAY, seconds=0.1))
    shelf.wire.latency = 0.1
    began = time.monotonic()
    assert books(shelf).status_code == 200
    assert time.monotonic() - began >= 0.2


def test_a_sandbox_that_starts_again_has_the_same_address_and_state() -> None:
    shelf = Shelf()
    sandbox = Sandbox(shelf)
    sandbox.start()
    url = shelf.url
    requests.post(f"{url}/library/books", json={}, timeout=60)
    sandbox.stop()
    with pytest.raises(requests.ConnectionError):
        books(shelf)
    with sandbox:
        assert shelf.url == url
        assert books(shelf).json()["total"] == 1


def test_the_control_routes_do_the_same_over_http_and_are_not_recorded(shelf: Shelf) -> None:
    control = f"{shelf.url}/_sandbox"
    answer = requests.post(f"{control}/faults", json={"kind": "status", "code": 500, "times": 1}, timeout=60)
    fault_id = answer.json()["id"]
    assert books(shelf).status_code == 500
    assert requests.get(f"{control}/faults", timeout=60).json()[0]["struck"] == 1
    requests.delete(f"{control}/faults", params={"id": fault_id}, timeout=60)
    assert requests.get(f"{control}/faults", timeout=60).json() == []
    assert requests.post(f"{control}/faults", json={"kind": "gremlin"}, timeout=60).status_code == 400
    requests.post(f"{control}/latency", json={"seconds": 0.01}, timeout=60)
    assert shelf.wire.latency == 0.01
    assert [row["status"] for row in requests.get(f"{control}/requests", timeout=60).json()] == [500]
    assert requests.get(f"{control}/counts", timeout=60).json() == [
        {"service": "library", "method": "GET", "kind": "/library/books", "count": 1}
    ]
    requests.delete(f"{control}/requests", timeout=60)
    assert shelf.wire.requests == []


def test_a_client_may_ask_for_the_requests_that_are_new_to_it_and_when_they_were_answered(shelf: Shelf) -> None:
    control = f"{shelf.url}/_sandbox"
    began = time.time()
    for number in range(3):
        books(shelf, params={"n": number})
    fresh = requests.get(f"{control}/requests", params={"since": 2}, timeout=60).json()
    assert [item["query"] for item in fresh] == [{"n": "2"}]
    assert began <= fresh[0]["at"] <= time.time()


def test_requests_are_only_counted_when_a_client_asks_for_that(shelf: Shelf) -> None:
    requests.post(f"{shelf.url}/_sandbox/keep", json={"requests": False}, timeout=60)
    books(shelf)
    assert shelf.wire.requests == []
    assert shelf.wire.counts["library", "GET", "/library/books"] == 1
