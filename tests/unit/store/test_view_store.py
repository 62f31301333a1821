"""The view on disk: saved atomically, loaded without trust, set aside if it is bad."""

from __future__ import annotations

import contextlib
import logging
import os
import pickle
import signal
import stat
import subprocess
import sys
import tempfile
import threading
from collections.abc import Callable, Iterator
from dataclasses import replace
from datetime import datetime
from enum import StrEnum
from pathlib import Path

import pytest
from view_samples import device, large_view, rack, view

from cos_update.model.concertim import Actual
from cos_update.model.errors import LockedError, ViewError
from cos_update.store import BadView, View, ViewStore, to_plain

NOW = 1_795_399_544.0


@pytest.fixture
def store(tmp_path: Path) -> ViewStore:
    return ViewStore(tmp_path, "bulk", clock=lambda: NOW)


@contextlib.contextmanager
def mounted(options: str) -> Iterator[Path]:
    """A small file system of its own, mounted with these options."""
    with tempfile.TemporaryDirectory() as folder:
        command = ["mount", "-t", "tmpfs", "-o", options, "tmpfs", folder]
        if subprocess.run(command, capture_output=True, check=False).returncode:
            pytest.skip("file systems cannot be mounted here")
        try:
            yield Path(folder)
        finally:
            subprocess.run(["umount", folder], check=True)


def bad_files(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.glob("view.pickle.bad-*"))


def names(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir())


def test_there_is_none_at_first(store: ViewStore) -> None:
    assert store.load() is None


def test_it_comes_back(store: ViewStore) -> None:
    store.save(view())
    loaded = store.load()
    assert loaded is not None
    assert loaded.saved_by == f"bulk (pid {os.getpid()} on {os.uname().nodename})"
    assert replace(loaded, saved_by="") == replace(view(), saved_at=NOW)


@pytest.mark.parametrize(("umask", "mode"), [(0o022, 0o644), (0o027, 0o640), (0o077, 0o640)])
def test_its_group_may_read_it_and_others_as_the_umask_says(store: ViewStore, umask: int, mode: int) -> None:
    old = os.umask(umask)
    try:
        store.save(view())
    finally:
        os.umask(old)
    assert stat.S_IMODE(store.path.stat().st_mode) == mode


def test_enum_members_are_saved_as_plain_texts(store: ViewStore) -> None:
    class Status(StrEnum):
        ACTIVE = "ACTIVE"

    odd = replace(device(), status=Status.ACTIVE, metadata={"a": (Status.ACTIVE, [1.5])})
    store.save(View(Actual(began=1.0, devices={"11": odd})))
    loaded = store.load()
    assert loaded is not None
    assert type(loaded.actual.devices["11"].status) is str
    assert loaded.actual.devices["11"].metadata == {"a": ("ACTIVE", [1.5])}


def test_what_has_no_plain_form_is_refused_and_leaves_the_old_view(store: ViewStore, tmp_path: Path) -> None:
    store.save(view())
    before = store.path.read_bytes()
    odd = replace(rack(), metadata={"a": datetime.now})
    with pytest.raises(ViewError, match="has no plain form"):
        store.save(View(Actual(began=1.0, racks={"1": odd})))
    assert store.path.read_bytes() == before
    assert not list(tmp_path.glob("*.tmp"))


class Hostile:
    """What a hostile pickle does: runs a command when it is loaded."""

    def __init__(self, trace: Path) -> None:
        self.trace = trace

    def __reduce__(self) -> tuple[Callable[..., int], tuple[str]]:
        return os.system, (f"touch {self.trace}",)


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"garbage",
        pickle.dumps(to_plain(view()))[:-20],
        pickle.dumps(to_plain(view()) | {"schema": 99}),
        pickle.dumps([1, 2]),
        pickle.dumps({"schema": 1}),
        pickle.dumps(to_plain(view()) | {"racks": threading.Thread}),
        b"\x80\x04\x8d" + b"\xff" * 8,
        b"\x80\x04P123\n.",
        b"\x80\x04" + b"]" * 200_000 + b"a" * 199_999 + b".",
    ],
    ids=["empty", "garbage", "truncated", "schema", "list", "bare", "class", "huge", "persistent", "deep"],
)
def test_a_bad_file_is_set_aside_with_a_warning(
    store: ViewStore, tmp_path: Path, caplog: pytest.LogCaptureFixture, content: bytes
) -> None:
    store.path.write_bytes(content)
    with caplog.at_level(logging.WARNING, logger="cos_update.view"):
        assert store.load() is None
    assert bad_files(tmp_path) == ["view.pickle.bad-20261123T020544.000000Z"]
    assert f"{store.path} is not a valid view: " in caplog.text
    store.save(view())
    assert store.load() is not None


