"""The view in the formats of both generations, loaded by readers modelled on theirs, without our package."""

from __future__ import annotations

import pickletools
from collections.abc import Callable
from dataclasses import replace
from enum import StrEnum
from pathlib import Path
from typing import Any

import pytest
from neighbour_samples import DEVICES, MADE, OUTPUT, sample, without_accounts
from neighbouring import read_by

from cos_update.model.concertim import ApiFlavour
from cos_update.model.settings import ViewFor
from cos_update.neighbours import write
from cos_update.store import View

FORMS = (ViewFor.CON_OPSTK, ViewFor.CONSER)
Read = Callable[[View], dict[str, Any]]


@pytest.fixture
def read(tmp_path: Path) -> Read:
    """Writes a view and reads it as the services do."""

    def written_and_read(view: View) -> dict[str, Any]:
        path = tmp_path / "view.pickle"
        with path.open("wb") as file:
            write(view, file)
        return read_by(view.view_for, path)

    return written_and_read


@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize("make", [sample, without_accounts])
@pytest.mark.parametrize("flavour", ApiFlavour)
def test_every_attribute_is_there_with_its_type_whatever_is_known(
    read: Read, form: ViewFor, make: Callable[[ViewFor], View], flavour: ApiFlavour
) -> None:
    view = make(form)
    assert read(replace(view, actual=replace(view.actual, flavour=flavour)))["contract"] is True


def test_an_empty_concertim_is_a_view_too(read: Read) -> None:
    for form in FORMS:
        empty = replace(sample(form).actual, owners={}, templates={}, racks={}, devices={}, accounts=None)
        assert read(replace(sample(form), actual=empty))["metrics"] == []


@pytest.mark.parametrize("form", FORMS)
def test_the_file_names_their_classes_and_nothing_else(tmp_path: Path, form: ViewFor) -> None:
    with (tmp_path / "view.pickle").open("wb") as file:
        write(sample(form), file)
    opcodes = list(pickletools.genops((tmp_path / "view.pickle").read_bytes()))
    assert opcodes[0][1] == 4, "the protocol"
    assert not {"REDUCE", "GLOBAL", "INST", "OBJ", "NEWOBJ_EX", "PERSID"} & {opcode.name for opcode, _, _ in opcodes}
    assert sum(opcode.name == "STACK_GLOBAL" for opcode, _, _ in opcodes) == (6 if form is ViewFor.CON_OPSTK else 7)


def test_teams_own_racks_that_hold_devices(read: Read) -> None:
    found = read(sample(ViewFor.CONSER))
    view = found["view"]
    assert view["teams"]["o1"] == {
        "id": ["o1", "p1", "acct-1"],
        "name": ["blue", "CM_blue"],
        "description": "",
        "racks": [["r1", "s1", "order-1"]],
        "team_members": [],
        "team_admins": [],
        "_primary_billing_user_cloud_id": None,
        "billing_period_start": "2026-11-01",
        "billing_period_end": "2026-12-01",
        "cost": 99.999,
        "credits": -5.0,
    }
    assert view["teams"]["o2"]["id"] == ["o2", None, None]
    assert (view["teams"]["o2"]["cost"], view["teams"]["o2"]["billing_period_end"]) == (0.0, "")
    rack = view["racks"]["r1"]
    output = [["concertim_cluster_type", "slurm"], ["ip", ["10.0.0.4", 1]]]
    assert {**rack, "_resources": None} == {
        "id": ["r1", "s1", "order-1"],
        "name": ["web", "Web!"],
        "description": "",
        "team_id_tuple": ["o1", "p1", "acct-1"],
        "height": 42,
        "devices": [["d2", "v1"], ["d1", "i1"], ["d3", "n1"]],
        "_base_name": "web",
        "status": "ACTIVE",
        "_status_reason": "Stack CREATE completed",
        "_occupied": [1, 2, 3, 4, 42],
        "output": output,
        "_creation_output": "concertim_cluster_type=slurm, ip=10.0.0.4",
        "_project_cloud_id": "p1",
        "network_details": {"net": ["10.0.0.0/24"]},
        "metadata": {
            "status_reason": "Stack CREATE completed",
            "creator_cloud_name": "bo",
            "output": output,
            "project_cloud_id": "p1",
        },
        "cost": 12.5,
        "_detailed_cost": {},
        "_resources": None,
        "_delete_marker": False,
        "_updated": False,
        "created_at": MADE,
        "cluster_type_name": "slurm",
    }
    assert found["billing"] == [
        [item, "order-1", "acct-1", cost] for item, cost in (("d1", 1.25), ("d2", 0.0), ("d3", 0.0))
    ]
    assert found["metrics"] == [["i1", "Instance"], ["n1", "Network"], ["v1", "Volume"]]


