"""Clouds of hypothesis's making: hostile names, all states, every kind of object."""

from __future__ import annotations

from dataclasses import replace

from hypothesis import strategies as st

from cos_update.model.absence import AbsenceCheck, Presence
from cos_update.model.events import Key
from cos_update.model.openstack import (
    Address,
    Flavor,
    Inventory,
    Network,
    Output,
    Project,
    Server,
    Stack,
    StackContent,
    Volume,
)

PROJECTS = {"p-a": Project("p-a", "CM_a"), "p-b": Project("p-b", "CM_b")}
OWNERS = {"a": "p-a", "b": "p-b"}

names = st.one_of(
    st.sampled_from(["node", "node_1", "node-1", "node 1", "node.1", "x" * 300, "", "日本", "🙂", "é", "rack", "a\0b"]),
    st.text(max_size=12),
)
json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=True) | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    max_leaves=6,
)
flavors = st.builds(
    Flavor,
    id=st.sampled_from(["1", "m1.small", "f-3", "f-4"]),
    name=names,
    vcpus=st.integers(0, 9),
    ram=st.sampled_from([0, 512, 2**40]),
    disk=st.sampled_from([0, 20]),
    description=st.text(max_size=300),
)


def _ids(prefix: str, most: int) -> st.SearchStrategy[list[str]]:
    return st.lists(st.integers(0, most), unique=True, max_size=most).map(
        lambda numbers: [f"{prefix}{number:04x}-0000" for number in numbers]
    )


@st.composite
def inventories(draw: st.DrawFn, most_servers: int = 12) -> Inventory:
    """A complete reading of a small cloud, its ids drawn from a small pool so that readings overlap."""
    found = {flavor.id: flavor for flavor in draw(st.lists(flavors, max_size=3))}
    servers: dict[str, Server] = {}
    volumes: dict[str, Volume] = {}
    networks: dict[str, Network] = {}
    stacks: dict[str, Stack] = {}
    contents: dict[str, StackContent] = {}
    for number, stack_id in enumerate(draw(_ids("stack", 3))):
        project = draw(st.sampled_from(sorted(PROJECTS)))
        mine = [item for item in draw(_ids("srv", most_servers)) if item not in servers]
        for item in mine:
            servers[item] = draw(_servers(item, project, list(found)))
        disks = [item for item in draw(_ids("vol", 3)) if item not in volumes]
        for item in disks:
            volumes[item] = draw(_volumes(item, project))
        nets = [item for item in draw(_ids("net", 2)) if item not in networks]
        for item in nets:
            networks[item] = draw(_networks(item, project))
        stacks[stack_id] = draw(_stacks(stack_id, project, number))
        outputs = draw(st.lists(st.builds(Output, key=st.text(max_size=6), value=json_values), max_size=3))
        outputs.append(Output("concertim_cluster_type", "slurm"))
        contents[stack_id] = StackContent(tuple(mine), tuple(disks), tuple(nets), tuple(outputs))
    return Inventory(0.0, PROJECTS, found, stacks, contents, servers, volumes, networks)


@st.composite
def _servers(draw: st.DrawFn, item: str, project: str, known: list[str]) -> Server:
    flavor_id = draw(st.sampled_from([*known, "gone"]))
    embedded = Flavor("", "deleted one", draw(st.integers(1, 5)), 512, 0) if flavor_id == "gone" else None
    return Server(
        id=item,
        project_id=project,
        name=draw(names),
        vm_state=draw(st.sampled_from(["active", "stopped", "error", "building", "paused", "rescued", "odd"])),
        task_state=draw(st.sampled_from([None, "rebooting", "image_snapshot"])),
        flavor_id=flavor_id,
        flavor=embedded,
        addresses=(Address("net, a", "10.0.0.1"), Address("net", "1.2.3.4", floating=True)),
        key_name=draw(st.none() | names),
        volume_ids=tuple(draw(_ids("vol", 2))),
        description=draw(names),
    )


def _volumes(item: str, project: str) -> st.SearchStrategy[Volume]:
    states = st.sampled_from(["in-use", "available", "error_deleting", "extending", "odd"])
    return st.builds(
        Volume,
        id=st.just(item),
        project_id=st.just(project),
        name=names,
        status=states,
        size=st.sampled_from([0, 1, 2**31]),
        bootable=st.none() | st.booleans(),
    )


def _networks(item: str, project: str) -> st.SearchStrategy[Network]:
    return st.builds(
        Network,
        id=st.just(item),
        project_id=st.just(project),
        name=names,
        status=st.sampled_from(["ACTIVE", "DOWN", "BUILD", "ERROR", "odd"]),
        mtu=st.none() | st.integers(0, 2**33),
        cidrs=st.just(("10.0.0.0/24",)),
    )


def _stacks(item: str, project: str, number: int) -> st.SearchStrategy[Stack]:
    return st.builds(
        Stack,
        id=st.just(item),
        project_id=st.just(project),
        name=names,
        status=st.sampled_from(["CREATE_COMPLETE", "UPDATE_FAILED", "SUSPEND_COMPLETE", "RESUME_IN_PROGRESS", "ODD"]),
        owner=names,
        status_reason=st.text(max_size=9),
        created=st.just(str(number)),
        tags=st.just(("order=A 17", "concertim")),
    )


def truth(inventory: Inventory, keys: tuple[Key, ...]) -> dict[Key, AbsenceCheck]:
    """What the services say of each key, when `inventory` is the whole truth."""
    there = {
        *inventory.servers,
        *inventory.stacks,
        *inventory.volumes,
        *inventory.networks,
        *inventory.flavors,
    }
    return {key: AbsenceCheck(Presence.EXISTS if key.id in there else Presence.GONE) for key in keys}


def settled(inventory: Inventory) -> Inventory:
    """The same cloud with every stack at rest, so that what left a stack may be removed."""
    stacks = {item: replace(stack, status="CREATE_COMPLETE") for item, stack in inventory.stacks.items()}
    return replace(inventory, stacks=stacks)
