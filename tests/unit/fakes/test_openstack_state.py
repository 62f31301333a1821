"""The fake cloud's state: reproducible, fast, safe to change while it is read."""

from __future__ import annotations

import threading
from collections import Counter

from cos_update.fakes.clouds import sized_cloud
from cos_update.fakes.demo import demo_cloud
from cos_update.fakes.openstack import CloudState
from cos_update.fakes.openstack.nova_views import server_view


def test_the_same_seed_makes_the_same_cloud() -> None:
    first, again, other = demo_cloud(1), demo_cloud(1), demo_cloud(2)
    assert list(first.servers) == list(again.servers)
    assert [stack.created for stack in first.stacks.values()] == [stack.created for stack in again.stacks.values()]
    assert not first.servers.keys() & other.servers.keys()


def test_kept_json_is_made_anew_after_any_change() -> None:
    state = CloudState()
    project = state.create_project("team")
    server, volume = state.add_server(project, "before"), state.create_volume(project, "v")

    def text() -> str:
        return server.as_json("reader", lambda: server_view(state, server, "", 93, admin=True, alone=False))

    seen = text()
    assert text() is seen
    for change in (
        lambda: state.rename(server, "after"),
        lambda: state.set_server_state(server, "stopped"),
        lambda: state.resize(server, state.create_flavor("big", vcpus=8)),
        lambda: state.attach(volume, server),
        lambda: state.detach(volume, server),
        lambda: state.add_floating_ip(server),
        lambda: state.rename(state.shared, "commons"),
        lambda: state.remove_port(state.ports_of[server.id][0]),
    ):
        change()
        assert text() != seen
        seen = text()


def test_the_demo_has_the_cases_it_promises() -> None:
    state = demo_cloud()
    top = [stack for stack in state.stacks.values() if stack.parent_id is None]
    names = Counter(stack.name for stack in top)
    assert (len(state.servers), len(top), names["cluster-1"]) == (40, 8, 2)
    assert {server.vm_state for server in state.servers.values()} >= {
        "active", "stopped", "suspended", "paused", "building", "error", "shelved", "rescued", "resized", "soft-delete"
    }  # fmt: skip
    watched = {project.name for project in state.projects_of(state.watcher.id)}
    assert watched == {"admin", "CM_team_a", "CM_team_b"}
    watching_only = demo_cloud(admin=False)
    watched = {project.name for project in watching_only.projects_of(watching_only.watcher.id)}
    assert watched == {"CM_team_a", "CM_team_b"}
    gone = {server.flavor.id for server in state.servers.values()} - state.flavors.keys()
    assert len(gone) == 1
    nested = [stack for stack in state.stacks.values() if stack.parent_id is not None]
    assert any(state.stacks[stack.parent_id or ""].parent_id for stack in nested)


def test_a_sized_cloud_has_the_size_asked_for() -> None:
    state = sized_cloud(95, per_stack=10, projects=3, volumes_per_stack=2, networks_per_stack=1)
    top = [stack for stack in state.stacks.values() if stack.parent_id is None]
    assert (len(state.servers), len(top), len(state.volumes)) == (95, 10, 20)
    assert len({stack.project_id for stack in top}) == 3


def test_threads_may_change_the_cloud_together() -> None:
    state = CloudState()
    project = state.create_project("team")

    def build() -> None:
        for number in range(50):
            server = state.add_server(project, f"s{number}")
            volume = state.create_volume(project, "v")
            state.attach(volume, server)
            if number % 2:
                state.delete_server(server)

    threads = [threading.Thread(target=build) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert (len(state.servers), len(state.volumes), len(state.ports)) == (100, 200, 100)
    addresses = [port.address for port in state.ports.values()]
    assert len(set(addresses)) == len(addresses)
