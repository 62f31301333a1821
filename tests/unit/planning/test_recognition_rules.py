"""What is recognised as ours although its metadata was wiped or overwritten, and what is not."""

from __future__ import annotations

from dataclasses import replace

import pytest
from builders import cloud, concertim, device, foreign, rack, server, stack

from cos_update.model.concertim import STACK_ID, Actual, Device, InstanceDetails, Rack
from cos_update.model.kinds import ResourceKind
from cos_update.model.openstack import Address, Inventory
from cos_update.planning.desired import desired_state
from cos_update.planning.recognition import device_with_identity, recognised, recognised_by_looks, with_identity

NOTHING = concertim()
ONE_STACK = cloud(stack("s1", "i1"))
WIPED_RACK = {"metadata": {}}


def known(actual: Actual) -> dict[str, str]:
    """What each object is known as, by Concertim id, of those that do not say it themselves."""
    return {r.id: r.known_as for r in (*actual.racks.values(), *actual.devices.values()) if r.known_as}


@pytest.mark.parametrize(
    ("inventory", "actual", "past", "found"),
    [
        pytest.param(ONE_STACK, concertim(rack("s1", "i1")), NOTHING, {}, id="a rack that says itself what it is"),
        pytest.param(
            ONE_STACK, concertim(rack("s1", "i1", **WIPED_RACK)), NOTHING, {"r-s1": "s1"}, id="by its order id"
        ),
        pytest.param(
            ONE_STACK,
            concertim(rack("s1", "i1", order_id="bill-7", name="mine", **WIPED_RACK)),
            concertim(rack("s1", "i1")),
            {"r-s1": "s1"},
            id="by its Concertim id, as it was known before",
        ),
        pytest.param(
            ONE_STACK,
            concertim(
                rack(
                    "s1",
                    device("i1", metadata={"openstack_instance_id": "i1", STACK_ID: "s1"}),
                    order_id="7",
                    **WIPED_RACK,
                )
            ),
            NOTHING,
            {"r-s1": "s1"},
            id="by its name and the devices in it",
        ),
        pytest.param(
            ONE_STACK,
            concertim(
                rack(
                    "s1",
                    device("i1", metadata={"openstack_instance_id": "i1", STACK_ID: "s1"}),
                    order_id="7",
                    name="other",
                    **WIPED_RACK,
                )
            ),
            NOTHING,
            {},
            id="not by the devices in it alone",
        ),
        pytest.param(
            ONE_STACK, concertim(rack("s1", "i1", owner_id="o-b", **WIPED_RACK)), NOTHING, {}, id="not in another team"
        ),
        pytest.param(
            ONE_STACK,
            concertim(rack("s1", "i1"), rack("", id="r-2", order_id="s1", name="twin")),
            NOTHING,
            {},
            id="not beside the rack that says it is the stack's",
        ),
        pytest.param(
            ONE_STACK,
            concertim(rack("", id="r-1", order_id="s1", name="a"), rack("", id="r-2", order_id="x", name="b")),
            concertim(rack("s1", id="r-2")),
            {"r-2": "s1"},
            id="of two claims the surer one counts: what was known before goes before the order id",
        ),
        pytest.param(cloud(), concertim(rack("s1", **WIPED_RACK)), NOTHING, {}, id="not when no such stack is listed"),
    ],
)
def test_racks(inventory: Inventory, actual: Actual, past: Actual, found: dict[str, str]) -> None:
    assert known(recognised(actual, inventory, past)) == found


BEFORE = concertim(rack("s1", "i1"))


@pytest.mark.parametrize(
    ("now", "found"),
    [
        pytest.param(device("i1", metadata={}), {"d-i1": "i1"}, id="wiped"),
        pytest.param(
            device("i1", metadata={"openstack_instance_id": "typo"}), {"d-i1": "i1"}, id="overwritten by nonsense"
        ),
        pytest.param(
            device("i1", metadata={"openstack_instance_id": "i2"}),
            {},
            id="not when it names another server that is listed",
        ),
        pytest.param(device("v1", id="d-i1", metadata={}), {}, id="not when it is of another type now"),
    ],
)
def test_devices_by_their_concertim_id(now: Device, found: dict[str, str]) -> None:
    inventory = cloud(stack("s1", "i1", "i2"))
    assert known(recognised(concertim(rack("s1", now)), inventory, BEFORE)) == found


def test_a_device_is_not_recognised_beside_one_that_says_it_is_that_server() -> None:
    now = concertim(rack("s1", device("i1", metadata={}), device("i1", id="d-twin", name="twin")))
    assert known(recognised(now, ONE_STACK, BEFORE)) == {}


ADDRESSED = cloud(stack("s1", server(addresses=(Address("net", "10.0.0.5"),)), "i2"))
LIKE_I1 = InstanceDetails(private_ips="net:10.0.0.5")


@pytest.mark.parametrize(
    ("there", "found"),
    [
        pytest.param(foreign("i1", details=LIKE_I1), {"d-i1": "i1"}, id="of its name, template and addresses"),
        pytest.param(foreign("i1", metadata={STACK_ID: "s1"}), {"d-i1": "i1"}, id="of its name and stack"),
        pytest.param(foreign("i2"), {}, id="not by its name alone"),
        pytest.param(foreign("x", details=LIKE_I1), {}, id="not by its addresses alone"),
        pytest.param(foreign("i1", details=LIKE_I1, template_id="t-other"), {}, id="not of another template"),
        pytest.param(device("v1", id="d-i1", name="i1", metadata={STACK_ID: "s1"}), {}, id="not of another type"),
    ],
)
def test_devices_by_their_looks(there: Device, found: dict[str, str]) -> None:
    actual = concertim(rack("s1", there))
    assert known(recognised_by_looks(actual, desired_state(ADDRESSED, actual))) == found


def test_devices_in_racks_without_a_stack_are_not_managed() -> None:
    actual = concertim(rack("", foreign("i1", details=LIKE_I1)))
    assert recognised_by_looks(actual, desired_state(ADDRESSED, actual)) is actual


def _rack(**fields: object) -> Rack:
    return rack("s1", **fields).rack


@pytest.mark.parametrize(
    ("now", "former", "is_known"),
    [
        pytest.param(_rack(metadata={}), _rack(), True, id="it was a stack's"),
        pytest.param(_rack(metadata={}), None, False, id="it was never seen"),
        pytest.param(_rack(metadata={}), _rack(metadata={}), False, id="it was nobody's"),
        pytest.param(_rack(), _rack(metadata={STACK_ID: "s2"}), False, id="it says itself what it is"),
    ],
)
def test_a_rack_read_again_is_what_it_was(now: Rack, former: Rack | None, is_known: bool) -> None:
    assert with_identity(now, former).known_as == ("s1" if is_known else "")


@pytest.mark.parametrize(
    ("now", "former", "is_known"),
    [
        pytest.param(device("i1", metadata={}), device("i1"), True, id="it was a server's"),
        pytest.param(device("i1", metadata={}), None, False, id="it was never seen"),
        pytest.param(device("i1"), device("i2"), False, id="it says itself what it is"),
        pytest.param(
            replace(device("i1", metadata={}), kind=ResourceKind.VOLUME), device("i1"), False, id="its type has changed"
        ),
    ],
)
def test_a_device_read_again_is_what_it_was(now: Device, former: Device | None, is_known: bool) -> None:
    assert device_with_identity(now, former).known_as == ("i1" if is_known else "")
