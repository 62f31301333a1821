"""What one process has posted, the others know before they post."""

from __future__ import annotations

import json
import logging
import os
import subprocess
import sys
import threading
from dataclasses import replace
from pathlib import Path

import pytest
from view_samples import device, journal_entry, rack, view

from cos_update.model.concertim import InstanceDetails
from cos_update.model.errors import ViewError
from cos_update.model.kinds import ResourceKind
from cos_update.store import Origin, View, ViewStore
from cos_update.store import journal as journal_module


class Clock:
    """A clock that tests put forward."""

    def __init__(self) -> None:
        self.now = 1_000_000.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def bulk(tmp_path: Path, clock: Clock) -> ViewStore:
    return ViewStore(tmp_path, "bulk", clock)


@pytest.fixture
def listen(tmp_path: Path, clock: Clock) -> ViewStore:
    return ViewStore(tmp_path, "listen", clock)


@pytest.fixture
def journal(tmp_path: Path) -> Path:
    return tmp_path / "view.journal"


def loaded(store: ViewStore) -> View:
    found = store.load()
    assert found is not None
    return found


def numbers(store: ViewStore, seq: int = 0) -> list[int]:
    return [found.seq for found in store.entries_since(seq)]


def status(store: ViewStore, key: str = "11") -> str:
    return loaded(store).actual.devices[key].status


def test_a_posting_is_known_to_the_other_at_once(bulk: ViewStore, listen: ViewStore) -> None:
    before = bulk.seq()
    recorded = journal_entry(
        racks={"1": rack(), "2": None},
        devices={"11": replace(device(), details=InstanceDetails(volume_details=[{"id": "v"}])), "12": None},
        templates=view().actual.templates,
        origins={"server-11": Origin(ResourceKind.SERVER, "n", "active", "p")},
        stacks=view().stacks,
    )
    seq = listen.record(recorded)
    assert bulk.entries_since(before) == [replace(recorded, seq=seq, at=1_000_000.0)]
    assert bulk.entries_since(seq) == []


def test_every_posting_is_by_the_process_that_made_it(bulk: ViewStore, listen: ViewStore) -> None:
    for by in ("", "listen"):
        bulk.record(journal_entry(by))
    assert {found.by for found in listen.entries_since(0)} == {"bulk"}


def test_a_posting_without_its_author_is_never_written(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="author"):
        journal_module.Journal(tmp_path).append(journal_entry(by=""), lambda: 0)


def test_loading_puts_postings_onto_the_view(bulk: ViewStore, listen: ViewStore) -> None:
    bulk.save(view())
    listen.record(journal_entry(devices={"11": device(status="STOPPED"), "12": device("12")}))
    listen.record(journal_entry(racks={"1": None}, templates={"3": None}))
    found = loaded(bulk).actual
    assert {key: item.status for key, item in found.devices.items()} == {"11": "STOPPED", "12": "ACTIVE"}
    assert (found.racks, found.templates) == ({}, {})
    assert loaded(bulk).journal_seq == bulk.seq() == 2


def test_saving_keeps_what_the_other_posted_meanwhile(bulk: ViewStore, listen: ViewStore) -> None:
    bulk.save(view())
    mine = loaded(bulk)
    for state in ("STOPPED", "ACTIVE", "SUSPENDED"):
        listen.record(journal_entry(devices={"11": device(status=state)}))
    bulk.save(mine)
    assert status(listen) == "SUSPENDED"


def test_saving_does_not_put_older_postings_over_what_was_read_later(bulk: ViewStore, listen: ViewStore) -> None:
    listen.record(journal_entry(devices={"11": device(status="STOPPED")}))
    bulk.save(replace(view(), journal_seq=bulk.seq()))
    assert status(bulk) == "ACTIVE"


def test_postings_stay_for_a_pass_under_way_in_the_other_process(bulk: ViewStore, listen: ViewStore) -> None:
    listen.record(journal_entry())
    pass_began = bulk.seq()
    listen.record(journal_entry())
    listen.save(view())
    assert numbers(bulk, pass_began) == [2]


def test_old_postings_go_once_the_view_has_them(
    bulk: ViewStore, listen: ViewStore, clock: Clock, journal: Path
) -> None:
    for _ in range(10):
        listen.record(journal_entry(devices={"11": device()}))
    clock.now += 3601
    bulk.save(view())
    assert journal.stat().st_size < 200
    assert numbers(listen) == []
    assert listen.record(journal_entry()) == 11
    assert numbers(bulk, 10) == [11]


@pytest.mark.parametrize("content", [None, b"", b"garbage\n", b'{"base":'])
def test_numbers_go_on_when_the_journal_is_lost(tmp_path: Path, journal: Path, content: bytes | None) -> None:
    ViewStore(tmp_path, "bulk").save(replace(view(), journal_seq=3))
    if content is not None:
        journal.write_bytes(content)
    fresh = ViewStore(tmp_path, "listen")
    assert fresh.record(journal_entry()) == 4
    assert numbers(ViewStore(tmp_path, "bulk")) == [4]


