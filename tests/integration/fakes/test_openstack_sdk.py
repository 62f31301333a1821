"""openstacksdk works with the fake: discovery, tokens, raw reads, paging."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import openstack
import pytest
from openstack import exceptions
from openstack_asking import named, nova_version

from cos_update.fakes import Sandbox
from cos_update.fakes.demo import demo_cloud
from cos_update.fakes.openstack import OpenStackApp

Connect = Callable[..., Any]


@pytest.fixture
def app() -> Iterator[OpenStackApp]:
    served = OpenStackApp(demo_cloud())
    with Sandbox(served):
        yield served


@pytest.fixture
def connect(app: OpenStackApp) -> Connect:
    def connected(project: str = "admin", **auth: object) -> Any:
        login = auth or {
            "username": "concertim",
            "password": "concertim",
            "project_name": project,
            "user_domain_name": "Default",
            "project_domain_name": "Default",
        }
        return openstack.connect(
            auth={"auth_url": app.auth_url, **login},
            auth_type="v3applicationcredential" if "application_credential_id" in auth else "password",
            region_name="RegionOne",
            load_yaml_config=False,
            load_envvars=False,
        )

    return connected


def test_every_service_is_found_through_the_catalog(app: OpenStackApp, connect: Connect) -> None:
    cloud = connect()
    project = app.state.admin_project.id
    assert cloud.compute.get_endpoint() == f"{app.url}/compute/v2.1"
    assert cloud.orchestration.get_endpoint() == f"{app.url}/orchestration/v1/{project}"
    assert cloud.block_storage.get_endpoint() == f"{app.url}/volume/v3/{project}"
    assert cloud.network.get_endpoint() == f"{app.url}/network/v2.0"
    assert cloud.compute.get_endpoint_data().max_microversion == (2, 93)
    assert cloud.identity.get("/auth/projects").status_code == 200


def test_the_sdk_lists_what_the_cloud_holds(app: OpenStackApp, connect: Connect) -> None:
    cloud, state = connect(), app.state
    shown = {server.id for server in state.servers.values() if server.vm_state != "soft-delete"}
    assert {server.id for server in cloud.compute.servers(all_projects=True)} == shown
    assert {volume.id for volume in cloud.block_storage.volumes(all_projects=True)} == state.volumes.keys()
    assert {network.id for network in cloud.network.networks()} == state.networks.keys()
    assert {stack.name for stack in cloud.orchestration.stacks()} >= {"cluster-1", "hidden"}


def test_the_sdk_follows_small_pages_to_the_end(app: OpenStackApp, connect: Connect) -> None:
    app.state.page_size["nova"] = 7
    assert len(list(connect().compute.servers(all_projects=True))) == len(app.state.servers) - 1
    asked = [request for request in app.wire.requests if request.path.endswith("/servers/detail")]
    assert len(asked) == 6


def test_a_raw_read_carries_its_microversion(connect: Connect) -> None:
    answer = connect().compute.get("/servers/detail?all_tenants=1&limit=1", headers=nova_version("2.47"))
    assert answer.headers["OpenStack-API-Version"] == "compute 2.47"
    assert "original_name" in answer.json()["servers"][0]["flavor"]


def test_a_watcher_reads_its_own_project_in_full(app: OpenStackApp, connect: Connect) -> None:
    cloud, team = connect("CM_team_b"), named(app.state.projects, "CM_team_b")
    servers = cloud.compute.get("/servers/detail").json()["servers"]
    stacks = cloud.orchestration.get("/stacks").json()["stacks"]
    assert {server["id"] for server in servers} == {
        server.id for server in app.state.servers.values() if server.project_id == team.id
    }
    assert {stack["stack_name"] for stack in stacks} == {"cluster-1", "Awkward_names.and-all", "groups", "growing"}


def test_an_application_credential_is_a_login(app: OpenStackApp, connect: Connect) -> None:
    team = named(app.state.projects, "CM_team_a")
    credential = app.state.create_application_credential(app.state.watcher, team)
    cloud = connect(application_credential_id=credential.id, application_credential_secret=credential.secret)
    assert cloud.current_project_id == team.id
    assert cloud.compute.get("/servers/detail").ok


def test_the_sdk_logs_in_again_when_its_token_is_revoked(app: OpenStackApp, connect: Connect) -> None:
    cloud = connect()
    assert cloud.compute.get("/flavors/detail").ok
    app.state.revoke_tokens()
    assert cloud.compute.get("/flavors/detail").ok
    assert [request.status for request in app.wire.requests if request.method == "POST"] == [201, 201]


def test_an_absent_service_is_not_in_the_catalog(app: OpenStackApp, connect: Connect) -> None:
    app.state.absent_services |= {"heat"}
    with pytest.raises(exceptions.ServiceDisabledException, match="not present in the service catalog"):
        connect().orchestration.get("/stacks")


def test_the_sdk_follows_heats_lookup_by_id(app: OpenStackApp, connect: Connect) -> None:
    stack = app.state.find_stack(named(app.state.projects, "CM_team_a"), "cluster-1")
    shown = connect().orchestration.get(f"/stacks/{stack.id}?resolve_outputs=false").json()["stack"]
    assert shown["stack_name"] == "cluster-1"
    assert "outputs" not in shown
