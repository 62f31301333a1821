"""`concertim.order_id: killbill`: racks get the order ids that the billing service has stored in Killbill."""

from __future__ import annotations

import json
import logging
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from checking import change
from world import World, served

from cos_update.fakes import Fault, FaultKind, Sandbox
from cos_update.fakes.killbill import KillbillApp
from cos_update.killbill.orders import OrderFinder
from cos_update.model.settings import KillbillSettings


@pytest.fixture
def killbill() -> Iterator[KillbillApp]:
    app = KillbillApp()
    with Sandbox(app):
        yield app


@pytest.fixture
def clock() -> list[float]:
    """The time, which the test moves on."""
    return [1000.0]


def finder(killbill: KillbillApp, clock: list[float], order_id: str = "killbill", **changed: Any) -> OrderFinder:
    login = {"username": "admin", "password": "password", "api_key": "key", "api_secret": "secret", **changed}
    return OrderFinder(KillbillSettings(url=killbill.url, **login), order_id, lambda: clock[0])


@pytest.mark.parametrize(("order_id", "field"), [("killbill", "id"), ("killbill_bundle", "bundle_id")])
def test_the_subscription_of_a_stack_or_its_bundle_is_its_order(
    killbill: KillbillApp, clock: list[float], order_id: str, field: str
) -> None:
    subscription = killbill.order("stack-1")
    killbill.order("stack-10")
    assert finder(killbill, clock, order_id).find(["stack-1"]) == {"stack-1": getattr(subscription, field)}


def test_an_order_is_looked_up_once(killbill: KillbillApp, clock: list[float]) -> None:
    killbill.order("stack-1")
    orders = finder(killbill, clock)
    first = orders.find(["stack-1"])
    asked = len(killbill.wire.requests)
    assert orders.find(["stack-1"]) == first
    assert len(killbill.wire.requests) == asked


def test_an_order_that_is_not_there_yet_is_looked_up_again_later(killbill: KillbillApp, clock: list[float]) -> None:
    orders = finder(killbill, clock)
    assert orders.find(["stack-1"]) == {}
    subscription = killbill.order("stack-1")
    assert orders.find(["stack-1"]) == {}
    assert len(killbill.wire.requests) == 1
    clock[0] += 600
    assert orders.find(["stack-1"]) == {"stack-1": subscription.id}


def test_of_several_orders_the_one_that_has_not_ended_is_taken(killbill: KillbillApp, clock: list[float]) -> None:
    killbill.order("stack-1", "CANCELLED")
    subscription = killbill.order("stack-1")
    killbill.order("stack-2", "CANCELLED")
    assert finder(killbill, clock).find(["stack-1", "stack-2"]) == {"stack-1": subscription.id}


def test_where_it_is_not_certain_there_is_no_order(
    killbill: KillbillApp, clock: list[float], caplog: pytest.LogCaptureFixture
) -> None:
    killbill.order("stack-1")
    killbill.order("stack-1")
    assert finder(killbill, clock).find(["stack-1"]) == {}
    assert "2 orders for stack stack-1: using none of them" in caplog.text


def test_other_custom_fields_that_name_the_stack_are_no_orders(killbill: KillbillApp, clock: list[float]) -> None:
    killbill.order("stack-2").fields["note"] = "stack-1"
    assert finder(killbill, clock).find(["stack-1"]) == {}


@pytest.mark.parametrize(
    ("fault", "words"),
    [
        (Fault(FaultKind.STATUS, code=500), "it answered 500"),
        (Fault(FaultKind.STATUS, code=404), "it answered 404"),
        (Fault(FaultKind.STATUS, code=200, body="<html>"), "not JSON"),
        (Fault(FaultKind.STATUS, code=200, body={"a": 1}), "unexpected format"),
        (Fault(FaultKind.CUT), "no connection"),
    ],
    ids=["500", "404", "no JSON", "another shape", "cut"],
)
def test_a_killbill_that_fails_is_reported_once_and_not_asked_for_a_while(
    killbill: KillbillApp, clock: list[float], caplog: pytest.LogCaptureFixture, fault: Fault, words: str
) -> None:
    caplog.set_level(logging.INFO)
    subscription = killbill.order("stack-1")
    killbill.wire.faults.add(fault)
    orders = finder(killbill, clock)
    for _ in range(3):
        assert orders.find(["stack-1", "stack-2"]) == {}
    assert len(killbill.wire.requests) == 1
    assert caplog.text.count(words) == 1
    killbill.wire.faults.clear()
    clock[0] += 600
    assert orders.find(["stack-1"]) == {"stack-1": subscription.id}
    assert "again" in caplog.text


