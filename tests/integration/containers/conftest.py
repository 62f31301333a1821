"""The folders of a host as root leaves them, and containers with these folders."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from container import Container, Image, why_not
from host import Host, demo_host


@pytest.fixture(scope="session")
def can_contain() -> None:
    """Containers can be started on this machine; where they cannot, the reason is in the test report."""
    if reason := why_not():
        pytest.skip(reason)


@pytest.fixture
def host(can_contain: None, tmp_path: Path) -> Iterator[Host]:
    """A host of its own."""
    with demo_host(tmp_path) as host:
        yield host


@pytest.fixture
def container(host: Host) -> Iterator[Callable[..., Container]]:
    """Makes a container on the host; `daemon` chooses the image, keywords are those of `Container`."""
    made: list[Container] = []

    def make(daemon: str = "bulk", **options: Any) -> Container:
        made.append(Container(Image.of(daemon), options.pop("mounts", host.mounts), **options))
        return made[-1]

    yield make
    for each in made:
        each.kill()
