"""Nova's listings: pages, microversions, visibility, cells that are down, deleted flavors."""

from __future__ import annotations

import pytest
from openstack_asking import Asker, nova_version

from cos_update.fakes.openstack import CloudState
from cos_update.fakes.openstack.records import Project

SERVERS = "/compute/v2.1/servers"
FLAVORS = "/compute/v2.1/flavors"


def names(asker: Asker, query: str = "all_tenants=1", **headers: str) -> list[str]:
    return [server["name"] for server in asker.as_admin(f"{SERVERS}/detail?{query}", **headers).json()["servers"]]


def test_pages_follow_the_next_link_newest_first(asker: Asker, state: CloudState, team: Project) -> None:
    for number in range(5):
        state.add_server(team, f"s{number}")
    pages, url = [], f"{SERVERS}/detail?all_tenants=1&limit=2"
    while url:
        page = asker.as_admin(url).json()
        pages.append([server["name"] for server in page["servers"]])
        url = next((link["href"] for link in page.get("servers_links", [])), "")
    assert pages == [["s4", "s3"], ["s2", "s1"], ["s0"]]


def test_a_page_holds_a_thousand_whatever_is_asked(asker: Asker, state: CloudState, team: Project) -> None:
    for number in range(1001):
        state.add_server(team, f"s{number}", networks=[])
    page = asker.as_admin(f"{SERVERS}/detail?all_tenants=1&limit=5000").json()
    assert len(page["servers"]) == 1000
    assert f"marker={page['servers'][-1]['id']}" in page["servers_links"][0]["href"]


def test_a_full_last_page_leads_to_an_empty_one(asker: Asker, state: CloudState, team: Project) -> None:
    state.add_server(team, "only")
    page = asker.as_admin(f"{SERVERS}/detail?all_tenants=1&limit=1").json()
    assert asker.as_admin(page["servers_links"][0]["href"]).json() == {"servers": []}


def test_a_marker_that_vanished_is_400(asker: Asker, state: CloudState, team: Project) -> None:
    server = state.add_server(team, "s")
    state.delete_server(server)
    answer = asker.as_admin(f"{SERVERS}/detail?all_tenants=1&marker={server.id}")
    assert answer.status_code == 400
    assert answer.json()["badRequest"]["message"] == f"marker [{server.id}] not found"


def test_an_admin_without_all_tenants_sees_an_empty_cloud(asker: Asker, state: CloudState, team: Project) -> None:
    state.add_server(team, "s")
    assert names(asker, "limit=10") == []
    assert names(asker, f"all_tenants=1&project_id={team.id}") == ["s"]
    assert names(asker, f"all_tenants=1&project_id={state.admin_project.id}") == []


def test_a_server_of_another_project_is_404_for_a_watcher(asker: Asker, state: CloudState, team: Project) -> None:
    hidden = state.add_server(state.create_project("unwatched"), "hidden")
    assert asker.as_watcher(team, f"{SERVERS}/{hidden.id}").status_code == 404
    assert asker.as_admin(f"{SERVERS}/{hidden.id}").ok


def test_a_soft_deleted_server_is_in_no_listing_but_still_there(asker: Asker, state: CloudState, team: Project) -> None:
    server = state.add_server(team, "s")
    state.set_server_state(server, "soft-delete")
    assert names(asker) == []
    assert asker.as_admin(f"{SERVERS}/{server.id}").json()["server"]["status"] == "SOFT_DELETED"


class TestACellThatIsDown:
    @pytest.fixture(autouse=True)
    def _down(self, state: CloudState, team: Project) -> None:
        state.add_server(team, "reachable")
        state.add_server(team, "lost").cell = "cell2"
        state.down_cells |= {"cell2"}

    def test_its_servers_are_left_out_in_silence(self, asker: Asker) -> None:
        assert names(asker) == ["reachable"]
        assert names(asker, "all_tenants=1&limit=10", **nova_version("2.93")) == ["reachable"]

    def test_from_2_69_a_plain_listing_says_that_it_does_not_know(self, asker: Asker) -> None:
        page = asker.as_admin(f"{SERVERS}/detail?all_tenants=1", **nova_version("2.69")).json()["servers"]
        assert [server["status"] for server in page if "name" not in server] == ["UNKNOWN"]

    def test_a_server_of_it_is_500_and_from_2_69_unknown(self, asker: Asker, state: CloudState) -> None:
        lost = next(server for server in state.servers.values() if server.name == "lost")
        assert asker.as_admin(f"{SERVERS}/{lost.id}").status_code == 500
        shown = asker.as_admin(f"{SERVERS}/{lost.id}", **nova_version("2.69")).json()["server"]
        assert (shown["status"], shown["flavor"]["original_name"]) == ("UNKNOWN", "m1.tiny")