def test_a_refused_login_names_the_keys_and_no_secret(
    killbill: KillbillApp, clock: list[float], caplog: pytest.LogCaptureFixture
) -> None:
    assert finder(killbill, clock, api_secret="öther-secret").find(["stack-1"]) == {}
    assert "it answered 401: check username, password, apikey and apisecret" in caplog.text
    assert "ther-secret" not in caplog.text


@pytest.fixture
def world(killbill: KillbillApp, tmp_path: Path) -> Iterator[World]:
    """The demo's cloud and an empty Concertim, with order ids from Killbill."""
    with served(tmp_path, killbill=killbill.section) as world:
        change(world, "concertim", order_id="killbill")
        yield world


def order_ids(world: World) -> dict[str, str]:
    return {rack.stack_id: rack.order_id for rack in world.actual().racks.values()}


def test_new_racks_get_their_orders(world: World, killbill: KillbillApp) -> None:
    wanted = {stack: killbill.order(stack).id for stack in world.cloud.stacks}
    world.bulk()
    assert order_ids(world)
    assert order_ids(world).items() <= wanted.items()
    writes, asked = world.writes(), len(killbill.wire.requests)
    world.bulk()
    assert (world.writes(), len(killbill.wire.requests)) == (writes, asked)


def test_a_rack_never_gets_another_order_id_than_billings(world: World, killbill: KillbillApp) -> None:
    known = next(stack.id for stack in world.cloud.stacks.values() if stack.name == "cluster-1")
    subscription = killbill.order(known)
    done = world.run("bulk", "--once", expect=3)
    assert order_ids(world) == {known: subscription.id}
    assert "no order for it was found in Killbill" in done.stderr + done.stdout
    late = {stack: killbill.order(stack).id for stack in world.cloud.stacks if stack != known}
    world.bulk()
    assert len(order_ids(world)) > 1
    assert order_ids(world).items() <= {**late, known: subscription.id}.items()


def test_a_rack_without_an_order_id_is_completed_when_its_order_turns_up(world: World, killbill: KillbillApp) -> None:
    for stack in world.cloud.stacks:
        killbill.order(stack)
    world.bulk()
    (rack, *_) = world.concertim.state.racks.values()
    wanted, rack.order_id = rack.order_id, ""
    world.bulk()
    assert rack.order_id == wanted
    writes = world.writes()
    world.bulk()
    assert world.writes() == writes


def test_without_killbill_all_else_is_posted(world: World, killbill: KillbillApp) -> None:
    for stack in world.cloud.stacks:
        killbill.order(stack)
    world.bulk()
    killbill.wire.faults.add(Fault(FaultKind.CUT))
    stack = next(stack for stack in world.cloud.stacks.values() if stack.name == "cluster-1")
    world.cloud.add_server(stack, "late-node", world.cloud.create_flavor("new", 1, 512, 1))
    world.bulk()
    assert "late-node" in {device.name for device in world.actual().devices.values()}


def findings(world: World, name: str) -> list[dict[str, str]]:
    found = json.loads(world.run("check", "--json", expect=None).stdout)["findings"]
    return [finding for finding in found if finding["name"] == name]


def test_check_tries_killbill(world: World, killbill: KillbillApp) -> None:
    (finding,) = findings(world, "killbill")
    assert (finding["status"], finding["text"]) == ("ok", f"{killbill.url} as admin")
    change(world, "killbill", apikey="another")
    (finding,) = findings(world, "killbill")
    assert finding["status"] == "fail"
    assert "401: check username, password, apikey and apisecret" in finding["text"]


def test_check_points_at_order_ids_where_billing_is_configured_and_nothing_is_reported(
    world: World, killbill: KillbillApp
) -> None:
    world.configure(killbill=killbill.section)
    assert [f["status"] for f in findings(world, "config") if "`order_id: killbill`" in f["text"]] == ["warn"]
    assert findings(world, "killbill") == []
    assert "decide concertim.order_id: not set" in world.run("config", "check").stdout
    assert killbill.wire.requests == []