def test_a_hostile_file_runs_nothing(store: ViewStore, tmp_path: Path) -> None:
    trace = tmp_path / "trace"
    content = pickle.dumps(to_plain(view()) | {"racks": Hostile(trace)})
    store.path.write_bytes(content)
    assert store.load() is None
    assert not trace.exists()
    assert bad_files(tmp_path)
    pickle.loads(content)
    assert trace.exists(), "the file would have run code in a common loader"


def test_looking_only_sets_nothing_aside(store: ViewStore, tmp_path: Path) -> None:
    store.path.write_bytes(b"garbage")
    with pytest.raises(BadView, match="is not a valid view"):
        store.peek()
    assert names(tmp_path) == ["view.pickle"]


@pytest.mark.parametrize("make", [os.mkfifo, os.mkdir])
def test_what_is_no_file_is_set_aside_without_waiting(
    store: ViewStore, tmp_path: Path, make: Callable[[Path], None]
) -> None:
    make(store.path)
    assert store.load() is None
    assert bad_files(tmp_path)


def test_few_bad_files_are_kept(tmp_path: Path) -> None:
    times = iter(range(1000))
    store = ViewStore(tmp_path, "bulk", clock=lambda: float(next(times)))
    for _ in range(9):
        store.path.write_bytes(b"garbage")
        assert store.load() is None
    assert len(bad_files(tmp_path)) == 5


AS_NOBODY = """
import os, sys
from pathlib import Path
from cos_update.store import ViewStore
if os.geteuid() == 0:
    os.seteuid(65534)
print(ViewStore(Path(sys.argv[1]), "bulk").load())
"""


def test_a_file_that_we_may_not_read_is_set_aside() -> None:
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        folder.chmod(0o777)
        ViewStore(folder, "bulk").save(view())
        (folder / "view.pickle").chmod(0)
        (folder / "view.lock").chmod(0o666)
        command = [sys.executable, "-c", AS_NOBODY, name]
        done = subprocess.run(command, capture_output=True, text=True, check=True)
        assert done.stdout == "None\n"
        assert "view.pickle cannot be read: Permission denied" in done.stderr
        assert bad_files(folder)


def test_a_missing_data_dir_is_reported_with_what_to_do(tmp_path: Path) -> None:
    store = ViewStore(tmp_path / "none", "bulk")
    assert store.load() is None
    for work in (store.prepare, lambda: store.save(view()), lambda: store.request_resync("x")):
        with pytest.raises(ViewError, match=r"The data dir .*/none does not exist\.") as error:
            work()
        assert "mkdir -p" in error.value.hint


def test_a_read_only_data_dir_is_reported_with_what_to_do() -> None:
    with mounted("size=64k,ro") as folder:
        store = ViewStore(folder, "bulk")
        with pytest.raises(ViewError, match="cannot be written: Read-only file system") as error:
            store.prepare()
        assert "mount it writable" in error.value.hint


def test_a_full_disk_is_found_before_the_work_begins() -> None:
    with mounted("size=64k") as folder:
        store = ViewStore(folder, "bulk")
        store.prepare()
        with contextlib.suppress(OSError), (folder / "ballast").open("wb", buffering=0) as file:
            while file.write(bytes(4096)):
                pass
        with pytest.raises(ViewError, match="No space left on device") as error:
            store.prepare()
        assert error.value.hint.startswith("Make room on its disk")


def test_a_disk_that_fills_up_leaves_the_old_view() -> None:
    with mounted("size=64k") as folder:
        store = ViewStore(folder, "bulk")
        store.save(view())
        with pytest.raises(ViewError, match=r"view\.pickle cannot be written: No space left on device"):
            store.save(large_view(1000))
        loaded = store.load()
        assert loaded is not None
        assert loaded.actual == view().actual
        assert names(folder) == ["view.lock", "view.pickle"]


