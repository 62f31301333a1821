"""The fake Concertim, its clients, and no delays between retries."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import ExitStack
from typing import Any

import pytest

from cos_update.concertim import retry
from cos_update.concertim.client import ConcertimClient
from cos_update.fakes.concertim import ConcertimApp
from cos_update.model.settings import ConcertimSettings
from cos_update.retry import Backoff


@pytest.fixture(autouse=True)
def _impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(retry, "BACKOFF", Backoff(0.01, 10.0))


@pytest.fixture
def connect() -> Iterator[Callable[..., ConcertimClient]]:
    """Connects a client to an address; keywords are those of `ConcertimSettings`."""
    with ExitStack() as stack:

        def connected(url: str, **settings: Any) -> ConcertimClient:
            known: dict[str, Any] = {"username": "admin", "password": "admin", "timeout": 5.0, **settings}
            return stack.enter_context(ConcertimClient(ConcertimSettings(url, **known)))

        yield connected


@pytest.fixture
def client(app: ConcertimApp, connect: Callable[..., ConcertimClient]) -> ConcertimClient:
    return connect(app.url)
