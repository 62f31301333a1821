"""Uniform clouds of any size, for benchmarks."""

from __future__ import annotations

from cos_update.fakes.openstack.records import Flavor, Network, Project, Volume
from cos_update.fakes.openstack.state import CloudState

FLAVORS = (
    ("m1.small", 1, 2048, 20),
    ("m1.medium", 2, 4096, 40),
    ("m1.large", 4, 8192, 80),
    ("m1.xlarge", 8, 16384, 160),
)
STATES = ("active", "active", "active", "active", "active", "active", "active", "stopped", "suspended", "error")
SERVERS_PER_GROUP = 4
"""The maximum number of each stack's servers in a resource group, a nested stack."""


def sized_cloud(
    servers: int,
    per_stack: int = 10,
    projects: int = 5,
    volumes_per_stack: int = 1,
    networks_per_stack: int = 1,
    seed: int = 0,
) -> CloudState:
    """A cloud of watched projects whose stacks have this many servers in total; the last stack may be smaller.

    Each stack has a few of its servers in a nested stack, its first volume on its first server, and two outputs.
    """
    state = CloudState(seed)
    flavors = [state.create_flavor(*flavor) for flavor in FLAVORS]
    watched = [state.create_project(f"CM_team_{number:03}", watched=True) for number in range(projects)]
    for number, first in enumerate(range(0, servers, per_stack)):
        count = min(per_stack, servers - first)
        _add_stack(state, watched[number % projects], number, count, flavors, volumes_per_stack, networks_per_stack)
    return state


def _add_stack(
    state: CloudState, project: Project, number: int, servers: int, flavors: list[Flavor], volumes: int, networks: int
) -> None:
    stack = state.create_stack(
        project, f"cluster-{number:05}", tags=["concertim"], outputs={"web_access": f"http://10.0.0.{number % 250}/"}
    )
    nets: list[Network] = [state.create_network(stack, f"net-{number:05}-{place}") for place in range(networks)]
    disks: list[Volume] = [state.create_volume(stack, f"home-{number:05}-{place}") for place in range(volumes)]
    group = state.add_nested(stack, "nodes")
    for place in range(servers):
        server = state.add_server(
            group if place < min(SERVERS_PER_GROUP, servers // 2) else stack,
            f"node-{number:05}-{place:03}",
            flavors[(number + place) % len(flavors)],
            state=STATES[(number + place) % len(STATES)],
            networks=nets or None,
        )
        if place == 0 and disks and server.vm_state != "error":
            state.attach(disks[0], server)
