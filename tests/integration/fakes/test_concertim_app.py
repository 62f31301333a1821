"""The fake Concertim beyond single responses: races, order, the structure read, the older API."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import requests

from cos_update.fakes import Fault, FaultKind
from cos_update.fakes.concertim import ConcertimApp

Call = Callable[..., requests.Response]


def caller(app: ConcertimApp, *, life: float | None = None) -> Call:
    """Calls the API as root, each time over a connection of its own."""
    admin = next(user for user in app.state.users.values() if user.root)
    headers = {"Accept": "application/json", "Authorization": f"Bearer {app.tokens.issue(admin, life=life)}"}

    def call(method: str, path: str, body: object = None) -> requests.Response:
        return requests.request(method, f"{app.url}/api/v1{path}", json=body, headers=headers, timeout=60)

    return call


def node(template_id: str, rack_id: str, name: str, start_u: int) -> dict[str, Any]:
    location = {"rack_id": rack_id, "start_u": start_u, "facing": "f"}
    details = {"type": "Device::ComputeDetails"}
    device = {"name": name, "type": "Instance", "status": "ACTIVE", "location": location, "details": details}
    return {"template_id": template_id, "device": device}


def at_once(call: Call, path: str, bodies: list[dict[str, Any]]) -> Counter[int]:
    """The statuses of posts that are sent at the same time."""
    with ThreadPoolExecutor(len(bodies)) as pool:
        return Counter(pool.map(lambda body: call("POST", path, body).status_code, bodies))


def test_two_creates_at_once_for_one_slot_or_name_both_pass(app: ConcertimApp) -> None:
    app.race_window = 0.1
    template = app.state.add_template("m1.small")
    rack = app.state.add_rack("rack", app.state.add_team("t"))
    same_slot = [node(template.id, rack.id, f"a{i}", 1) for i in range(5)]
    assert at_once(caller(app), "/nodes", same_slot) == {200: 5}
    same_name = [node(template.id, rack.id, "b", i) for i in range(2, 7)]
    assert at_once(caller(app), "/nodes", same_name) == {200: 5}
    assert len(app.state.devices_of(rack)) == 10


def test_of_racks_created_at_once_with_one_order_id_only_one_passes(app: ConcertimApp) -> None:
    app.race_window = 0.1
    team = app.state.add_team("t")
    rack = {"name": "r", "u_height": 5, "status": "ACTIVE", "team_id": team.id, "order_id": "o"}
    assert at_once(caller(app), "/racks", [{"rack": rack}] * 5) == {200: 1, 500: 4}
    assert b"RecordNotUnique" in app.refusals[0].answer
    others = [{"rack": {**rack, "name": "s", "order_id": f"o{i}"}} for i in range(3)]
    assert at_once(caller(app), "/racks", others) == {200: 3}


def test_one_after_the_other_the_second_is_refused(app: ConcertimApp) -> None:
    template = app.state.add_template("m1.small")
    rack = app.state.add_rack("rack", app.state.add_team("t"))
    call = caller(app)
    assert call("POST", "/nodes", node(template.id, rack.id, "a", 1)).status_code == 200
    assert call("POST", "/nodes", node(template.id, rack.id, "a", 2)).json() == {"name": [{"error": "taken"}]}


def test_an_updated_row_moves_to_the_end_of_its_index(app: ConcertimApp) -> None:
    team = app.state.add_team("t")
    template = app.state.add_template("m1.small")
    first = app.state.add_rack("first", team)
    app.state.add_rack("second", team)
    devices = [app.state.add_device(first, name, template, u + 1) for u, name in enumerate("ab")]
    call = caller(app)
    call("PATCH", f"/racks/{first.id}", {"rack": {}})
    call("PATCH", f"/devices/{devices[0].id}", {"device": {"status": "ACTIVE"}})
    assert [rack["name"] for rack in call("GET", "/racks").json()] == ["second", "first"]
    assert [device["name"] for device in call("GET", "/devices").json()] == ["b", "a"]


def test_the_structure_read_is_all_text_and_changes_shape_with_the_number_of_devices(app: ConcertimApp) -> None:
    team = app.state.add_team("t", "p")
    template = app.state.add_template("m1.large", 2)
    racks = [app.state.add_rack(f"r{count}", team, 10) for count in range(3)]
    for count, rack in enumerate(racks):
        for number in range(count):
            app.state.add_device(rack, f"d{number}", template, 1 + 2 * number)
    call = caller(app)
    none, one, two = call("GET", "/irv/racks").json()["Racks"]["Rack"]
    assert "Chassis" not in none
    assert (one["uHeight"], one["cost"], one["buildStatus"]) == ("10", "$0.00", "ACTIVE")
    assert (one["owner"], one["Chassis"]["uStart"]) == ({"id": team.id, "name": "t"}, "1")
    machine = one["Chassis"]["Slots"]["Machine"]
    assert machine == {
        "id": app.state.devices_of(racks[1])[0].id,
        "name": "d0",
        "buildStatus": "ACTIVE",
        "cost": "$0.00",
        "type": "Instance",
    }
    assert [(chassis["uStart"], chassis["uEnd"]) for chassis in two["Chassis"]] == [("1", "2"), ("3", "4")]


def test_expired_tokens_and_injected_faults_are_no_refusals_of_the_client(app: ConcertimApp) -> None:
    assert caller(app, life=-1)("GET", "/racks").json() == {"error": "Signature has expired"}
    app.wire.faults.add(Fault(FaultKind.STATUS, path="/racks", times=1, code=500))
    call = caller(app)
    assert call("GET", "/racks").status_code == 500
    assert call("POST", "/racks", {"rack": {}}).status_code == 422
    assert [(refusal.method, refusal.status) for refusal in app.refusals] == [("POST", 422)]


def test_a_token_expires_after_its_life(app: ConcertimApp) -> None:
    call = caller(app)
    now = time.time()
    app.state.clock = lambda: now + 24 * 3600 - 5
    assert call("GET", "/racks").status_code == 200
    app.state.clock = lambda: now + 24 * 3600 + 5
    assert call("GET", "/racks").status_code == 401


def test_json_beside_a_wildcard_is_a_browsers_accept_header(app: ConcertimApp) -> None:
    headers = {"Accept": "application/json, */*"}
    answer = requests.get(f"{app.url}/api/v1/racks", headers=headers, allow_redirects=False, timeout=60)
    assert (answer.status_code, answer.headers["Location"]) == (302, f"{app.url}/accounts/sign_in")


def test_ten_thousand_devices_are_listed(app: ConcertimApp) -> None:
    team = app.state.add_team("t")
    template = app.state.add_template("m1.small")
    for number in range(200):
        rack = app.state.add_rack(f"r{number}", team)
        for unit in range(1, 51):
            app.state.add_device(rack, f"d{unit}", template, unit)
    assert len(caller(app)("GET", "/devices").json()) == 10_000


def test_at_a_realistic_cost_calls_wait_for_each_other(app: ConcertimApp) -> None:
    app.realistic_cost = True
    template = app.state.add_template("m1.small")
    rack = app.state.add_rack("rack", app.state.add_team("t"))
    began = time.monotonic()
    at_once(caller(app), "/nodes", [node(template.id, rack.id, f"a{i}", i + 1) for i in range(4)])
    assert time.monotonic() - began >= 4 * 0.06


def test_in_the_older_api_racks_belong_to_users_and_there_are_no_teams(older: ConcertimApp) -> None:
    alice = older.state.add_user("alice", project_id="p1")
    call = caller(older)
    assert call("GET", "/teams").status_code == 404
    assert older.refusals == []
    assert [user.get("project_id") for user in call("GET", "/users").json()] == [None, "p1"]
    rack = {"name": "r", "u_height": 5, "status": "ACTIVE", "order_id": "o"}
    assert call("POST", "/racks", {"rack": rack}).json() == {"user": ["must exist"]}
    created = call("POST", "/racks", {"rack": {**rack, "user_id": alice.id}}).json()
    assert (created["owner"]["id"], created["owner"]["project_id"]) == (alice.id, "p1")


def test_in_the_older_api_devices_have_no_type_and_their_details_are_flat(older: ConcertimApp) -> None:
    alice = older.state.add_user("alice", project_id="p1")
    rack = older.state.add_rack("r", alice)
    call = caller(older)
    assert call("GET", "/templates").json() == []
    template = call("POST", "/templates", {"template": {"name": "m1", "height": 1, "tag": "x"}}).json()
    assert "tag" not in template
    body = node(template["id"], rack.id, "a.b", 1)
    body["device"] |= {"public_ips": "1.1.1.1", "details": {"type": "Device::ComputeDetails", "public_ips": "2"}}
    assert call("POST", "/nodes", body).json() == {"name": [{"error": "invalid", "value": "a.b"}]}
    body["device"]["name"] = "a-b"
    device = call("POST", "/nodes", body).json()
    assert (device["public_ips"], "type" in device) == ("1.1.1.1", False)
    changed = call("PATCH", f"/devices/{device['id']}", {"device": {"private_ips": "10.0.0.1"}}).json()
    assert (changed["public_ips"], changed["private_ips"]) == ("1.1.1.1", "10.0.0.1")
    machine = call("GET", "/irv/racks").json()["Racks"]["Rack"][0]["Chassis"]["Slots"]["Machine"]
    assert "type" not in machine
