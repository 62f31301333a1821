"""A few random histories of several machines. `python -m tests.histories_of_sites` makes more of them."""

from __future__ import annotations

from pathlib import Path

import pytest
from engines import Engine
from histories import history, land
from world import served


@pytest.mark.parametrize(("machines", "shards", "seed"), [(2, 1, 3), (3, 6, 8)])
def test_whatever_befalls_the_machines_each_rack_has_one_writer_and_all_comes_to_a_good_end(
    tmp_path: Path, etcd: Engine, machines: int, shards: int, seed: int
) -> None:
    with served(tmp_path, max_deletes=100) as world, land(world, etcd, machines, shards, seed) as found:
        history(found, 4)
