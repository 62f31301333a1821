"""Cinder's volumes and Neutron's networks: visibility, pages, filters."""

from __future__ import annotations

from openstack_asking import Asker

from cos_update.fakes.openstack import CloudState
from cos_update.fakes.openstack.records import Project

NETWORK = "/network/v2.0"


def volumes(project: Project, rest: str = "/detail") -> str:
    return f"/volume/v3/{project.id}/volumes{rest}"


def test_all_tenants_is_passed_over_in_silence_for_a_watcher(asker: Asker, state: CloudState, team: Project) -> None:
    state.create_volume(team, "mine")
    state.create_volume(state.create_project("unwatched"), "hidden")
    mine = asker.as_watcher(team, volumes(team, "/detail?all_tenants=1")).json()["volumes"]
    every = asker.as_admin(volumes(state.admin_project, "/detail?all_tenants=1")).json()["volumes"]
    assert [volume["name"] for volume in mine] == ["mine"]
    assert [volume["name"] for volume in every] == ["hidden", "mine"]
    assert asker.as_admin(volumes(state.admin_project)).json() == {"volumes": []}


def test_a_volume_path_of_another_project_is_malformed(asker: Asker, state: CloudState, team: Project) -> None:
    assert asker.as_admin(volumes(team)).json()["badRequest"]["message"] == "Malformed request url"
    assert asker.as_admin("/volume/v3/volumes/detail?all_tenants=1").ok


def test_volume_pages_follow_their_links(asker: Asker, state: CloudState, team: Project) -> None:
    state.page_size["cinder"] = 2
    for number in range(3):
        state.create_volume(team, f"v{number}")
    page = asker.as_watcher(team, volumes(team)).json()
    rest = asker.get(page["volumes_links"][0]["href"], asker.token(state.watcher, team)).json()
    assert [volume["name"] for volume in page["volumes"] + rest["volumes"]] == ["v2", "v1", "v0"]
    assert "volumes_links" not in rest


def test_a_volume_shows_the_servers_it_is_on_until_they_are_gone(
    asker: Asker, state: CloudState, team: Project
) -> None:
    server, volume = state.add_server(team, "s"), state.create_volume(team, None)
    state.attach(volume, server)
    path = volumes(team, f"/{volume.id}")
    shown = asker.as_watcher(team, path).json()["volume"]
    assert (shown["status"], shown["name"], shown["attachments"][0]["server_id"]) == ("in-use", None, server.id)
    state.delete_server(server)
    shown = asker.as_watcher(team, path).json()["volume"]
    assert (shown["status"], shown["attachments"]) == ("available", [])
    state.delete_volume(volume)
    assert asker.as_watcher(team, path).status_code == 404


def test_a_watcher_sees_own_shared_and_external_networks_without_provider_fields(
    asker: Asker, state: CloudState, team: Project
) -> None:
    state.create_network(team, "mine")
    hidden = state.create_network(state.create_project("unwatched"), "hidden")
    seen = asker.as_watcher(team, f"{NETWORK}/networks").json()["networks"]
    every = asker.as_admin(f"{NETWORK}/networks").json()["networks"]
    assert {network["name"] for network in seen} == {"mine", "public", "shared"}
    assert {network["name"] for network in every} == {"mine", "public", "shared", "hidden"}
    assert all("provider:network_type" not in network for network in seen)
    assert all("provider:network_type" in network for network in every)
    assert asker.as_watcher(team, f"{NETWORK}/networks/{hidden.id}").status_code == 404
    subnets = asker.as_watcher(team, f"{NETWORK}/subnets").json()["subnets"]
    assert {subnet["name"] for subnet in subnets} == {"mine-subnet", "shared-subnet"}


def test_networks_come_whole_unless_a_limit_is_asked(asker: Asker, state: CloudState, team: Project) -> None:
    for number in range(3):
        state.create_network(team, f"n{number}")
    assert asker.as_admin(f"{NETWORK}/networks").json().keys() == {"networks"}
    found, url = [], f"{NETWORK}/networks?limit=2"
    while url:
        page = asker.as_admin(url).json()
        found += [network["id"] for network in page["networks"]]
        url = next((link["href"] for link in page["networks_links"] if link["rel"] == "next"), "")
    assert found == sorted(state.networks)


def test_ports_are_found_by_their_server(asker: Asker, state: CloudState, team: Project) -> None:
    server = state.add_server(team, "s", networks=[state.shared, state.create_network(team, "n")])
    state.add_server(team, "other")
    ports = asker.as_admin(f"{NETWORK}/ports?device_id={server.id}&fields=network_id").json()["ports"]
    assert {port["network_id"] for port in ports} == {port.network_id for port in state.ports_of[server.id]}
    state.delete_server(server)
    assert asker.as_admin(f"{NETWORK}/ports?device_id={server.id}").json() == {"ports": []}


def test_a_floating_ip_outlives_its_server(asker: Asker, state: CloudState, team: Project) -> None:
    server = state.add_server(team, "s")
    floating = state.add_floating_ip(server)
    path = f"{NETWORK}/floatingips/{floating.id}"
    assert asker.as_watcher(team, path).json()["floatingip"]["port_details"]["device_id"] == server.id
    state.delete_server(server)
    assert asker.as_watcher(team, path).json()["floatingip"]["port_id"] is None


def test_a_network_that_is_down_or_gone_says_so(asker: Asker, state: CloudState, team: Project) -> None:
    network = state.create_network(team, "n")
    state.set_network_status(network, "DOWN")
    shown = asker.as_watcher(team, f"{NETWORK}/networks/{network.id}").json()["network"]
    assert (shown["status"], shown["admin_state_up"]) == ("DOWN", False)
    state.delete_network(network)
    assert asker.as_watcher(team, f"{NETWORK}/networks/{network.id}").status_code == 404
