"""A site that may have made the group anew, but got no answer."""

from __future__ import annotations

from pathlib import Path
from unittest import mock

import pytest

from cos_update.coordination.backend import Backend
from cos_update.coordination.keeper import Keeper
from cos_update.model.settings import CoordinationSettings

LEASE = 4


@pytest.mark.parametrize(("fails", "waits"), [("create_group", True), ("start", False)])
def test_it_takes_nothing_for_a_lease(tmp_path: Path, fails: str, waits: bool) -> None:
    coordinator = mock.MagicMock()
    getattr(coordinator, fails).side_effect = ConnectionError("no answer")
    settings = CoordinationSettings("etcd3+http://none", 1, LEASE, "one")
    with mock.patch("cos_update.coordination.backend._coordinator", return_value=coordinator):
        keeper = Keeper(settings, "one", tmp_path, lambda: Backend(settings, "one"), lambda: 100.0)
        keeper.turn()
    assert (keeper._not_before == 100.0 + LEASE) is waits
