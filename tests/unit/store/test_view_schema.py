"""The plain form of the view: lossless, and nothing else passes for it."""

from __future__ import annotations

import copy
import json
import pickle
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from view_samples import view, views

from cos_update.model.kinds import ResourceKind
from cos_update.store import Origin, View, ViewStore, from_plain, to_plain
from cos_update.store.schema import rack_from, rack_plain

PLAIN = (dict, list, tuple, str, int, float, bool, type(None))


@given(views)
def test_a_view_survives_its_plain_form(any_view: View) -> None:
    assert from_plain(pickle.loads(pickle.dumps(to_plain(any_view)))) == any_view


@given(views)
def test_the_plain_form_holds_plain_types_only(any_view: View) -> None:
    _assert_plain(to_plain(any_view))


def test_a_kind_given_as_an_enum_member_becomes_plain_text() -> None:
    plain = to_plain(View(actual=view().actual, origins={"a": Origin(ResourceKind.SERVER, "a", "active", "p1")}))
    assert type(plain["origins"]["a"]["kind"]) is str


def test_devices_and_racks_say_what_openstack_calls_them() -> None:
    plain = to_plain(view())
    found = {
        key: plain["devices"]["11"][key] for key in ("openstack_id", "openstack_name", "openstack_state", "stack_id")
    }
    assert found == {
        "openstack_id": "server-11",
        "openstack_name": "web_1 (blue)",
        "openstack_state": "active",
        "stack_id": "stack-1",
    }
    assert plain["racks"]["1"]["openstack_name"] == "Web!"
    assert plain["racks"]["1"]["openstack_state"] == "CREATE_COMPLETE"


def test_fields_that_have_a_default_may_be_missing() -> None:
    plain = rack_plain(view().actual.racks["1"])
    for optional in ("metadata", "network_details", "creation_output", "order_id", "openstack_name"):
        del plain[optional]
    assert rack_from(plain).metadata == {}


def _without(*path: str) -> Callable[[dict[str, Any]], None]:
    def remove(plain: dict[str, Any]) -> None:
        for key in path[:-1]:
            plain = plain[key]
        del plain[path[-1]]

    return remove


def _with(value: object, *path: str) -> Callable[[dict[str, Any]], None]:
    def put(plain: dict[str, Any]) -> None:
        for key in path[:-1]:
            plain = plain[key]
        plain[path[-1]] = value

    return put


@pytest.mark.parametrize(
    "damage",
    [
        _without("schema"),
        _with(2, "schema"),
        _with(True, "schema"),
        _without("racks"),
        _with([], "devices"),
        _with(None, "devices", "11"),
        _with("1", "devices", "11", "start_u"),
        _with("Toaster", "devices", "11", "type"),
        _with([], "devices", "11", "type"),
        _with(3, "devices", "11", "metadata"),
        _without("racks", "1", "height"),
        _with("cards", "concertim", "flavour"),
        _with("soon", "saved_at"),
        _with("none", "openstack", "gaps"),
        _with({"id": 3, "at": 1.0, "why": ""}, "resync"),
        _with([3], "stacks", "stack-1", "content", "servers"),
        _with({"form": "billing", "since": 1.0}, "view_for"),
        _with({"form": "conser"}, "view_for"),
        _with("conser", "view_for"),
        _with([], "accounts"),
        _with({"owners": {"7": {"cost": 3}}, "people": None}, "accounts"),
        _with({"owners": {}, "people": {"7": {"id": "7"}}}, "accounts"),
    ],
)
def test_any_other_shape_is_refused(damage: Callable[[dict[str, Any]], None]) -> None:
    plain = copy.deepcopy(to_plain(view()))
    damage(plain)
    with pytest.raises(ValueError, match=r"."):
        from_plain(plain)


_anything = st.recursive(
    st.none() | st.integers() | st.text(max_size=4), lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner)
)


@given(st.data())
def test_a_view_with_anything_put_anywhere_is_a_view_or_refused(data: st.DataObject) -> None:
    plain: Any = copy.deepcopy(to_plain(view()))
    inner = plain
    while True:
        key = data.draw(st.sampled_from(sorted(inner)))
        if not isinstance(inner[key], dict) or not inner[key] or data.draw(st.booleans()):
            break
        inner = inner[key]
    inner[key] = data.draw(_anything)
    try:
        from_plain(plain)
    except ValueError as error:
        assert str(error)  # noqa: PT017


def test_any_python_reads_the_file_without_our_package(tmp_path: Path) -> None:
    ViewStore(tmp_path, "bulk").save(view())
    script = "import json, pickle, sys; print(json.dumps(pickle.load(open(sys.argv[1], 'rb'))))"
    command = [sys.executable, "-I", "-S", "-c", script, str(tmp_path / "view.pickle")]
    done = subprocess.run(command, cwd="/", capture_output=True, text=True, check=True)
    assert json.loads(done.stdout)["devices"]["11"]["name"] == "web-1"


def _assert_plain(value: object) -> None:
    assert type(value) in PLAIN
    if isinstance(value, dict):
        for key, item in value.items():
            assert type(key) is str
            _assert_plain(item)
    elif isinstance(value, list | tuple):
        for item in value:
            _assert_plain(item)
