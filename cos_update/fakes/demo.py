"""The cloud of `cos-update demo`: small, with one of every surprise that a real cloud has."""

from __future__ import annotations

from cos_update.fakes.openstack.records import Flavor, Network, Project, Stack
from cos_update.fakes.openstack.state import CloudState

STATES = (
    ("active", None),
    ("stopped", None),
    ("suspended", None),
    ("paused", None),
    ("building", "spawning"),
    ("error", None),
    ("shelved", None),
    ("shelved_offloaded", None),
    ("rescued", None),
    ("resized", None),
    ("soft-delete", None),
    ("active", "rebooting"),
    ("active", "image_snapshot"),
)
"""vm_state and task_state of the servers of the stack `every-state`."""

VOLUME_STATUSES = ("available", "creating", "error", "extending", "error_deleting", "maintenance")

AWKWARD_NAMES = (
    "head_node",
    "head node",
    "head.node",
    "naïve-größe",
    "計算ノード",
    "🚀🔥",
    "-leading-and-trailing-",
    "n" * 250,
)
"""Names of servers that Concertim does not accept as they are; the first three differ only in illegal characters."""

OUTPUTS: dict[str, object] = {
    "web_access": "https://203.0.113.10:8443/session?token=a=b&user=demo",
    "login_command": "ssh -i key.pem -o ProxyCommand='none' demo@203.0.113.10",
    "node_ips": ["10.50.0.2", "10.50.0.3"],
    "sizes": {"nodes": 3, "cores": {"login": 1, "compute": 6}},
    "not_yet": None,
    "count": 3,
    "empty": "",
}


def demo_cloud(seed: int = 0, *, admin: bool = True) -> CloudState:
    """Two watched projects and one that is not, 8 stacks, 40 servers in stacks.

    The user `concertim` (password `concertim`) watches two projects and, if `admin`, is admin in the project `admin`.
    """
    state = CloudState(seed, admin=admin)
    flavors = _flavors(state)
    team_a = state.create_project("CM_team_a", watched=True, description="Concertim Managed Project")
    team_b = state.create_project("CM_team_b", watched=True, description="Concertim Managed Project")
    unwatched = state.create_project("unwatched", description="A project that concertim does not watch")
    flavors["private"] = state.create_flavor("gpu.private", 16, 131072, 400, access=[team_a])
    _cluster(state, team_a, flavors, "alpha")
    _cluster(state, team_b, flavors, "beta")
    _every_state(state, team_a, flavors)
    _awkward_names(state, team_b, flavors)
    _group_in_group(state, team_b, flavors)
    _failed(state, team_a, flavors)
    _in_progress(state, team_b, flavors)
    hidden = state.create_stack(unwatched, "hidden")
    state.add_server(hidden, "hidden-1", flavors["small"])
    state.add_server(team_a, "loose", flavors["small"])
    state.create_volume(team_a, "loose-volume", 5)
    _retire(state, flavors["retired"])
    return state


def _flavors(state: CloudState) -> dict[str, Flavor]:
    return {
        "tiny": state.create_flavor("m1.tiny", 1, 512, 1),
        "small": state.create_flavor("m1.small", 2, 2048, 20, description="For everyday work"),
        "medium": state.create_flavor("m1.medium", 4, 8192, 40),
        "large": state.create_flavor("m1.large", 8, 16384, 160, extra_specs={"hw_rng:allowed": "True"}),
        "diskless": state.create_flavor("m1.diskless", 2, 4096, 0),
        "retired": state.create_flavor("m0.retired", 3, 3072, 30),
    }


def _retire(state: CloudState, flavor: Flavor) -> None:
    """Servers use it, but it is gone."""
    state.delete_flavor(flavor)