def test_numbers_go_on_when_journal_and_view_are_lost(listen: ViewStore, bulk: ViewStore, journal: Path) -> None:
    for _ in range(3):
        listen.record(journal_entry())
    assert bulk.seq() == 3
    journal.unlink()
    assert bulk.record(journal_entry()) == 4
    assert numbers(listen, 3) == [4]


def test_a_journal_cut_from_outside_is_read_anew(bulk: ViewStore, listen: ViewStore, journal: Path) -> None:
    for _ in range(3):
        listen.record(journal_entry())
    assert numbers(bulk) == [1, 2, 3]
    lines = journal.read_bytes().splitlines(keepends=True)
    journal.write_bytes(b"".join(lines[:2]))
    assert numbers(bulk) == [1]
    assert bulk.record(journal_entry()) == 4
    assert numbers(listen) == [1, 4]


def test_a_torn_last_line_is_left_out_and_cut_off(bulk: ViewStore, listen: ViewStore, journal: Path) -> None:
    listen.record(journal_entry())
    with journal.open("ab") as file:
        file.write(b'{"by":"listen","devi')
    assert numbers(bulk) == [1]
    assert listen.record(journal_entry()) == 2
    assert numbers(bulk) == [1, 2]
    assert all(json.loads(line) for line in journal.read_bytes().splitlines())


def test_a_line_that_makes_no_sense_is_logged_and_left_out(
    bulk: ViewStore, listen: ViewStore, journal: Path, caplog: pytest.LogCaptureFixture
) -> None:
    listen.record(journal_entry())
    with journal.open("ab") as file:
        file.write(b'{"by": 5}\n[]\n\xff\n' + b"[" * 100_000 + b"\n")
    listen.record(journal_entry())
    caplog.clear()
    with caplog.at_level(logging.WARNING, logger="cos_update.view"):
        assert numbers(bulk) == [1, 2]
    assert caplog.text.count("skipping an invalid line") == 4


def test_a_journal_that_grew_too_large_is_taken_into_the_view(
    bulk: ViewStore, listen: ViewStore, journal: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("cos_update.store.store.LIMIT", 20_000)
    monkeypatch.setattr(journal_module, "LIMIT", 20_000)
    bulk.save(view())
    for number in range(100, 300):
        listen.record(journal_entry(devices={str(number): device(str(number))}))
    assert journal.stat().st_size <= 21_000
    assert len(loaded(bulk).actual.devices) == 201


def test_a_full_disk_leaves_whole_lines(bulk: ViewStore, listen: ViewStore, monkeypatch: pytest.MonkeyPatch) -> None:
    listen.record(journal_entry())
    write = os.write
    monkeypatch.setattr(os, "write", lambda handle, data: write(handle, data[:50]))
    with pytest.raises(ViewError, match=r"view\.journal cannot be written: No space left"):
        listen.record(journal_entry())
    monkeypatch.undo()
    assert numbers(bulk) == [1]
    assert listen.record(journal_entry()) == 2


def test_threads_may_post_together(bulk: ViewStore, listen: ViewStore) -> None:
    def post(store: ViewStore) -> None:
        for _ in range(25):
            store.record(journal_entry())

    threads = [threading.Thread(target=post, args=[store]) for store in (bulk, listen, bulk, listen)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert numbers(bulk) == list(range(1, 101))


POST = """
import sys
from pathlib import Path
from view_samples import device, journal_entry, view
from cos_update.store import ViewStore
store = ViewStore(Path(sys.argv[1]), sys.argv[2])
for turn in range(40):
    store.record(journal_entry(sys.argv[2], devices={f"{sys.argv[2]}-{turn}": device()}))
    if turn % 10 == 0:
        store.save(store.load() or view())
"""


def test_processes_that_post_and_save_together_lose_nothing(bulk: ViewStore, tmp_path: Path) -> None:
    env = {**os.environ, "PYTHONPATH": str(Path(__file__).parent)}
    processes = [
        subprocess.Popen([sys.executable, "-c", POST, str(tmp_path), name], env=env) for name in ("bulk", "listen")
    ]
    assert [process.wait(60) for process in processes] == [0, 0]
    assert numbers(bulk) == list(range(1, 81))
    assert sorted(found.by for found in bulk.entries_since(0)) == ["bulk"] * 40 + ["listen"] * 40
    assert len(loaded(bulk).actual.devices) == 81


def test_what_is_known_already_is_not_read_again(bulk: ViewStore, listen: ViewStore) -> None:
    for _ in range(50):
        listen.record(journal_entry())
    known = bulk.entries_since(0)
    listen.record(journal_entry())
    again = bulk.entries_since(0)
    assert all(first is second for first, second in zip(known, again, strict=False))
    assert len(again) == 51
