"""How many writes go at once, by what the app bears."""

from __future__ import annotations

import threading

import pytest

from cos_update.concertim.write_limiter import RECOVERY, WINDOW, WriteGate


class Clock:
    """A clock that goes when it is told to."""

    def __init__(self) -> None:
        self.now = 1000.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def gate(clock: Clock) -> WriteGate:
    return WriteGate(8, clock)


def write(gate: WriteGate, clock: Clock, seconds: float, *, times: int = 1, kind: str = "nodes") -> None:
    for _ in range(times):
        with gate.enter(kind) as held:
            clock.now += seconds
            held.succeeded = True


def refuse(gate: WriteGate, clock: Clock) -> None:
    with gate.enter("nodes") as held:
        clock.now += 0.1
        held.refused_for_load = True


def test_an_app_that_has_too_much_to_do_gets_half_and_never_less_than_one(gate: WriteGate, clock: Clock) -> None:
    halved = []
    for _ in range(5):
        refuse(gate, clock)
        halved.append(gate.places)
    assert halved == [4, 2, 1, 1, 1]


def test_writes_refused_together_halve_once(gate: WriteGate, clock: Clock) -> None:
    with gate.enter("nodes") as first, gate.enter("nodes") as second:
        clock.now += 0.1
        first.refused_for_load = second.refused_for_load = True
    assert gate.places == 4


def test_it_halves_when_most_writes_take_three_times_the_best(gate: WriteGate, clock: Clock) -> None:
    write(gate, clock, 0.05, times=WINDOW)
    write(gate, clock, 0.16, times=WINDOW // 2)
    assert gate.places == 8
    write(gate, clock, 0.16)
    assert gate.places == 4


def test_a_single_slow_write_changes_nothing(gate: WriteGate, clock: Clock) -> None:
    write(gate, clock, 0.05, times=WINDOW)
    write(gate, clock, 30.0)
    assert gate.places == 8


def test_kinds_of_writes_that_differ_in_cost_are_not_compared(gate: WriteGate, clock: Clock) -> None:
    write(gate, clock, 0.025, times=WINDOW, kind="racks")
    write(gate, clock, 0.12, times=WINDOW, kind="nodes")
    assert gate.places == 8


def test_the_jitter_of_a_quick_app_is_no_labour(gate: WriteGate, clock: Clock) -> None:
    write(gate, clock, 0.001, times=WINDOW)
    write(gate, clock, 0.015, times=WINDOW)
    assert gate.places == 8


def test_it_recovers_by_one_at_a_time(gate: WriteGate, clock: Clock) -> None:
    refuse(gate, clock)
    write(gate, clock, 0.05, times=RECOVERY - 1)
    assert gate.places == 4
    write(gate, clock, 0.05)
    assert gate.places == 5
    write(gate, clock, 0.05, times=10 * RECOVERY)
    assert gate.places == 8


def test_no_more_go_in_than_there_are_places() -> None:
    gate = WriteGate(2)
    inside, most = 0, 0
    lock, leave = threading.Lock(), threading.Barrier(2)

    def run() -> None:
        nonlocal inside, most
        with gate.enter("nodes"):
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
    gate = WriteGate(1)
    for _ in range(3):
        with pytest.raises(OSError, match="lost"), gate.enter("nodes"):
            raise OSError("lost")
    with gate.enter("nodes"):
        pass


def test_a_concurrency_below_one_is_one() -> None:
    assert WriteGate(0).places == 1
