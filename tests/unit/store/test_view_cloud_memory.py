"""The cloud memory in the view: what is saved is loaded again, and only on demand."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest
from view_samples import device, view

from cos_update.model.cloud_memory import CloudMemory, Newest
from cos_update.model.kinds import ResourceKind
from cos_update.model.openstack import Address, Flavor, Network, Server, Volume
from cos_update.store import JournalEntry, Origin, ViewStore, cloud_memory, with_journal_entries

MEMORY = CloudMemory(
    servers={
        "s1": Server("s1", "p1", "node", "active", "resizing", "f1", Flavor("", "gone", 1, 512, 0)),
        "s2": Server(
            "s2", "p1", "日本語", "error", addresses=(Address("net", "10.0.0.1"), Address("net", "1.2.3.4", True)),
            volume_ids=("v1",),
        ),
    },
    volumes={"v1": Volume("v1", "p1", "", "in-use", 10, bootable=None, server_ids=("s2",))},
    networks={
        "n1": Network("n1", "p1", "net", "ACTIVE", cidrs=("10.0.0.0/24",)),
        "n2": Network("n2", "p1", "net", "DOWN", mtu=1450, cidrs=None),
    },
    projects=frozenset({"p1", "p2"}),
    source="cloud",
    read_scopes={"Nova": "cloud-wide"},
    clocks={"Nova": 1_700_000_000.25},
    newest={ResourceKind.SERVER: (Newest("2026-01-01T00:00:00Z", "s2"), Newest("2025-01-01T00:00:00Z", "s1"))},
    unfiltered=frozenset({"Neutron"}),
    listed={ResourceKind.SERVER: 2},
    ports={"s2": 4_000_000_000},
    passes=3,
    doubt="Cinder could not be read completely",
)  # fmt: skip


def test_what_is_known_of_the_cloud_is_loaded_as_it_was_saved(tmp_path: Path) -> None:
    ViewStore(tmp_path, "bulk").save(replace(view(), cloud=MEMORY, recheck={"s1": ("server", "p1")}))
    loaded = ViewStore(tmp_path, "listen").load()
    assert loaded is not None
    assert cloud_memory(loaded) == MEMORY
    assert loaded.recheck == {"s1": ("server", "p1")}


def test_who_does_not_look_at_it_saves_it_as_it_was(tmp_path: Path) -> None:
    store = ViewStore(tmp_path, "bulk")
    store.save(replace(view(), cloud=MEMORY))
    for _ in range(2):
        loaded = ViewStore(tmp_path, "listen").load()
        assert loaded is not None
        ViewStore(tmp_path, "listen").save(loaded)
    again = store.load()
    assert again is not None
    assert cloud_memory(again) == MEMORY


@pytest.mark.parametrize("by", ["listen", "bulk"])
def test_who_keeps_a_view_loads_it_only_after_others_have_written(tmp_path: Path, by: str) -> None:
    store = ViewStore(tmp_path, "bulk", keeps=True)
    store.save(replace(view(), cloud=MEMORY))
    kept = store.load()
    assert kept is not None
    assert kept.cloud is MEMORY
    other = ViewStore(tmp_path, by)
    changed = other.load()
    assert changed is not None
    other.save(replace(changed, reported=("news",)))
    loaded = store.load()
    assert loaded is not None
    assert loaded.reported == ("news",)
    assert loaded.cloud is not MEMORY


def test_what_others_have_posted_is_to_be_read_anew(tmp_path: Path) -> None:
    store = ViewStore(tmp_path, "bulk", keeps=True)
    before = replace(view(), cloud_read_at=100.0, recheck={})
    store.save(before)
    shown = device("77")
    origin = {"server-77": Origin(ResourceKind.SERVER, "s9", "active", "p1")}
    own = JournalEntry(0, "bulk", 0.0, 100.0, "stack", devices={"77": shown}, origins=origin)
    assert with_journal_entries(before, [own]).recheck == {}
    listener = ViewStore(tmp_path, "listen")
    listener.record(replace(own, cloud_read_at=90.0))
    loaded = store.load()
    assert loaded is not None
    assert loaded.recheck == {"server-77": ("server", "p1")}
    listener.record(replace(own, cloud_read_at=130.0, devices={"77": None}, origins={}))
    loaded = store.load()
    assert loaded is not None
    assert loaded.recheck == {"server-77": ("server", "p1")}
