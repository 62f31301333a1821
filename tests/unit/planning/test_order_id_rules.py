"""Order ids from billing: those of new racks, and of racks that lack one; never a wrong one."""

from __future__ import annotations

from dataclasses import replace

import pytest
from builders import DEFAULTS, InRack, cloud, concertim, rack, stack

from cos_update.model.concertim import Actual, ApiFlavour
from cos_update.planning.desired import desired_state, without_order
from cos_update.planning.plan import NoticeKind, Plan, Verb
from cos_update.planning.planner import make_plan

OTHER = rack("", id="r-other", name="other", order_id="order-1")
"""A rack of somebody else that has the order id already."""


def planned(actual: Actual, orders: dict[str, str] | None) -> Plan:
    inventory = cloud(stack("s1"))
    return make_plan(desired_state(inventory, actual, "killbill", orders), actual, inventory, {}, DEFAULTS)


def order_ids_sent(plan: Plan) -> list[object]:
    created = [getattr(a.record, "order_id", None) for a in plan.actions if a.verb is Verb.CREATE]
    return created + [a.payload["order_id"] for a in plan.actions if "order_id" in a.payload]


@pytest.mark.parametrize(
    ("there", "orders", "sent"),
    [
        ((), {"s1": "order-1"}, ["order-1"]),
        ((), {}, [""]),
        ((OTHER,), {"s1": "order-1"}, [""]),
        ((rack("s1", order_id=""),), {"s1": "order-1"}, ["order-1"]),
        ((rack("s1", order_id=""),), {}, []),
        ((rack("s1", order_id="theirs"),), {"s1": "order-1"}, []),
        ((rack("s1", order_id=""), OTHER), {"s1": "order-1"}, []),
        ((rack("s1", order_id=""),), None, []),
    ],
    ids=["new", "new, no answer", "new, taken", "completed", "no answer", "has one", "taken", "billing is not asked"],
)
def test_a_rack_gets_the_order_that_billing_has_or_none(
    there: tuple[InRack, ...], orders: dict[str, str] | None, sent: list[object]
) -> None:
    actual = concertim(*there)
    assert order_ids_sent(planned(actual, orders)) == sent


def test_a_rack_that_is_made_without_its_order_is_told() -> None:
    (notice,) = (n for n in planned(concertim(), {}).all_notices if n.kind is NoticeKind.NO_ORDER)
    assert "no order for it was found" in notice.text
    assert not [n for n in planned(concertim(), {"s1": "order-1"}).all_notices if n.kind is NoticeKind.NO_ORDER]


def test_only_racks_without_an_order_are_looked_up() -> None:
    inventory = cloud(stack("s1"), stack("s2"), stack("s3"))
    actual = concertim(rack("s1", order_id="order-1"), rack("s2", order_id=""))
    assert without_order(inventory, actual) == ("s2", "s3")
    assert without_order(inventory, replace(actual, owners={})) == ()
    assert without_order(inventory, replace(actual, flavour=ApiFlavour.CREDITS)) == ()
