"""Many random histories of several machines in simulated time. `python -m tests.simulated` makes more of them."""

from __future__ import annotations

from pathlib import Path

from tests.simulated.sites import history


def test_each_write_is_made_by_the_machine_that_holds_its_shard_whatever_befalls_them(tmp_path: Path) -> None:
    writes = 0
    for seed in range(200):
        folder = tmp_path / str(seed)
        folder.mkdir()
        writes += history(folder, seed, steps=5).writes
    assert writes > 1000