def test_devices_of_every_type_say_so_in_their_details(read: Read) -> None:
    devices = read(sample(ViewFor.CONSER))["view"]["devices"]
    assert {**devices["d1"], "template": None} == {
        "id": ["d1", "i1"],
        "name": ["d1", "login node"],
        "type": "Instance",
        "description": "login",
        "rack_id_tuple": ["r1", "s1", "order-1"],
        "template": None,
        "location": {"start_u": 3, "end_u": 4, "facing": "f"},
        "status": "ACTIVE",
        "network_interfaces": [{"network": "net", "address": "10.0.0.4"}],
        "cost": 1.25,
        "details": {
            "type": "Device::ComputeDetails",
            "public_ips": "ext:1.2.3.4",
            "private_ips": "net:10.0.0.4",
            "ssh_key": "key",
            "login_user": "rocky",
            "volume_details": [{"id": "v1", "name": "home"}],
        },
        "_delete_marker": False,
        "_updated": False,
        "created_at": MADE,
    }
    volume = {"availability_zone": "nova", "bootable": True, "encrypted": None, "read_only": False, "size": 10}
    assert devices["d2"]["details"] == {"type": "Device::VolumeDetails", **volume, "volume_type": "ssd"}
    assert devices["d3"]["details"]["mtu"] == 1450


def test_templates_are_there_with_a_flavor_and_without(read: Read) -> None:
    templates = read(sample(ViewFor.CONSER))["view"]["templates"]
    assert templates["t1"] == {
        "id": ["t1", "f1"],
        "name": ["m1.small", "m1.small"],
        "description": "small",
        "ram": 2048,
        "disk": 20,
        "vcpus": 2,
        "height": 2,
        "tag": None,
        "_updated": False,
    }
    assert (templates["t2"]["id"], templates["t2"]["tag"], templates["t2"]["ram"]) == (["t2", None], "volume", None)


@pytest.mark.parametrize("form", FORMS)
def test_what_is_not_ours_is_there_with_none_for_its_missing_ids(read: Read, form: ViewFor) -> None:
    view = read(sample(form))["view"]
    rack, device = view["racks"]["r2"], view["devices"]["d4"]
    assert (rack["id"][:2], rack["name"], rack["cost"]) == (["r2", None], ["by-hand", None], 0.0)
    assert (device["id"], device["name"]) == (["d4", None], ["d4", None])
    height = device["template"]["height" if form is ViewFor.CONSER else "size"]
    assert (device["template"]["id"], height) == (["t9", None], 3), "a template that is not listed"


@pytest.mark.parametrize("form", FORMS)
def test_what_readers_could_not_follow_is_left_out_and_named(tmp_path: Path, form: ViewFor) -> None:
    with (tmp_path / "view.pickle").open("wb") as file:
        left_out = write(sample(form), file)
    assert left_out.keys() == {"r3", "d6"}
    assert left_out["r3"] == "rack lost (r3): its owner o9 is missing"
    assert left_out["d6"] == "device d6 (d6): its rack r9 is missing"
    view = read_by(form, tmp_path / "view.pickle")["view"]
    assert view["racks"].keys() == {"r1", "r2"}
    assert view["devices"].keys() == {"d1", "d2", "d3", "d4"}


