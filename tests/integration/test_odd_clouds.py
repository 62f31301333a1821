"""Behaviour of real clouds that the fake does not show is handled or reported."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager
from dataclasses import dataclass
from email.utils import formatdate
from pathlib import Path
from typing import Any

import pytest
from handmade import PROJECT, SERVER, STACK, STACKS, Answer, HandmadeCloud, first

from cos_update.model.errors import CloudError
from cos_update.model.kinds import ResourceKind
from cos_update.model.openstack import Inventory, Membership
from cos_update.model.settings import ReadScope, Settings
from cos_update.openstack.inventory import CloudReader
from cos_update.openstack.stack_members import remember
from cos_update.preflight.finding import Status
from cos_update.preflight.openstack import cloud as check_cloud

SERVERS = "GET /compute/v2.1/servers/detail"
TOKENS = "POST /identity/v3/auth/tokens"
SLOW_DOWN = {"overLimit": {"code": 413, "message": "This request was rate-limited."}}
UNAUTHORISED = Answer({"error": {"code": 401, "title": "Unauthorized", "message": "expired"}}, 401)
Read = Callable[..., Inventory]


@pytest.fixture
def cloud() -> Iterator[HandmadeCloud]:
    with HandmadeCloud() as cloud:
        yield cloud


@pytest.fixture
def waits() -> list[float]:
    """The seconds that were waited before new tries."""
    return []


@pytest.fixture
def read(cloud: HandmadeCloud, waits: list[float]) -> Read:
    def read(memory: Membership | None = None, **settings: Any) -> Inventory:
        return CloudReader(cloud.settings(**settings), sleep=waits.append).read(memory)

    return read


def test_the_hand_made_cloud_is_read_completely(read: Read) -> None:
    inventory = read()
    assert (set(inventory.stacks), set(inventory.servers), inventory.gaps) == ({STACK}, {SERVER}, ())
    assert inventory.contents[STACK].servers == (SERVER,)


@pytest.mark.parametrize("region", ["RegionTwo", ""], ids=["in another region", "without endpoints"])
def test_a_service_that_has_no_endpoint_here_is_absent(cloud: HandmadeCloud, read: Read, region: str) -> None:
    cloud.regions["volumev3"] = region
    inventory = read(region_name="RegionOne")
    assert [(gap.kind, gap.absent) for gap in inventory.gaps] == [(ResourceKind.VOLUME, True)]
    assert set(inventory.servers) == {SERVER}


def test_a_region_that_does_not_exist_is_named(read: Read) -> None:
    with pytest.raises(CloudError, match="no public endpoint of it in region Nowhere"):
        read(region_name="Nowhere")


@pytest.mark.parametrize(("chosen", "expected"), [(None, ["RegionOne", "RegionTwo"]), ("RegionOne", [])])
def test_several_regions_of_which_none_was_chosen_are_told(
    cloud: HandmadeCloud, chosen: str | None, expected: list[str]
) -> None:
    cloud.regions["volumev3"] = "RegionTwo"
    assert CloudReader(cloud.settings(region_name=chosen)).sessions.base.regions() == expected


def test_check_asks_for_a_region_where_there_are_several(cloud: HandmadeCloud) -> None:
    cloud.regions["volumev3"] = "RegionTwo"
    (finding,) = (item for item in check_cloud(Settings(openstack=cloud.settings())) if "regions" in item.text)
    assert (finding.status, finding.fix) == (Status.WARN, "set openstack.region_name")


def test_a_stack_that_goes_while_it_is_read_is_named(cloud: HandmadeCloud, read: Read) -> None:
    gone = {"code": 404, "title": "Not Found", "explanation": "The resource could not be found."}
    cloud.answers[f"GET {STACKS}/cluster/{STACK}"] = lambda *_: Answer(gone, 404)
    inventory = read()
    assert [(gap.kind, gap.reason) for gap in inventory.gaps] == [
        (ResourceKind.STACK, "stack cluster is gone since it was listed")
    ]


@pytest.mark.parametrize("status", [413, 429, 503])
def test_a_date_in_retry_after_is_waited_for(cloud: HandmadeCloud, read: Read, waits: list[float], status: int) -> None:
    date = formatdate(time.time() + 25, usegmt=True)
    cloud.answers[SERVERS] = first(1, Answer(SLOW_DOWN, status, {"Retry-After": date}))
    assert read().gaps == ()
    assert 1 < max(waits) <= 25


@pytest.mark.parametrize("header", ["", "soon", "-5", "1.5", "Thu, 01 Jan 1970 00:00:00 GMT"])
def test_a_retry_after_that_tells_nothing_changes_nothing(
    cloud: HandmadeCloud, read: Read, waits: list[float], header: str
) -> None:
    cloud.answers[SERVERS] = first(1, Answer(SLOW_DOWN, 429, {"Retry-After": header}))
    assert read().gaps == ()
    assert [wait < 2 for wait in waits] == [True]


@pytest.mark.parametrize("status", [408, 413, 429, 503])
def test_a_keystone_under_load_is_asked_again(
    cloud: HandmadeCloud, read: Read, waits: list[float], status: int
) -> None:
    cloud.answers[TOKENS] = first(1, Answer({}, status, {"Retry-After": "7"}))
    assert set(read().servers) == {SERVER}
    assert waits == [7.0]


def test_a_token_that_is_refused_twice_is_renewed_in_every_thread(cloud: HandmadeCloud, read: Read) -> None:
    cloud.answers[SERVERS] = first(2, UNAUTHORISED)
    assert read(scope=ReadScope.PROJECT).gaps == ()


def test_a_token_that_another_thread_drops_when_it_is_made_is_made_again(cloud: HandmadeCloud) -> None:
    session = CloudReader(cloud.settings()).sessions.base
    plugin = session._connection.session.auth
    plugin._lock = Interrupted(plugin._lock, plugin.invalidate)
    assert session.access().project_id == PROJECT
    assert cloud.requests.count(TOKENS) == 2


@dataclass
class Interrupted:
    """A lock of which another thread makes use: right after the first release it does its work."""

    lock: AbstractContextManager[Any]
    work: Callable[[], object]
    times: int = 1

    def __enter__(self) -> None:
        self.lock.__enter__()

    def __exit__(self, *error: Any) -> None:
        self.lock.__exit__(*error)
        if self.times:
            self.times -= 1
            self.work()


def test_a_service_that_refuses_every_token_is_not_asked_for_ever(cloud: HandmadeCloud, read: Read) -> None:
    cloud.answers[SERVERS] = lambda *_: UNAUTHORISED
    inventory = read()
    assert {gap.kind for gap in inventory.gaps} == {ResourceKind.SERVER}
    assert len([request for request in cloud.requests if request.startswith(SERVERS)]) <= 8


def test_a_nested_stack_that_holds_nothing_does_not_make_the_tree_incomplete(cloud: HandmadeCloud, read: Read) -> None:
    cloud.resources.append(cloud.resource("OS::Heat::AutoScalingGroup", "9e57ed00", nested="cluster-group"))
    cloud.nested["cluster-group/9e57ed00"] = []
    inventory = read()
    assert inventory.contents[STACK].whole
    cloud.requests.clear()
    assert read(remember(inventory, Membership())).contents[STACK].servers == (SERVER,)
    assert not [request for request in cloud.requests if "/resources" in request]


@pytest.mark.parametrize("kind", ["AWS::EC2::Instance", "OS::Heat::ScaledResource"])
def test_servers_go_by_other_types_too(cloud: HandmadeCloud, read: Read, kind: str) -> None:
    cloud.resources[:] = [cloud.resource(kind, SERVER)]
    assert read().contents[STACK].servers == (SERVER,)


def test_a_template_in_the_place_of_a_server_is_no_server(cloud: HandmadeCloud, read: Read) -> None:
    cloud.resources.append(cloud.resource("OS::Nova::Server", "9e57ed00", nested="cluster-wrapped"))
    cloud.nested["cluster-wrapped/9e57ed00"] = []
    assert read().contents[STACK].servers == (SERVER,)


@pytest.mark.parametrize("physical_id", ["", None])
def test_a_resource_that_does_not_exist_yet_is_left_out(
    cloud: HandmadeCloud, read: Read, physical_id: str | None
) -> None:
    cloud.resources.append({"resource_type": "OS::Nova::Server", "physical_resource_id": physical_id, "links": None})
    assert read().contents[STACK].servers == (SERVER,)


@pytest.mark.parametrize("name", ["a%2Fb", "a%3Fb%23c", "%C3%BC%E6%A0%88", "per%25cent"])
def test_a_stack_may_have_any_name(cloud: HandmadeCloud, read: Read, name: str) -> None:
    cloud.stack_name = name
    inventory = read()
    assert inventory.gaps == ()
    assert inventory.contents[STACK].servers == (SERVER,)


@pytest.mark.parametrize(("status", "way"), [(200, "cloud-wide"), (403, "per project")])
def test_a_cloud_without_volumes_is_whole_to_those_who_may_ask_for_cinders_services(
    cloud: HandmadeCloud, status: int, way: str
) -> None:
    cloud.answers[f"GET /volume/v3/{PROJECT}/os-services"] = lambda *_: Answer({"services": []}, status)
    reader = CloudReader(cloud.settings())
    reader.read()
    assert reader.read_scopes["Cinder"] == way


ODD_SERVERS: dict[str, dict[str, object]] = {
    "addresses": {"addresses": {"net": [None]}},
    "volumes": {"os-extended-volumes:volumes_attached": [{}]},
    "id": {"id": ["no text"]},
}


@pytest.mark.parametrize("odd", ODD_SERVERS)
def test_a_record_of_another_shape_makes_its_listing_incomplete_and_stops_nothing_else(
    cloud: HandmadeCloud, read: Read, odd: str
) -> None:
    cloud.answers[SERVERS] = lambda *_: Answer({"servers": [{**cloud.servers[0], **ODD_SERVERS[odd]}]})
    inventory = read()
    assert [(gap.kind, gap.reason) for gap in inventory.gaps] == [
        (ResourceKind.SERVER, "a response in an unexpected format")
    ]
    assert set(inventory.stacks) == {STACK}


def test_a_resource_of_another_shape_concerns_its_stack_only(cloud: HandmadeCloud, read: Read) -> None:
    cloud.resources.append({"links": [None]})
    inventory = read()
    assert [(gap.kind, gap.stack_id) for gap in inventory.gaps] == [(ResourceKind.RESOURCE, STACK)]
    assert set(inventory.servers) == {SERVER}


USER = "username: concertim, password: concertim, user_domain_name: Default, "


@pytest.fixture
def in_clouds_yaml(cloud: HandmadeCloud, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[..., None]:
    """Writes the login of the cloud `mine`."""
    file = tmp_path / "clouds.yaml"
    monkeypatch.setattr("openstack.config.loader.CONFIG_FILES", [str(file)])

    def write(auth: str, more: str = "") -> None:
        file.write_text(f"clouds:\n  mine:\n    auth: {{auth_url: '{cloud.url}/identity', {auth}}}\n    {more}\n")

    return write


def test_the_interface_that_clouds_yaml_names_is_used(
    cloud: HandmadeCloud, read: Read, in_clouds_yaml: Callable[..., None]
) -> None:
    cloud.unreachable = frozenset({"public"})
    in_clouds_yaml(f"{USER} project_id: {PROJECT}", more="interface: internal")
    assert set(read(auth={}, cloud="mine").servers) == {SERVER}


def test_a_system_scope_in_clouds_yaml_is_left_for_a_projects(
    cloud: HandmadeCloud, read: Read, in_clouds_yaml: Callable[..., None]
) -> None:
    in_clouds_yaml(f"{USER} system_scope: all")
    assert set(read(auth={}, cloud="mine").servers) == {SERVER}
    assert [login["scope"] for login in cloud.logins] == [{"system": {"all": True}}, {"project": {"id": PROJECT}}]


def test_an_application_credential_in_clouds_yaml_does_not_ask_for_other_projects(
    cloud: HandmadeCloud, read: Read, in_clouds_yaml: Callable[..., None]
) -> None:
    projects = [{"id": PROJECT, "name": "team"}, {"id": "b" * 32, "name": "other"}]
    cloud.answers["GET /identity/v3/auth/projects"] = lambda *_: Answer({"projects": projects})
    credential = "application_credential_id: x, application_credential_secret: y"
    in_clouds_yaml(credential, more="auth_type: v3applicationcredential")
    inventory = read(auth={}, cloud="mine")
    assert (set(inventory.projects), len(cloud.logins)) == ({PROJECT}, 1)
    assert [gap.kind for gap in inventory.gaps] == [ResourceKind.PROJECT]
