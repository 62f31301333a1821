"""What the listener does besides messages: a task that fails keeps no other from being done, and is logged once."""

from __future__ import annotations

import threading
from pathlib import Path

import pytest

from cos_update.listener import housekeeping
from cos_update.listener.housekeeping import Housekeeper
from cos_update.model.errors import ViewError
from cos_update.model.settings import Settings
from cos_update.observability.observer import Observer
from cos_update.store import ViewStore
from cos_update.sync.services import Services


class Unreadable:
    """A cache whose view cannot be read."""

    def reload_if_changed(self) -> None:
        raise ViewError("view.pickle cannot be read.", "Check its permissions.")

    def written(self) -> None:
        pass


class Readable(Unreadable):
    def reload_if_changed(self) -> None:
        pass


def keeper(store: ViewStore, cache: Unreadable) -> Housekeeper:
    services = Services(None, None, store, Settings(), None)  # type: ignore[arg-type]
    return Housekeeper(services, cache, threading.Event(), Observer(), passes=False, mine=bool)  # type: ignore[arg-type]


@pytest.fixture
def store(tmp_path: Path) -> ViewStore:
    store = ViewStore(tmp_path, "listen")
    store.prepare()
    return store


def test_a_view_that_cannot_be_read_is_logged_once_and_keeps_no_resync_from_being_requested(
    store: ViewStore, caplog: pytest.LogCaptureFixture
) -> None:
    housekeeper = keeper(store, Unreadable())
    housekeeper.request_soon("messages may be lost")
    for _ in range(100):
        housekeeper.turn()
    assert store.resync() is not None
    assert [record.message for record in caplog.records if record.levelname == "WARNING"] == [
        "view.pickle cannot be read. Check its permissions."
    ]


@pytest.mark.parametrize("error", [ViewError("disk full"), ZeroDivisionError("a bug")])
def test_a_resync_is_requested_until_that_succeeds(
    store: ViewStore, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture, error: Exception
) -> None:
    def fail(_: str) -> None:
        raise error

    monkeypatch.setattr(housekeeping, "RETRY", 0.0)
    housekeeper = keeper(store, Readable())
    housekeeper.request_soon("messages may be lost")
    with monkeypatch.context() as broken:
        broken.setattr(ViewStore, "request_resync", lambda _, reason: fail(reason))
        for _ in range(3):
            housekeeper.turn()
            assert not housekeeper.is_idle()
    housekeeper.turn()
    assert housekeeper.is_idle()
    assert store.resync() is not None
    assert "resyncs that failed: over after 3 times" in caplog.text


def test_a_resync_that_failed_is_not_over_while_its_retry_is_not_due(
    store: ViewStore, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    def fail(_: ViewStore, reason: str) -> None:
        raise ViewError("disk full")

    monkeypatch.setattr(ViewStore, "request_resync", fail)
    housekeeper = keeper(store, Readable())
    housekeeper.request_soon("messages may be lost")
    for _ in range(10):
        housekeeper.turn()
    assert not housekeeper.is_idle()
    assert "over after" not in caplog.text