def test_the_flavor_is_a_link_up_to_2_46_and_a_description_from_2_47(
    asker: Asker, state: CloudState, team: Project
) -> None:
    flavor = state.create_flavor("retired", 3, 3072, 30)
    server = state.add_server(team, "s", flavor)
    state.delete_flavor(flavor)
    old, new = (
        asker.as_admin(f"{SERVERS}/{server.id}", **nova_version(version)).json()["server"]["flavor"]
        for version in ("2.46", "2.47")
    )
    assert asker.as_admin(f"{FLAVORS}/{old['id']}").status_code == 404
    assert (new["original_name"], new["vcpus"], new["ram"], new["disk"]) == ("retired", 3, 3072, 30)
    assert "id" not in new


def test_private_flavors_are_for_their_projects_and_for_admins_who_ask(
    asker: Asker, state: CloudState, team: Project
) -> None:
    other = state.create_project("CM_other", watched=True)
    state.create_flavor("open")
    private = state.create_flavor("secret", access=[other])

    def listed(project: Project | None, query: str) -> set[str]:
        path = f"{FLAVORS}/detail?{query}"
        answer = asker.as_watcher(project, path) if project else asker.as_admin(path)
        return {flavor["name"] for flavor in answer.json()["flavors"]}

    assert listed(None, "is_public=None") == {"open", "secret"}
    assert listed(None, "limit=10") == {"open"}
    assert listed(None, "is_public=False") == {"secret"}
    assert listed(team, "is_public=None") == {"open"}
    assert listed(other, "is_public=None") == {"open", "secret"}
    assert asker.as_watcher(team, f"{FLAVORS}/{private.id}").status_code == 404


@pytest.mark.parametrize(
    ("vm_state", "task", "status"),
    [
        ("active", None, "ACTIVE"),
        ("active", "rebooting", "REBOOT"),
        ("stopped", None, "SHUTOFF"),
        ("building", "spawning", "BUILD"),
        ("resized", None, "VERIFY_RESIZE"),
        ("rescued", None, "RESCUE"),
        ("error", "rebuilding", "REBUILD"),
        ("shelved_offloaded", None, "SHELVED_OFFLOADED"),
    ],
)
def test_the_status_follows_from_the_states(
    asker: Asker, state: CloudState, team: Project, vm_state: str, task: str | None, status: str
) -> None:
    server = state.add_server(team, "s")
    state.set_server_state(server, vm_state, task)
    shown = asker.as_admin(f"{SERVERS}/{server.id}").json()["server"]
    assert (shown["status"], shown["OS-EXT-STS:vm_state"], shown["OS-EXT-STS:task_state"]) == (status, vm_state, task)


def test_a_fault_is_shown_by_id_only_and_its_details_to_admins_only(
    asker: Asker, state: CloudState, team: Project
) -> None:
    server = state.add_server(team, "s", state="error")
    assert "fault" not in asker.as_admin(f"{SERVERS}/detail?all_tenants=1").json()["servers"][0]
    assert "details" in asker.as_admin(f"{SERVERS}/{server.id}").json()["server"]["fault"]
    assert "details" not in asker.as_watcher(team, f"{SERVERS}/{server.id}").json()["server"]["fault"]


@pytest.mark.parametrize(
    ("version", "status"), [("2.1", 200), ("2.93", 200), ("latest", 200), ("2.94", 406), ("x", 400)]
)
def test_microversions_beyond_the_latest_are_406(asker: Asker, version: str, status: int) -> None:
    assert asker.as_admin(f"{SERVERS}/detail", **nova_version(version)).status_code == status


def test_a_query_parameter_that_is_not_understood_is_refused_and_recorded(asker: Asker) -> None:
    answer = asker.as_admin(f"{SERVERS}/detail?all_tenants=1&global_tenant=True")
    assert answer.status_code == 400
    (refused,) = asker.app.wire.refusals
    assert b"global_tenant" in refused.answer


def test_addresses_tell_fixed_from_floating(asker: Asker, state: CloudState, team: Project) -> None:
    network = state.create_network(team, "net", cidr="10.1.0.0/24")
    server = state.add_server(team, "s", networks=[network])
    floating = state.add_floating_ip(server)

    def addresses() -> dict[str, list[tuple[str, str]]]:
        shown = asker.as_admin(f"{SERVERS}/{server.id}").json()["server"]["addresses"]
        return {
            name: [(entry["addr"], entry["OS-EXT-IPS:type"]) for entry in entries] for name, entries in shown.items()
        }

    assert addresses() == {"net": [("10.1.0.2", "fixed"), (floating.address, "floating")]}
    state.delete_floating_ip(floating)
    state.rename(network, "renamed")
    assert addresses() == {"renamed": [("10.1.0.2", "fixed")]}


def test_attached_volumes_are_listed(asker: Asker, state: CloudState, team: Project) -> None:
    server, volume = state.add_server(team, "s"), state.create_volume(team, "v")
    state.attach(volume, server)
    (shown,) = asker.as_admin(f"{SERVERS}/detail?all_tenants=1").json()["servers"]
    assert shown["os-extended-volumes:volumes_attached"] == [{"id": volume.id}]