def test_preparing_leaves_nothing_and_removes_what_dead_processes_left(store: ViewStore, tmp_path: Path) -> None:
    (tmp_path / ".view.pickle.12345.tmp").write_bytes(b"half")
    store.prepare()
    assert names(tmp_path) == ["view.lock"]


KILLED_IN_SAVE = """
import os, sys
from pathlib import Path
from view_samples import large_view
from cos_update.store import ViewStore
def stuck(handle):
    print("half", flush=True)
    sys.stdin.read()
os.fsync = stuck
ViewStore(Path(sys.argv[1]), "bulk").save(large_view(500))
"""


def test_a_process_killed_in_the_middle_of_saving_leaves_the_old_view(store: ViewStore, tmp_path: Path) -> None:
    store.save(view())
    command = [sys.executable, "-c", KILLED_IN_SAVE, str(tmp_path)]
    env = {**os.environ, "PYTHONPATH": str(Path(__file__).parent)}
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, env=env) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == "half\n"
        process.send_signal(signal.SIGKILL)
    assert list(tmp_path.glob(".view.*.tmp"))
    loaded = store.load()
    assert loaded is not None
    assert loaded.actual == view().actual
    store.prepare()
    assert names(tmp_path) == ["view.lock", "view.pickle"]


def test_readers_never_see_half_a_view(store: ViewStore, tmp_path: Path) -> None:
    some = [large_view(200), large_view(2000)]
    store.save(some[0])
    reader = ViewStore(tmp_path, "metrics")

    def write() -> None:
        for turn in range(30):
            store.save(some[turn % 2])

    thread = threading.Thread(target=write)
    thread.start()
    seen = set()
    while thread.is_alive():
        found = reader.peek()
        assert found is not None
        seen.add(len(found.actual.devices))
    thread.join()
    assert seen <= {200, 2000}


def test_a_request_for_a_resync_before_any_view_makes_no_view(store: ViewStore, tmp_path: Path) -> None:
    request = ViewStore(tmp_path, "listen").request_resync("the listener started")
    assert store.resync() == request
    assert store.load() is None
    assert not bad_files(tmp_path)


def test_a_request_survives_a_save(store: ViewStore, tmp_path: Path) -> None:
    store.save(view())
    mine = store.load()
    request = ViewStore(tmp_path, "listen").request_resync("messages were lost")
    assert mine is not None
    store.save(mine)
    loaded = store.load()
    assert loaded is not None
    assert loaded.resync == store.resync() == request


def test_a_cleared_request_does_not_come_back_with_a_save(store: ViewStore) -> None:
    store.save(view())
    request = store.request_resync("why")
    asked = store.load()
    assert asked is not None
    store.clear_resync(request)
    store.save(asked)
    assert store.resync() is None


def test_a_request_is_cleared_only_by_who_knows_it(store: ViewStore, tmp_path: Path) -> None:
    other = ViewStore(tmp_path, "listen")
    first, second = other.request_resync("one"), other.request_resync("two")
    store.clear_resync(first)
    assert store.resync() == second
    store.clear_resync(second)
    assert store.resync() is None
    assert other.resync() is None


def test_an_unchanged_file_is_not_read_again_for_the_request(
    store: ViewStore, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    store.save(view())
    request = store.request_resync("why")
    reader = ViewStore(tmp_path, "bulk")
    assert reader.resync() == request
    monkeypatch.setattr(ViewStore, "_read_plain", lambda *_: pytest.fail("the file was read again"))
    assert reader.resync() == request


def test_a_request_replaces_a_bad_view(store: ViewStore, tmp_path: Path) -> None:
    store.path.write_bytes(b"garbage")
    assert store.resync() is None
    request = store.request_resync("why")
    assert store.resync() == request
    assert bad_files(tmp_path)


def test_only_one_process_of_a_name_runs_on_a_data_dir(store: ViewStore, tmp_path: Path) -> None:
    with (
        store.sole("bulk"),
        pytest.raises(LockedError, match=rf"another cos-update bulk \(pid {os.getpid()}\) holds"),
        ViewStore(tmp_path, "bulk").sole("bulk"),
    ):
        pass
