"""Where our memory is while others load view.pickle, and how that is written: whole, and never an older one."""

from __future__ import annotations

import os
import pickle
import stat
import subprocess
import sys
import threading
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import BinaryIO

import pytest
from killing import a_pass
from neighbour_samples import sample
from neighbouring import read_by
from view_samples import device, journal_entry, view

from cos_update import neighbours
from cos_update.model.errors import LockedError
from cos_update.model.settings import ViewFor
from cos_update.neighbours import con_opstk, conser
from cos_update.neighbours.classes import importable
from cos_update.store import View, ViewStore, locks, publish

NONE, CON_OPSTK, CONSER = ViewFor.NONE, ViewFor.CON_OPSTK, ViewFor.CONSER
NOW = 1_795_399_544.0


@pytest.fixture
def store(tmp_path: Path) -> ViewStore:
    return ViewStore(tmp_path, "bulk", clock=lambda: NOW)


def names(folder: Path) -> list[str]:
    """The files of the data dir, without locks."""
    return sorted(path.name for path in folder.iterdir() if path.suffix != ".lock")


def written_by_a_service(folder: Path, form: ViewFor) -> bytes:
    """A view.pickle that is theirs."""
    with (folder / "view.pickle").open("wb") as file:
        neighbours.write(sample(form), file)
    return (folder / "view.pickle").read_bytes()


def actual(store: ViewStore) -> object:
    """What the memory knows of Concertim."""
    found = store.load()
    return found and found.actual


@pytest.mark.parametrize("wanted", [None, NONE])
def test_unless_somebody_else_loads_it_view_pickle_is_our_memory(
    store: ViewStore, tmp_path: Path, wanted: ViewFor | None
) -> None:
    assert a_pass(store, wanted) is NONE
    assert names(tmp_path) == ["view.pickle"]
    assert actual(store) == view().actual


@pytest.mark.parametrize("form", [CON_OPSTK, CONSER])
def test_our_memory_is_beside_it_when_others_load_it(store: ViewStore, tmp_path: Path, form: ViewFor) -> None:
    assert a_pass(store, form) is form
    assert names(tmp_path) == ["state.pickle", "view.pickle"]
    assert read_by(form, tmp_path / "view.pickle")["contract"] is True
    found = ViewStore(tmp_path, "view").peek()
    assert found is not None
    assert (found.actual, found.view_for) == (view().actual, form)
    modes = {name: stat.S_IMODE((tmp_path / name).stat().st_mode) for name in names(tmp_path)}
    assert modes == {"state.pickle": 0o640, "view.pickle": 0o644}, "nobody but us needs our memory"


def test_what_was_read_for_others_stays_in_our_memory(store: ViewStore) -> None:
    store.arrange(CONSER)
    store.save(sample(CONSER))
    store.take_in()
    found = store.load()
    assert found is not None
    assert found.actual.accounts == sample(CONSER).actual.accounts
    assert found.origins == sample(CONSER).origins
    assert (found.view_for, found.view_for_since) == (CONSER, 1.0)


def test_switching_to_and_fro_loses_nothing(store: ViewStore, tmp_path: Path) -> None:
    a_pass(store, NONE)
    request = store.request_resync("messages were lost")
    store.record(journal_entry(devices={"12": device("12", "web-2")}))
    for form in (CONSER, CON_OPSTK, NONE, CONSER, NONE):
        a_pass(store, form)
        found = store.load()
        assert found is not None
        assert found.actual.devices.keys() == {"11", "12"}
        assert found.resync == request == store.resync()
        if form is NONE:
            assert names(tmp_path) == ["view.journal", "view.pickle"]
        else:
            assert read_by(form, tmp_path / "view.pickle")["view"]["devices"].keys() == {"11", "12"}


def test_a_view_that_a_service_has_written_says_for_whom_it_is(store: ViewStore, tmp_path: Path) -> None:
    theirs = written_by_a_service(tmp_path, CONSER)
    assert store.load() is None
    store.request_resync("the listener was here first")
    assert (tmp_path / "view.pickle").read_bytes() == theirs
    assert a_pass(store, None) is CONSER
    assert a_pass(ViewStore(tmp_path, "bulk"), None) is CONSER
    assert store.resync() is not None
    assert names(tmp_path) == ["state.pickle", "view.pickle"]


def test_without_a_setting_it_stays_as_it_was_when_the_file_is_gone(store: ViewStore, tmp_path: Path) -> None:
    a_pass(store, CON_OPSTK)
    (tmp_path / "view.pickle").unlink()
    assert a_pass(store, None) is CON_OPSTK
    assert read_by(CON_OPSTK, tmp_path / "view.pickle")["contract"] is True


def test_a_view_that_is_theirs_is_set_aside_when_nobody_is_to_load_it(store: ViewStore, tmp_path: Path) -> None:
    theirs = written_by_a_service(tmp_path, CONSER)
    store.request_resync("the listener was here first")
    assert a_pass(store, NONE) is NONE
    bad = [name for name in names(tmp_path) if ".bad-" in name]
    assert (tmp_path / bad[0]).read_bytes() == theirs
    assert actual(store) == view().actual
    assert store.resync() is not None


@pytest.mark.parametrize("content", [b"garbage", b"\x80\x04cother\nView\n."])
def test_what_is_nobodys_is_set_aside_before_a_view_takes_its_place(
    store: ViewStore, tmp_path: Path, content: bytes
) -> None:
    (tmp_path / "view.pickle").write_bytes(content)
    a_pass(store, CONSER)
    bad = [name for name in names(tmp_path) if ".bad-" in name]
    assert (tmp_path / bad[0]).read_bytes() == content
    assert read_by(CONSER, tmp_path / "view.pickle")["contract"] is True