@pytest.mark.parametrize("form", FORMS)
def test_root_users_are_left_out(read: Read, form: ViewFor) -> None:
    users = read(sample(form))["view"]["users"]
    assert "u0" not in users
    assert (users["u2"]["id"], users["u2"]["name"]) == (["u2", None], ["cy", "CM_cy"])
    assert (users["o1"]["id"], users["o1"]["full_name"], users["o1"]["email"]) == (
        ["o1", "c1"],
        "Bo Blue",
        "bo@example.com",
    )


def test_users_own_racks_in_the_first_generation(read: Read) -> None:
    found = read(sample(ViewFor.CON_OPSTK, ApiFlavour.USERS))
    view = found["view"]
    assert view["users"]["o1"] == {
        "id": ["o1", "c1"],
        "name": ["bo", "CM_bo"],
        "description": "",
        "full_name": "Bo Blue",
        "email": "bo@example.com",
        "openstack_project_id": "p1",
        "racks": ["r1"],
        "billing_period_start": "2026-11-01",
        "billing_period_end": "2026-12-01",
        "cost": 99.999,
        "billing_acct_id": "acct-1",
    }
    assert view["users"]["u2"]["racks"] == []
    rack = view["racks"]["r1"]
    assert (rack["user_id"], rack["order_id"], rack["devices"]) == ("o1", "order-1", ["d2", "d1", "d3"])
    assert rack["metadata"]["openstack_stack_output"] == OUTPUT
    assert view["racks"]["r2"]["order_id"] is None
    device = view["devices"]["d1"]
    assert (device["rack_id"], device["private_ips"], device["cost"]) == ("r1", "net:10.0.0.4", 1.25)
    assert device["volume_details"] == {"v1": {"name": "home"}}
    assert view["templates"]["t1"]["size"] == 2
    assert view["_needs_resync"] is False
    assert found["billing"] == [[item, "p1", "acct-1", "order-1"] for item in ("i1", "n1", "v1")] + [
        [None, None, None, None]
    ]
    assert found["api_server"] == [2, 4]


def test_racks_of_a_root_user_are_left_out_with_their_owner(read: Read, tmp_path: Path) -> None:
    view = sample(ViewFor.CON_OPSTK, ApiFlavour.USERS)
    accounts = view.actual.accounts
    assert accounts is not None
    assert accounts.people is not None
    roots = replace(accounts, people={**accounts.people, "o2": replace(accounts.people["u0"], id="o2")})
    found = read(replace(view, actual=replace(view.actual, accounts=roots)))
    assert found["view"]["racks"].keys() == {"r1"}
    assert found["metrics"] == ["i1", "n1", "v1"]


@pytest.mark.parametrize("text", ["", "nan", "inf", "-", "$1"])
def test_what_is_no_amount_costs_nothing(read: Read, text: str) -> None:
    view = sample(ViewFor.CONSER)
    odd = {**DEVICES, "d1": replace(DEVICES["d1"], cost=text)}
    found = read(replace(view, actual=replace(view.actual, devices=odd)))
    assert found["view"]["devices"]["d1"]["cost"] == 0.0


@pytest.mark.parametrize("form", FORMS)
def test_texts_of_a_class_of_ours_are_written_as_plain_ones(read: Read, form: ViewFor) -> None:
    class Status(StrEnum):
        ACTIVE = "ACTIVE"

    view = sample(form)
    odd = {**DEVICES, "d1": replace(DEVICES["d1"], status=Status.ACTIVE)}
    assert read(replace(view, actual=replace(view.actual, devices=odd)))["view"]["devices"]["d1"]["status"] == "ACTIVE"


def test_what_has_no_plain_form_is_refused(tmp_path: Path) -> None:
    view = sample(ViewFor.CONSER)
    odd = {**DEVICES, "d1": replace(DEVICES["d1"], metadata={"net_interfaces": [Path()]})}
    with (tmp_path / "view.pickle").open("wb") as file, pytest.raises(TypeError, match="has no plain form"):
        write(replace(view, actual=replace(view.actual, devices=odd)), file)
