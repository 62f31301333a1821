"""Which site holds which shards, on the real engines."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest
from engines import Engine, etcd
from rabbit import wait_for

from cos_update.coordination.clock import boottime
from cos_update.coordination.keeper import Keeper
from cos_update.model.settings import CoordinationSettings

LEASE = 4


class Clock:
    """The clock of leases, which a test may put forward: as after a time in which the machine slept."""

    def __init__(self) -> None:
        self.ahead = 0.0

    def __call__(self) -> float:
        return boottime() + self.ahead


class Machine:
    """A site whose keeper makes its turns when the test says so."""

    def __init__(self, engine: Engine, folder: Path, name: str, shards: int, port: int | None = None) -> None:
        self.clock = Clock()
        folder.mkdir(exist_ok=True)
        settings = CoordinationSettings(engine.url(port), shards, LEASE, name)
        self.keeper = Keeper(settings, name, folder, clock=self.clock)

    def turn(self) -> set[int]:
        """One turn; the shards that may be posted after it."""
        self.keeper.turn()
        return self.held

    @property
    def held(self) -> set[int]:
        return set(self.keeper.holdings.usable(self.clock()))


Sites = Callable[[str, int], Machine]


@pytest.fixture
def site(engine: Engine, tmp_path: Path) -> Iterator[Sites]:
    with ExitStack() as held:

        def make(name: str, shards: int) -> Machine:
            machine = Machine(engine, tmp_path / name, name, shards)
            held.callback(machine.keeper._leave)
            return machine

        yield make


def test_one_shard_has_one_holder_and_the_other_site_stands_by(site: Sites) -> None:
    one, two = site("a", 1), site("b", 1)
    assert one.turn() == {0}
    assert two.turn() == set()
    assert one.turn() == {0}


def test_a_site_alone_holds_everything_and_hands_a_joining_one_its_share(site: Sites) -> None:
    one, two = site("a", 6), site("b", 6)
    assert one.turn() == {0, 1, 2, 3, 4, 5}
    two.turn()
    assert one.turn() == {0, 1, 2}
    assert two.turn() == {3, 4, 5}


def test_what_is_in_use_is_not_handed_over_until_it_is_not_any_more(site: Sites, tmp_path: Path) -> None:
    one, two = site("a", 2), site("b", 2)
    one.turn()
    in_use = one.keeper._uses.begin(1)
    assert in_use is not None
    two.turn()
    assert one.turn() == {0}  # nothing new is begun with it
    assert two.turn() == set()
    one.keeper._uses.end(in_use)
    one.turn()
    assert two.turn() == {1}


def test_a_site_that_leaves_has_its_shards_taken_at_once(site: Sites) -> None:
    one, two = site("a", 2), site("b", 2)
    one.turn(), two.turn(), one.turn()
    assert two.turn() == {1}
    one.keeper._leave()
    assert two.turn() == {0, 1}


def test_a_machine_that_slept_longer_than_its_lease_holds_nothing_when_it_wakes_up(site: Sites) -> None:
    one = site("a", 2)
    one.turn()
    one.clock.ahead = LEASE
    assert one.held == set()
    first = dict(one.keeper.holdings.leases)
    one.turn()
    one.turn()
    assert not {lease.epoch for lease in one.keeper.holdings.leases.values()} & {
        lease.epoch for lease in first.values()
    }


def test_an_engine_that_has_forgotten_everything_takes_the_leases_with_it(site: Sites, engine: Engine) -> None:
    one = site("a", 2)
    one.turn()
    engine.forget()
    one.clock.ahead = LEASE / 3  # time for a refresh
    assert one.turn() == set()
    assert one.turn() == set()  # others may be sure of what they had for a lease's life yet
    one.clock.ahead += LEASE
    assert one.turn() == {0, 1}


def test_sites_of_different_shard_counts_never_hold_the_same_projects(site: Sites) -> None:
    one, two = site("a", 1), site("b", 6)
    assert one.turn() == {0}
    assert two.turn() == set()
    assert "coordination.shards must be the same" in two.keeper.holdings.trouble
    assert one.turn() == {0}


def test_another_process_of_the_site_knows_what_is_held_and_goes_on_keeping(site: Sites) -> None:
    keeper, other = site("a", 2), site("a", 2)
    keeper.turn()
    assert other.turn() == {0, 1}
    keeper.keeper._leave()
    other.turn()
    assert other.turn() == {0, 1}


def test_a_cluster_that_loses_its_leader_costs_no_lease(tmp_path: Path) -> None:
    with etcd(3) as cluster:
        cluster.empty()
        leader = cluster.leader()
        port = next(port for number, port in enumerate(cluster.ports) if number != leader)
        one = Machine(cluster, tmp_path, "a", 2, port)
        assert one.turn() == {0, 1}
        before = one.keeper.holdings.leases
        cluster.processes[leader].kill()
        # Within the lease's life another node leads.
        wait_for(lambda: one.turn() and one.keeper.holdings.leases[0].good_until > boottime() + LEASE / 2, LEASE)
        assert {lease.epoch for lease in one.keeper.holdings.leases.values()} == {
            lease.epoch for lease in before.values()
        }
