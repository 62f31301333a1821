"""What has not changed is copied from the file that is there; what is loaded is the same in any case."""

from __future__ import annotations

import io
import pickle
import pickletools
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from cos_update.model.cloud_memory import CloudMemory
from cos_update.model.concertim import Actual, Device, InstanceDetails, Location, Owner, Rack, Template
from cos_update.model.kinds import ResourceKind
from cos_update.model.openstack import Network, Project, RememberedStack, Server, StackContent, Volume
from cos_update.store import Origin, View, ViewStore, cloud_memory, spliced
from cos_update.store.schema import to_plain

DEVICE = Device(
    "d1", "node0", ResourceKind.SERVER, "r1", "t1", "ACTIVE", Location(1, 2), InstanceDetails(private_ips="10.0.0.1"),
    metadata={"openstack_instance_id": "s1"}, cost="1.00",
)  # fmt: skip
CLOUD = CloudMemory(
    servers={"s1": Server("s1", "node0", "p1", "ACTIVE")},
    volumes={"v1": Volume("v1", "disk", "p1", "available")},
    networks={"n1": Network("n1", "net", "p1", "ACTIVE")},
    projects=frozenset({"p1"}),
    clocks={"Nova": 5.0},
    ports={"s1": 7},
)
VIEW = View(
    Actual(
        1.0,
        owners={"o1": Owner("o1", "team", "p1")},
        templates={"t1": Template("t1", "small", 1, "f1", 1, 2, 3)},
        racks={"r1": Rack("r1", "rack", "o1", 42, "ACTIVE", metadata={"openstack_stack_id": "k1"})},
        devices={"d1": DEVICE},
    ),
    projects={"p1": Project("p1", "team")},
    origins={"s1": Origin(ResourceKind.SERVER, "node0", "ACTIVE", "p1", "k1")},
    stacks={"k1": RememberedStack("CREATE_COMPLETE", None, StackContent(("s1",), (), (), (), whole=True))},
    unowned={"n1": False},
    cloud=CLOUD,
)

OF_A_PASS: dict[str, Callable[[View], View]] = {
    "times": lambda view: replace(view, cloud_read_at=9.0, passes_since_full=3, last_read="r1", gaps=("Nova: no",)),
    "clocks": lambda view: replace(view, cloud=replace(CLOUD, clocks={"Nova": 9.0}, passes=4, doubt="why")),
    "what is to be looked at": lambda view: replace(view, needs_reread=("d1",), recheck={"s1": ("server", "p1")}),
}
LASTING: dict[str, Callable[[View], View]] = {
    "a cost": lambda view: _with(view, devices={"d1": replace(DEVICE, cost="2.00")}),
    "what a device is known as": lambda view: _with(view, devices={"d1": replace(DEVICE, known_as="s1")}),
    "a rack's cost": lambda view: _with(view, racks={"r1": replace(VIEW.actual.racks["r1"], cost="3.00")}),
    "an owner": lambda view: _with(view, owners={}),
    "a template": lambda view: _with(view, templates={}),
    "a project": lambda view: replace(view, projects={}),
    "an origin": lambda view: replace(view, origins={}),
    "a stack": lambda view: replace(view, stacks={}),
    "an unowned object": lambda view: replace(view, unowned={"n1": True}),
    "what is not stored": lambda view: replace(view, dropped={"d1": {"name": ("a", "b")}}),
    "a former device": lambda view: replace(view, former={"s2": DEVICE}),
    "a server": lambda view: replace(view, cloud=replace(CLOUD, servers={})),
    "a volume": lambda view: replace(view, cloud=replace(CLOUD, volumes={})),
    "a network": lambda view: replace(view, cloud=replace(CLOUD, networks={})),
    "a port": lambda view: replace(view, cloud=replace(CLOUD, ports={})),
    "all that is known of the cloud": lambda view: replace(view, cloud=None),
}


