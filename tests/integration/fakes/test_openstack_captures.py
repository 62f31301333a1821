"""The fake responds like a real cloud: same fields, same types of values, same errors, per call and role.

The fixtures are answers of a real cloud (Zed), cut down to one item of each form.
"""

from __future__ import annotations

import json
from collections import defaultdict
from collections.abc import Iterator
from pathlib import Path

import pytest
from openstack_asking import Asker, by_password, named

from cos_update.fakes import Sandbox
from cos_update.fakes.demo import demo_cloud
from cos_update.fakes.openstack import OpenStackApp

FIXTURES = Path(__file__).parents[2] / "fixtures"
CAPTURES = sorted((FIXTURES / "openstack_api").glob("*.json"))
OPEN_POLICY = ("heat-stacks-global-tenant.json", "heat-stacks-global-tenant-show-nested.json")
"""Captured where Heat's policy had been opened to project-scoped admins."""
FREE_KEYS = {"metadata", "parameters", "extra_specs"}
"""What is below these is up to the cloud's users, as is the whole of an `output_value`."""

Kinds = dict[str, set[str]]


@pytest.fixture(scope="module")
def asker() -> Iterator[Asker]:
    app = OpenStackApp(demo_cloud())
    with Sandbox(app):
        yield Asker(app)


def load(path: Path) -> dict[str, object]:
    loaded = json.loads(path.read_text())
    assert isinstance(loaded, dict)
    return loaded


def ids(asker: Asker) -> dict[str, str]:
    state = asker.state
    team = named(state.projects, "CM_team_a")
    servers = {server.name: server.id for server in state.servers.values()}
    return {
        "admin_project": state.admin_project.id,
        "project": team.id,
        "stack": state.find_stack(team, "cluster-1").id,
        "broken": state.find_stack(team, "broken").id,
        "watcher": state.watcher.id,
        "watcher_role": state.watcher_role.id,
        "member": state.owner_of(team.id).id,
        "login": servers["alpha-login"],
        "error_server": servers["broken-1"],
        "other_server": servers["hidden-1"],
    }


def token_of(asker: Asker, who: str) -> str | None:
    state = asker.state
    team = named(state.projects, "CM_team_a")
    match who:
        case "nobody":
            return None
        case "stranger":
            return "gAAAAA-no-such-token"
        case "admin":
            return asker.token(state.watcher, state.admin_project)
        case "watcher":
            return asker.token(state.watcher, team)
        case "member":
            return asker.token(state.owner_of(team.id), team)
        case "system":
            return asker.token(state.admin, scope={"system": {"all": True}})
    raise AssertionError(who)


def kinds(value: object, path: str = "", found: Kinds | None = None) -> Kinds:
    """The kinds of values at each path of a JSON value; `[]` stands for the items of a list."""
    found = defaultdict(set) if found is None else found
    last = path.rpartition(".")[2]
    if last == "output_value":
        return found
    found[path].add(
        "number" if isinstance(value, int | float) and not isinstance(value, bool) else type(value).__name__
    )
    if last in FREE_KEYS:
        return found
    if isinstance(value, dict):
        for key, item in value.items():
            kinds(item, f"{path}.*" if last == "addresses" else f"{path}.{key}", found)
    elif isinstance(value, list):
        for item in value:
            kinds(item, f"{path}[]", found)
    return found


def forms(body: object) -> set[tuple[str, ...]]:
    """The sets of keys that occur among the items of a listing."""
    assert isinstance(body, dict)
    return {
        tuple(sorted(item))
        for name, items in body.items()
        if isinstance(items, list) and not name.endswith("links")
        for item in items
    }


def assert_alike(real: object, ours: object) -> None:
    expected, got = kinds(real), kinds(ours)
    assert got.keys() == expected.keys()
    assert {path: (expected[path], got[path]) for path in got if not expected[path] & got[path]} == {}


@pytest.mark.parametrize("capture", CAPTURES, ids=lambda path: path.stem)
def test_answers_have_the_fields_of_the_real_cloud(asker: Asker, capture: Path) -> None:
    real = load(capture)
    headers = real["headers"]
    assert isinstance(headers, dict)
    with asker.state.lock:
        asker.state.global_stacks_allowed = capture.name in OPEN_POLICY
    path = str(real["path"]).format(**ids(asker))
    answer = asker.get(path, token_of(asker, str(real["as"])), **headers)

    assert answer.status_code == real["status"], answer.text
    if answer.ok:
        assert_alike(real["body"], answer.json())
        if "limit=" not in path:
            assert forms(real["body"]) <= forms(answer.json())
    else:
        body = json.dumps(real["body"]).replace("9171906a-2714-4d84-85e0-80a41de4223f", ids(asker)["other_server"])
        assert answer.json() == json.loads(body)
    shown = real["answer_headers"]
    assert isinstance(shown, dict)
    for name in ("openstack-api-version", "x-openstack-nova-api-version"):
        assert answer.headers.get(name) == shown.get(name)


def test_a_token_has_the_fields_of_the_real_cloud(asker: Asker) -> None:
    real = load(FIXTURES / "openstack_token.json")
    scope = {"project": {"name": "admin", "domain": {"id": "default"}}}
    answer = asker.login(by_password(asker.state.watcher), scope)
    assert answer.status_code == 201
    assert_alike(real["body"], answer.json())