@pytest.mark.parametrize("wanted", [CONSER, NONE, None])
def test_a_newer_memory_of_a_release_that_knows_no_other_place_counts(
    store: ViewStore, tmp_path: Path, wanted: ViewFor | None
) -> None:
    a_pass(store, CONSER)
    newer = replace(view(), actual=replace(view().actual, devices={}))
    other = tmp_path / "other"
    other.mkdir()
    ViewStore(other, "bulk").save(newer)
    (other / "view.pickle").replace(tmp_path / "view.pickle")
    assert store.arrange(wanted) is (CONSER if wanted is None else wanted)
    assert actual(store) == newer.actual


def test_a_bad_memory_is_set_aside_and_the_view_of_others_stays(store: ViewStore, tmp_path: Path) -> None:
    a_pass(store, CONSER)
    (tmp_path / "state.pickle").write_bytes(b"garbage")
    assert store.load() is None
    assert next(name for name in names(tmp_path) if ".bad-" in name).startswith("state.pickle.bad-")
    assert read_by(CONSER, tmp_path / "view.pickle")["contract"] is True
    assert store.arrange(None) is CONSER


def test_whoever_only_looks_changes_nothing(store: ViewStore, tmp_path: Path) -> None:
    written_by_a_service(tmp_path, CONSER)
    assert store.peek() is None
    store.prepare()
    assert names(tmp_path) == ["view.pickle"]


def test_nothing_is_written_for_others_before_a_pass_has_read_what_they_need(store: ViewStore, tmp_path: Path) -> None:
    store.save(view())
    assert publish(store, neighbours.write) is None
    store.arrange(CONSER)
    assert publish(store, neighbours.write) is None
    assert names(tmp_path) == ["state.pickle"]


def test_what_others_have_posted_meanwhile_is_in_it(store: ViewStore, tmp_path: Path) -> None:
    store.arrange(CONSER)
    saved = store.save(replace(view(), view_for=CONSER))
    seq = ViewStore(tmp_path, "listen").record(journal_entry(devices={"12": device("12", "web-2")}))
    published = publish(store, neighbours.write, saved)
    assert published is not None
    assert published.seq == seq
    assert "12" in read_by(CONSER, tmp_path / "view.pickle")["view"]["devices"]


def test_an_older_state_never_replaces_a_newer_one_for_only_one_is_written_at_a_time(
    store: ViewStore, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    a_pass(store, CONSER)
    listen = ViewStore(tmp_path, "listen")
    monkeypatch.setattr(locks, "VIEW_WAIT", 0.0)

    def overtaken(known: View, file: BinaryIO) -> Mapping[str, str]:
        listen.record(journal_entry(devices={"12": device("12", "web-2")}))
        with pytest.raises(LockedError, match="another cos-update bulk"):
            publish(listen, neighbours.write)
        return neighbours.write(known, file)

    assert publish(store, overtaken) is not None
    assert publish(listen, neighbours.write) is not None
    assert "12" in read_by(CONSER, tmp_path / "view.pickle")["view"]["devices"]


def test_a_posting_does_not_wait_while_the_view_is_made(store: ViewStore, tmp_path: Path) -> None:
    a_pass(store, CONSER)

    def posting(known: View, file: BinaryIO) -> Mapping[str, str]:
        ViewStore(tmp_path, "listen").record(journal_entry())
        return neighbours.write(known, file)

    assert publish(store, posting) is not None


def test_a_view_that_is_made_while_it_is_switched_off_does_not_replace_our_memory(
    store: ViewStore, tmp_path: Path
) -> None:
    a_pass(store, CONSER)

    def switched_off(known: View, file: BinaryIO) -> Mapping[str, str]:
        store.arrange(NONE)
        return neighbours.write(known, file)

    assert publish(store, switched_off) is None
    assert names(tmp_path) == ["view.pickle"]
    assert actual(store) == view().actual


def loads(form: ViewFor, path: Path) -> bool:
    """Whether their classes are all that it takes to load a view."""
    with importable((con_opstk if form is CON_OPSTK else conser).CLASSES.each()):
        return len(pickle.loads(path.read_bytes()).devices) == 1


@pytest.mark.parametrize(("before", "form"), [(NONE, CONSER), (CONSER, CON_OPSTK), (CONSER, NONE), (CONSER, CONSER)])
def test_a_kill_at_any_moment_loses_nothing(tmp_path: Path, before: ViewFor, form: ViewFor) -> None:
    command = [sys.executable, str(Path(__file__).with_name("killing.py")), str(tmp_path), before, form]
    subprocess.run(command, check=True, timeout=120, env={**os.environ, "PYTHONPATH": str(Path(__file__).parent)})
    folders = list(tmp_path.iterdir())
    assert len(folders) > 10, "it was killed at no moment"
    for folder in folders:
        store = ViewStore(folder, "bulk")
        assert actual(ViewStore(folder, "view")) == view().actual
        there = store.layout.form()
        assert there in (before, form) or (there is None and (before, form) == (NONE, CONSER))
        assert there in (NONE, None) or loads(there, folder / "view.pickle")
        a_pass(store, form)
        assert store.layout.form() is form
        assert form is NONE or loads(form, folder / "view.pickle")
        assert actual(store) == view().actual
        assert not list(folder.glob(".*.tmp"))


def test_readers_never_see_half_a_view(store: ViewStore, tmp_path: Path) -> None:
    a_pass(store, CONSER)
    done = threading.Event()

    def write() -> None:
        while not done.is_set():
            publish(store, neighbours.write)

    writer = threading.Thread(target=write)
    writer.start()
    try:
        for _ in range(5):
            assert read_by(CONSER, tmp_path / "view.pickle")["contract"] is True
    finally:
        done.set()
        writer.join()
    assert os.path.exists(tmp_path / "view.pickle")
