"""A shard that cannot be listened to is tried again and again, and that is logged once."""

from __future__ import annotations

import threading
from typing import Any

import pytest

from cos_update.listener import sites
from cos_update.listener.sites import SiteListener
from cos_update.model.errors import ViewError
from cos_update.observability.observer import Observer


class Site:
    """A site whose shards cannot be shared, for a reason of this kind."""

    def __init__(self, kind: type[Exception]) -> None:
        self.kind = kind

    def share(self, only: int) -> Any:
        raise self.kind("this is why")


@pytest.mark.parametrize("kind", [ViewError, ZeroDivisionError])
def test_why_a_shard_is_not_listened_to_is_logged_once(
    kind: type[Exception], monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(sites, "AFTER_FAILURE", 0.0)
    listener = SiteListener(None, Site(kind), None)  # type: ignore[arg-type]
    for _ in range(100):
        listener._listen(3, "epoch", threading.Event(), Observer())
    assert len([record for record in caplog.records if record.levelname == "ERROR"]) == 1
    assert "shard 3 is not listened to" in caplog.text
    assert "this is why" in caplog.text
