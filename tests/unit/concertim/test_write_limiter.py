"""The number of concurrent writes, by the app's capacity."""

from __future__ import annotations

import threading

import pytest

from cos_update.concertim.write_limiter import RECOVERY, WINDOW, WriteLimiter


class Clock:
    """A clock that is advanced manually."""

    def __init__(self) -> None:
        self.now = 1000.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def write_limiter(clock: Clock) -> WriteLimiter:
    return WriteLimiter(8, clock)


def write(write_limiter: WriteLimiter, clock: Clock, seconds: float, *, times: int = 1, kind: str = "nodes") -> None:
    for _ in range(times):
        with write_limiter.enter(kind) as held:
            clock.now += seconds
            held.succeeded = True


def refuse(write_limiter: WriteLimiter, clock: Clock) -> None:
    with write_limiter.enter("nodes") as held:
        clock.now += 0.1
        held.refused_for_load = True


def test_an_app_that_has_too_much_to_do_gets_half_and_never_less_than_one(
    write_limiter: WriteLimiter, clock: Clock
) -> None:
    halved = []
    for _ in range(5):
        refuse(write_limiter, clock)
        halved.append(write_limiter.places)
    assert halved == [4, 2, 1, 1, 1]


def test_writes_refused_together_halve_once(write_limiter: WriteLimiter, clock: Clock) -> None:
    with write_limiter.enter("nodes") as first, write_limiter.enter("nodes") as second:
        clock.now += 0.1
        first.refused_for_load = second.refused_for_load = True
    assert write_limiter.places == 4


def test_it_halves_when_most_writes_take_three_times_the_best(write_limiter: WriteLimiter, clock: Clock) -> None:
    write(write_limiter, clock, 0.05, times=WINDOW)
    write(write_limiter, clock, 0.16, times=WINDOW // 2)
    assert write_limiter.places == 8
    write(write_limiter, clock, 0.16)
    assert write_limiter.places == 4


def test_a_single_slow_write_changes_nothing(write_limiter: WriteLimiter, clock: Clock) -> None:
    write(write_limiter, clock, 0.05, times=WINDOW)
    write(write_limiter, clock, 30.0)
    assert write_limiter.places == 8


def test_kinds_of_writes_that_differ_in_cost_are_not_compared(write_limiter: WriteLimiter, clock: Clock) -> None:
    write(write_limiter, clock, 0.025, times=WINDOW, kind="racks")
    write(write_limiter, clock, 0.12, times=WINDOW, kind="nodes")
    assert write_limiter.places == 8


def test_the_jitter_of_a_quick_app_is_no_labour(write_limiter: WriteLimiter, clock: Clock) -> None:
    write(write_limiter, clock, 0.001, times=WINDOW)
    write(write_limiter, clock, 0.015, times=WINDOW)
    assert write_limiter.places == 8


def test_it_recovers_by_one_at_a_time(write_limiter: WriteLimiter, clock: Clock) -> None:
    refuse(write_limiter, clock)
    write(write_limiter, clock, 0.05, times=RECOVERY - 1)
    assert write_limiter.places == 4
    write(write_limiter, clock, 0.05)
    assert write_limiter.places == 5
    write(write_limiter, clock, 0.05, times=10 * RECOVERY)
    assert write_limiter.places == 8


def test_no_more_go_in_than_there_are_places() -> None:
    write_limiter = WriteLimiter(2)
    inside, most = 0, 0
    lock, leave = threading.Lock(), threading.Barrier(2)

    def run() -> None:
        nonlocal inside, most
        with write_limiter.enter("nodes"):
            with lock:
                inside += 1
                most = max(most, inside)
            leave.wait(10)
            with lock:
                inside -= 1

    threads = [threading.Thread(target=run) for _ in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(10)
    assert not any(thread.is_alive() for thread in threads)
    assert most == 2


def test_a_write_that_fails_gives_its_place_back() -> None:
    write_limiter = WriteLimiter(1)
    for _ in range(3):
        with pytest.raises(OSError, match="lost"), write_limiter.enter("nodes"):
            raise OSError("lost")
    with write_limiter.enter("nodes"):
        pass


def test_a_concurrency_below_one_is_one() -> None:
    assert WriteLimiter(0).places == 1
