"""A few random histories of several machines. `python -m tests.histories_of_sites` makes more of them.

Most of a history is waiting for leases to end, so that several clusters at a time take hardly longer than one.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import AbstractContextManager
from functools import partial
from pathlib import Path

import engines
import pytest
from clusters import cluster
from engines import Engine
from histories import check_as_a_stranger, history
from rabbit import RabbitNode
from world import served

SECONDS = 15
"""How long new histories are begun."""


def live(
    folder: Path,
    engine: Callable[[], AbstractContextManager[Engine]],
    machines: int,
    shards: int,
    seed: int,
    brokers: Sequence[RabbitNode] = (),
) -> None:
    """Histories of one cluster, on an engine of its own."""
    folder.mkdir()
    with engine() as running:
        running.empty()
        with (
            served(folder, max_deletes=100) as world,
            cluster(world, running, machines, shards, seed, brokers=brokers) as of,
        ):
            until = time.monotonic() + SECONDS
            while time.monotonic() < until:
                history(of, 3)
            check_as_a_stranger(of)


@pytest.mark.broker
@pytest.mark.usefixtures("etcd")
def test_each_rack_has_one_writer_and_concertim_becomes_true_whatever_fails(tmp_path: Path, broker: RabbitNode) -> None:
    with ThreadPoolExecutor(4) as pool:
        lives = [
            pool.submit(live, tmp_path / "bulk", engines.etcd, 2, 1, 3),
            pool.submit(live, tmp_path / "cluster", partial(engines.etcd, 3), 3, 6, 8),
            pool.submit(live, tmp_path / "redis", engines.redis, 2, 6, 4),
            pool.submit(live, tmp_path / "listeners", engines.etcd, 2, 6, 5, [broker]),
        ]
        for each in lives:
            each.result()
