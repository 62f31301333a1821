"""Whatever is wrong with the data dir or the view: a clear error, no code is run, and nothing is lost in Concertim."""

from __future__ import annotations

import os
import pickle
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from world import Pass, World, shown, wanted


class _Hostile:
    def __init__(self, marker: Path) -> None:
        self.marker = marker

    def __reduce__(self) -> tuple[Callable[[str], int], tuple[str]]:
        return os.system, (f"touch {self.marker}",)


BAD: dict[str, Callable[[bytes, Path], bytes]] = {
    "truncated": lambda whole, _: whole[: len(whole) // 2],
    "garbage": lambda *_: b"\x93garbage" * 99,
    "empty": lambda *_: b"",
    "of another schema": lambda *_: pickle.dumps({"schema": 99}),
    "of another shape": lambda *_: pickle.dumps(["schema", 1]),
    "hostile": lambda _, marker: pickle.dumps({"schema": 1, "racks": _Hostile(marker)}),
}


@pytest.mark.parametrize("kind", BAD)
def test_a_bad_view_is_set_aside_and_the_pass_is_right(
    world: World, one_pass: Pass, kind: str, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    one_pass()
    view = world.data_dir / "view.pickle"
    marker = tmp_path / "executed"
    view.write_bytes(BAD[kind](view.read_bytes(), marker))
    world.concertim.wire.reset()
    one_pass()
    assert not marker.exists()
    assert list(world.data_dir.glob("view.pickle.bad-*"))
    assert "view.pickle" in caplog.text
    assert world.writes() == []
    assert shown(world.actual()) == wanted(world.desired())


@pytest.fixture
def small_disk(world: World) -> Iterator[Path]:
    """The data dir on a disk of its own, of 64 KiB."""
    folder = str(world.data_dir)
    if subprocess.run(["mount", "-t", "tmpfs", "-o", "size=64k", "tmpfs", folder], check=False).returncode:
        pytest.skip("this machine does not let us mount")
    yield world.data_dir
    subprocess.run(["umount", "-l", folder], check=True)


def test_a_full_disk_is_reported_before_anything_is_posted(world: World, small_disk: Path) -> None:
    (small_disk / "filler").write_bytes(b"x" * 64 * 1024)
    done = world.run("bulk", "--once", expect=1)
    assert str(small_disk) in done.stderr
    assert "space" in done.stderr
    assert world.writes() == []


def test_a_read_only_data_dir_is_reported_before_anything_is_posted(world: World, small_disk: Path) -> None:
    subprocess.run(["mount", "-o", "remount,ro", str(small_disk)], check=True)
    done = world.run("bulk", "--once", expect=1)
    assert str(small_disk) in done.stderr
    assert world.writes() == []


def test_the_view_loads_without_this_package(world: World, one_pass: Pass) -> None:
    one_pass()
    script = "import pickle, sys; print(sorted(pickle.load(open(sys.argv[1], 'rb'))))"
    done = subprocess.run(
        ["/usr/bin/env", "python3", "-I", "-S", "-c", script, str(world.data_dir / "view.pickle")],
        capture_output=True,
        text=True,
        check=True,
    )
    assert "'devices'" in done.stdout
    assert "'schema'" in done.stdout
