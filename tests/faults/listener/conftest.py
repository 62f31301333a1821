"""A complete environment of a listener, any part of which a test may remove."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest
from deployment import Deploy, Deployment
from rabbit import RabbitNode

from cos_update.fakes.clouds import sized_cloud


@pytest.fixture
def deploy(tmp_path: Path, broker: RabbitNode) -> Iterator[Deploy]:
    """Makes a deployment in step with its cloud, by default of 40 servers; keywords are those of `Deployment`."""
    with ExitStack() as held:

        def make(servers: int = 40, **options: object) -> Deployment:
            cloud = sized_cloud(servers, projects=4)
            return held.enter_context(Deployment(cloud, broker, tmp_path, **options))

        yield make


@pytest.fixture
def deployment(deploy: Deploy) -> Deployment:
    return deploy()