def _with(view: View, **records: Any) -> View:
    return replace(view, actual=replace(view.actual, **records))


@pytest.fixture
def store(tmp_path: Path) -> ViewStore:
    return ViewStore(tmp_path, "bulk", keeps=True)


def on_disk(store: ViewStore) -> dict[str, Any]:
    """What is on disk, without the key that only the writer minds."""
    content = store.path.read_bytes()
    pickletools.dis(content, out=io.StringIO())
    assert pickle._loads(content) == pickle.loads(content), "Python's own reader minds the frames"  # type: ignore[attr-defined]
    plain: dict[str, Any] = pickle.loads(content)
    plain.pop(spliced.LENGTH, None)
    return plain


def copies(monkeypatch: pytest.MonkeyPatch) -> list[Path]:
    """The files that are copied from now on."""
    copied: list[Path] = []
    copy = spliced._copy
    monkeypatch.setattr(spliced, "_copy", lambda path, *rest: (copied.append(path), copy(path, *rest)))
    return copied


@pytest.mark.parametrize("change", [*OF_A_PASS, *LASTING])
def test_what_is_loaded_is_what_was_saved(store: ViewStore, change: str) -> None:
    changed = (OF_A_PASS | LASTING)[change](VIEW)
    for view in (VIEW, VIEW, changed, changed, VIEW):
        saved = store.save(view)
        assert on_disk(store) == to_plain(saved)
        assert to_plain(ViewStore(store.data_dir, "status").peek() or VIEW)["devices"] == to_plain(saved)["devices"]


@pytest.mark.parametrize("change", [*OF_A_PASS, *LASTING])
def test_only_what_has_not_changed_is_copied(store: ViewStore, monkeypatch: pytest.MonkeyPatch, change: str) -> None:
    store.save(VIEW)
    copied = copies(monkeypatch)
    store.save((OF_A_PASS | LASTING)[change](VIEW))
    assert len(copied) == (change in OF_A_PASS)


@pytest.mark.parametrize("change", [*OF_A_PASS, *LASTING])
def test_what_another_process_has_loaded_is_copied_too(
    store: ViewStore, monkeypatch: pytest.MonkeyPatch, change: str
) -> None:
    store.save(VIEW)
    copied = copies(monkeypatch)
    once = ViewStore(store.data_dir, "bulk")
    loaded = once.load()
    assert loaded is not None
    saved = once.save((OF_A_PASS | LASTING)[change](replace(loaded, cloud=cloud_memory(loaded))))
    assert on_disk(once) == to_plain(saved)
    assert len(copied) == (change in OF_A_PASS)


@pytest.mark.parametrize("length", [None, -1, 7, 10**30, "x"])
def test_a_file_that_somebody_has_written_anew_is_not_copied(
    store: ViewStore, monkeypatch: pytest.MonkeyPatch, length: object
) -> None:
    store.save(VIEW)
    plain = pickle.loads(store.path.read_bytes())
    store.path.write_bytes(pickle.dumps(plain | ({} if length is None else {spliced.LENGTH: length}), protocol=4))
    copied = copies(monkeypatch)
    once = ViewStore(store.data_dir, "bulk")
    loaded = once.load()
    assert loaded is not None
    saved = once.save(replace(loaded, cloud=cloud_memory(loaded)))
    assert on_disk(once) == to_plain(saved)
    assert not copied


def test_what_another_process_has_written_is_not_copied(store: ViewStore, tmp_path: Path) -> None:
    store.save(VIEW)
    ViewStore(tmp_path, "listen").save(_with(VIEW, devices={}))
    saved = store.save(VIEW)
    assert on_disk(store) == to_plain(saved)


def test_a_request_that_came_meanwhile_stays(store: ViewStore, tmp_path: Path) -> None:
    store.save(VIEW)
    ViewStore(tmp_path, "listen").request_resync("lost messages")
    saved = store.save(VIEW)
    assert saved.resync is not None
    assert on_disk(store) == to_plain(saved)
