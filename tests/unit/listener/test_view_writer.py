"""When the listener writes the view for other services: soon after its changes, at most once in five seconds."""

from __future__ import annotations

import threading
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from neighbour_samples import sample

from cos_update.listener.view_writer import ViewWriter
from cos_update.model.concertim import Owner, Rack
from cos_update.model.errors import ViewError
from cos_update.model.settings import Settings, ViewFor
from cos_update.store import JournalEntry, View, ViewStore
from cos_update.sync.publisher import Publisher
from cos_update.sync.services import Services


class Clock:
    """A clock that tests put forward."""

    now = 1000.0

    def __call__(self) -> float:
        return self.now


class Slow(Publisher):
    """Takes `seconds` of the clock for each writing, and does `meanwhile`; counts the writings."""

    def __init__(self, clock: Clock) -> None:
        super().__init__()
        self.clock = clock
        self.seconds = 0.0
        self.count = 0
        self.posted: list[Any] = []

    def publish(self, store: ViewStore, known: View | None = None, owners: Any = None) -> int | None:
        self.count += 1
        written = super().publish(store, known, owners or {})
        for entry in self.posted:
            store.record(entry)
        self.posted = []
        self.clock.now += self.seconds
        return written


class Scene:
    """A data dir written by a pass, and the listener's writer on it."""

    def __init__(self, folder: Path, form: ViewFor = ViewFor.CONSER) -> None:
        self.clock = Clock()
        self.publisher = Slow(self.clock)
        self.listen, self.bulk = ViewStore(folder, "listen"), ViewStore(folder, "bulk")
        self.bulk.arrange(form)
        self.bulk.save(replace(sample(ViewFor.CONSER), view_for=form))
        self.owners: dict[str, Owner] = {}
        services = Services(None, None, self.listen, Settings(), None, self.publisher)  # type: ignore[arg-type]
        self.writer = ViewWriter(services, lambda: self.owners, threading.Event(), self.clock)

    def posted(self) -> JournalEntry:
        device = replace(sample(ViewFor.CONSER).actual.devices["d1"], status="STOPPED")
        return JournalEntry(0, "", 0.0, 0.0, "s1", devices={"d1": device})

    def after(self, seconds: float) -> bool:
        """Whether a turn so much later writes."""
        self.clock.now += seconds
        return self.writer.turn()


@pytest.fixture
def scene(tmp_path: Path) -> Scene:
    scene = Scene(tmp_path)
    assert scene.writer.turn(), "what a predecessor has posted may not be in it"
    return scene


def test_what_it_posts_is_written_at_once_when_the_last_writing_is_long_ago(scene: Scene) -> None:
    assert not scene.after(60)
    scene.listen.record(scene.posted())
    assert scene.after(0)
    assert not scene.after(60)


def test_postings_in_a_row_are_written_once_in_five_seconds(scene: Scene) -> None:
    count = scene.publisher.count
    for _ in range(200):
        scene.listen.record(scene.posted())
        scene.after(0.1)
    assert scene.publisher.count - count == 4


def test_a_posting_during_a_writing_is_in_the_file_five_seconds_later(scene: Scene) -> None:
    scene.clock.now += 60
    scene.publisher.seconds = 1.0
    scene.publisher.posted = [scene.posted()]
    scene.listen.record(scene.posted())
    began = scene.clock.now
    assert scene.after(0)
    while not scene.after(0.1):
        pass
    assert scene.clock.now - began == pytest.approx(5.0, abs=0.11), "the end of the second writing"


def test_writing_never_becomes_the_only_thing_that_is_done(scene: Scene) -> None:
    scene.clock.now += 60
    scene.publisher.seconds = 20.0
    scene.listen.record(scene.posted())
    assert scene.after(0)
    scene.listen.record(scene.posted())
    assert not scene.after(19)
    assert scene.after(1)


def test_what_others_post_is_theirs_to_write(scene: Scene) -> None:
    scene.bulk.record(scene.posted())
    assert not scene.after(60)
    scene.listen.record(scene.posted())
    assert scene.after(0)


def test_at_the_end_it_does_not_wait(scene: Scene) -> None:
    scene.listen.record(scene.posted())
    assert not scene.writer.turn()
    assert scene.writer.turn(at_once=True)
    assert not scene.writer.turn(at_once=True)


def test_a_writing_that_hangs_does_not_keep_the_process(scene: Scene, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("cos_update.listener.view_writer.LAST_WAIT", 0.01)
    scene.listen.record(scene.posted())
    scene.writer._lock.acquire()
    assert not scene.writer.turn(at_once=True)


def test_what_could_not_be_written_is_tried_again(scene: Scene) -> None:
    (scene.bulk.data_dir / "publication.lock").unlink()
    (scene.bulk.data_dir / "publication.lock").mkdir()
    scene.listen.record(scene.posted())
    assert not scene.after(60)
    (scene.bulk.data_dir / "publication.lock").rmdir()
    assert not scene.after(1)
    assert scene.after(4)


def test_a_team_that_the_last_pass_did_not_know_is_in_it(scene: Scene) -> None:
    rack = Rack("r7", "new", "o7", 42, "ACTIVE")
    scene.owners = {"o7": Owner("o7", "new", "p7")}
    scene.listen.record(JournalEntry(0, "", 0.0, 0.0, "s7", racks={"r7": rack}))
    assert scene.after(60)
    assert b"r7" in scene.bulk.layout.view.read_bytes()


def test_unless_others_load_it_nothing_is_written(tmp_path: Path) -> None:
    scene = Scene(tmp_path, ViewFor.NONE)
    before = scene.bulk.layout.view.read_bytes()
    scene.listen.record(scene.posted())
    assert not scene.after(60)
    assert scene.publisher.count == 0
    assert scene.bulk.layout.view.read_bytes() == before


def test_a_data_dir_that_cannot_be_read_is_an_error_for_the_thread_to_tell(scene: Scene) -> None:
    journal = scene.bulk.data_dir / "view.journal"
    journal.unlink(missing_ok=True)
    journal.mkdir()
    with pytest.raises(ViewError):
        scene.after(60)


def test_what_cannot_be_read_is_logged_once_until_it_can(scene: Scene, caplog: pytest.LogCaptureFixture) -> None:
    journal = scene.bulk.data_dir / "view.journal"
    journal.mkdir()
    for _ in range(100):
        scene.clock.now += 60
        scene.writer.look()
    journal.rmdir()
    scene.writer.look()
    assert [record.levelname for record in caplog.records] == ["WARNING"] * 2
    assert "over after 100 times" in caplog.text
