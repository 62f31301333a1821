"""Clocks that differ by hours: a token that was just issued is good, and no side is asked for another one."""

from __future__ import annotations

import time

import pytest
from world import Pass, World

from cos_update.model.exit_codes import ExitCode
from cos_update.model.settings import ReadScope

HOUR = 3600.0


def logins(world: World) -> tuple[int, int]:
    """How many logins Keystone and Concertim have seen."""
    return (
        sum(each.method == "POST" and each.path.endswith("/auth/tokens") for each in world.openstack.wire.requests),
        sum("sign_in" in each.path for each in world.concertim.wire.requests),
    )


@pytest.mark.parametrize("scope", [ReadScope.AUTO, ReadScope.PROJECT])
def test_a_pass_logs_in_as_often_as_with_clocks_that_agree(world: World, one_pass: Pass, scope: ReadScope) -> None:
    counts = {}
    for ahead in (0.0, 9 * HOUR, -HOUR):
        world.cloud.clock_offsets["keystone"] = ahead
        world.concertim.state.clock = lambda ahead=ahead: time.time() + ahead
        world.openstack.wire.reset()
        world.concertim.wire.reset()
        assert one_pass(scope=scope, full="to ask for all").exit_code is ExitCode.DONE
        counts[ahead] = logins(world)
    assert set(counts.values()) == {counts[0.0]}
    assert counts[0.0][0] < 6
    assert counts[0.0][1] == 1
