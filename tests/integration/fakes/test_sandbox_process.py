"""The fakes in a separate process."""

from __future__ import annotations

import json
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import requests


@contextmanager
def serving(*arguments: str) -> Iterator[dict[str, Any]]:
    """What the process says of itself; at the end it must end on SIGTERM."""
    command = [sys.executable, "-m", "cos_update.fakes", *arguments]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        try:
            yield json.loads(process.stdout.readline())
            process.send_signal(signal.SIGTERM)
            assert process.wait(60) == 0
        finally:
            process.kill()


def teams(concertim: dict[str, str]) -> dict[str, str]:
    """The teams by name, with their projects."""
    login = {"user": {"login": concertim["username"], "password": concertim["password"]}}
    answer = requests.post(f"{concertim['url']}/users/sign_in.json", json=login, timeout=60)
    headers = {"Authorization": answer.headers["Authorization"], "Accept": "application/json"}
    shown = requests.get(f"{concertim['url']}/api/v1/teams", headers=headers, timeout=60).json()
    return {team["name"]: team["project_id"] for team in shown}


def token(openstack: dict[str, str]) -> str:
    """A token by what the process says of the login."""
    user = {"name": openstack["username"], "password": openstack["password"], "domain": {"name": "Default"}}
    scope = {"project": {"name": openstack["project"], "domain": {"name": "Default"}}}
    identity = {"methods": ["password"], "password": {"user": user}}
    body = {"auth": {"identity": identity, "scope": scope}}
    return requests.post(f"{openstack['auth_url']}/auth/tokens", json=body, timeout=60).headers["X-Subject-Token"]


def test_it_tells_where_it_serves_and_ends_on_sigterm() -> None:
    with serving("--team", "t1=p1") as ready:
        assert teams(ready["concertim"]) == {"t1": "p1"}


def test_with_a_size_it_serves_an_openstack_whose_projects_are_concertims_teams() -> None:
    with serving("--size", "60", "--stacks", "6") as ready:
        openstack = ready["openstack"]
        headers = {"X-Auth-Token": token(openstack)}
        servers = requests.get(
            f"{openstack['url']}/compute/v2.1/servers/detail?all_tenants=1", headers=headers, timeout=5
        )
        path = f"{openstack['url']}/orchestration/v1/{ready['projects']['CM_team_000']}/stacks"
        stacks = requests.get(path, headers=headers, timeout=60)
        assert (len(servers.json()["servers"]), len(stacks.json()["stacks"])) == (60, 6)
        assert len(ready["projects"]) == 5
        assert teams(ready["concertim"]) == ready["projects"]


def test_the_cloud_changes_on_demand_each_server_in_its_turn() -> None:
    with serving("--size", "20", "--no-concertim") as ready:
        openstack = ready["openstack"]
        headers = {"X-Auth-Token": token(openstack)}

        def states() -> dict[str, str]:
            path = f"{openstack['url']}/compute/v2.1/servers/detail?all_tenants=1"
            shown = requests.get(path, headers=headers, timeout=60).json()["servers"]
            return {server["id"]: server["OS-EXT-STS:vm_state"] for server in shown}

        def churn(count: int) -> dict[str, str]:
            answer = requests.post(f"{openstack['url']}/_sandbox/churn", json={"count": count}, timeout=60).json()
            return {server["id"]: server["state"] for server in answer["servers"]}

        before = states()
        first, second = churn(5), churn(5)
        assert len({*first, *second}) == 10
        assert states() == {**before, **first, **second}
        assert all(before[server] != state for server, state in {**first, **second}.items())
        assert "concertim" not in ready