def _cluster(state: CloudState, project: Project, flavors: dict[str, Flavor], name: str) -> None:
    stack = state.create_stack(
        project,
        "cluster-1",
        description="A login node and a group of compute nodes, with a network and a volume of their own",
        tags=["concertim", "demo"],
        parameters={"clustername": name, "node_count": "3"},
        outputs=OUTPUTS,
    )
    network = state.create_network(stack, f"{name}-net")
    stack.resources["net"].required_by = ["login", "nodes"]
    login = state.add_server(stack, f"{name}-login", flavors["tiny"], networks=[network], resource="login")
    state.add_floating_ip(login)
    home = state.create_volume(stack, f"{name}-home", 100, resource="home")
    state.attach(home, login)
    state.add_resource(stack, "home_attach", "OS::Cinder::VolumeAttachment", home.id)
    nodes = state.add_nested(stack, "nodes")
    for number, flavor in enumerate(("small", "medium", "large")):
        node = state.add_server(
            nodes, f"{name}-node{number}", flavors[flavor], networks=[network], resource=str(number)
        )
        node.key_name = f"{name}-key"


def _every_state(state: CloudState, project: Project, flavors: dict[str, Flavor]) -> None:
    stack = state.create_stack(project, "every-state")
    sizes = ("tiny", "small", "diskless", "retired", "private")
    for number, (vm_state, task) in enumerate(STATES):
        name = "-".join(filter(None, ("state", vm_state, task)))
        flavor = flavors[sizes[number % len(sizes)]]
        state.add_server(stack, name, flavor, state=vm_state, task=task, resource=f"server{number}")
    for status in VOLUME_STATUSES:
        state.create_volume(stack, f"volume-{status}", 10, status=status, bootable=status == "available")
    unnamed = state.create_volume(stack, "", 1, encrypted=True, resource="unnamed")
    state.set_volume_status(unnamed, "available")
    down = _network(state, stack, "down-net")
    state.set_network_status(down, "DOWN")
    _network(state, stack, "bare-net", cidr=None)


def _network(state: CloudState, stack: Stack, name: str, cidr: str | None = "10.60.0.0/16") -> Network:
    return state.create_network(stack, name, cidr=cidr, resource=name)


def _awkward_names(state: CloudState, project: Project, flavors: dict[str, Flavor]) -> None:
    stack = state.create_stack(project, "Awkward_names.and-all")
    for number, name in enumerate(AWKWARD_NAMES):
        state.add_server(stack, name, flavors["tiny"], resource=f"server{number}")
    state.create_volume(stack, "data_1", 10, resource="data1")
    state.create_volume(stack, "data 1", 10, resource="data2")


def _group_in_group(state: CloudState, project: Project, flavors: dict[str, Flavor]) -> None:
    stack = state.create_stack(project, "groups")
    outer = state.add_nested(stack, "racks")
    for row in range(2):
        inner = state.add_nested(outer, str(row), "OS::Heat::AutoScalingGroup")
        for place in range(2):
            state.add_server(inner, f"row{row}-node{place}", flavors["medium"], resource=str(place))
    state.update_stack(stack)


def _failed(state: CloudState, project: Project, flavors: dict[str, Flavor]) -> None:
    reason = 'Resource CREATE failed: ResourceInError: resources.server: Went to status ERROR due to "No valid host"'
    stack = state.create_stack(project, "broken", status="CREATE_FAILED", reason=reason, outputs={"address": None})
    state.add_server(stack, "broken-1", flavors["large"], state="error", resource="server")
    state.add_resource(stack, "volume", "OS::Cinder::Volume", status="INIT_COMPLETE")


def _in_progress(state: CloudState, project: Project, flavors: dict[str, Flavor]) -> None:
    stack = state.create_stack(project, "growing", status="CREATE_IN_PROGRESS", outputs={"address": None})
    for number in range(3):
        state.add_server(stack, f"growing-{number}", flavors["small"], resource=str(number))
    state.add_server(stack, "growing-3", flavors["small"], state="building", task="scheduling", resource="3")
