"""Many random histories of several machines in simulated time. `python -m tests.simulated` makes more of them."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.simulated.sites import history

EACH = 50


@pytest.mark.parametrize("first", range(0, 200, EACH))
def test_each_write_is_made_by_the_machine_that_holds_its_shard_whatever_fails(tmp_path: Path, first: int) -> None:
    writes = 0
    for seed in range(first, first + EACH):
        folder = tmp_path / str(seed)
        folder.mkdir()
        writes += history(folder, seed, steps=5).writes
    assert writes > 1000
