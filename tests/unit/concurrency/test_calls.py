"""Calls that end, whatever they call."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor

import pytest

from cos_update.concurrency.calls import Calls, CallTimeoutError

SOON = 0.05


@pytest.fixture
def gate() -> Iterator[threading.Event]:
    """Holds what waits for it until the end of the test."""
    gate = threading.Event()
    yield gate
    gate.set()


def test_gives_what_the_call_gives_and_raises_what_it_raises() -> None:
    calls = Calls("t", 2)
    assert calls(lambda: 42, 5) == 42
    with pytest.raises(KeyError):
        calls(lambda: {}["missing"], 5)


def test_a_call_that_hangs_is_left_behind_and_the_next_one_is_made(gate: threading.Event) -> None:
    calls = Calls("t", 1)
    with pytest.raises(CallTimeoutError, match=r"no result within 0\.05 s"):
        calls(gate.wait, SOON)
    assert calls(lambda: "next", 5) == "next"
    assert calls.left == 1


def test_too_many_that_hang_let_no_further_one_begin_until_they_end(gate: threading.Event) -> None:
    calls = Calls("t", 1)
    for _ in range(2):
        with pytest.raises(CallTimeoutError):
            calls(gate.wait, SOON)
    with pytest.raises(CallTimeoutError, match="2 earlier calls hang"):
        calls(lambda: None, 5)
    gate.set()
    while calls.left:
        pass
    assert calls(lambda: "again", 5) == "again"


def test_no_more_than_so_many_are_made_at_once() -> None:
    calls = Calls("t", 3)
    lock = threading.Lock()
    now = most = 0
    gate = threading.Barrier(3)

    def one() -> None:
        nonlocal now, most
        with lock:
            now += 1
            most = max(most, now)
        gate.wait(5)
        with lock:
            now -= 1

    threads = [threading.Thread(target=calls, args=(one, 10)) for _ in range(12)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(20)
    assert most == 3


def test_a_call_whose_turn_does_not_come_is_told_so(gate: threading.Event) -> None:
    calls = Calls("t", 1)
    begun = threading.Event()

    def hang() -> None:
        begun.set()
        gate.wait()

    holder = threading.Thread(target=calls, args=(hang, 30), daemon=True)
    holder.start()
    assert begun.wait(5)
    with pytest.raises(CallTimeoutError, match=r"no free thread within 0\.1 s"):
        calls(lambda: None, 0.01)


def test_its_threads_are_used_again_and_keep_no_process_alive() -> None:
    calls = Calls("of-this-test", 4)
    for number in range(50):
        assert calls(lambda number=number: number, 5) == number
    mine = [thread for thread in threading.enumerate() if thread.name.startswith("of-this-test")]
    assert len(mine) == 1
    assert mine[0].daemon


def test_an_error_keeps_what_it_was_made_from_though_another_one_is_being_handled() -> None:
    def fail() -> None:
        try:
            raise TimeoutError("the reason")
        except TimeoutError:
            raise ValueError("as it is told")  # noqa: B904

    calls = Calls("t", 1)
    try:
        raise KeyError("something else")
    except KeyError:
        with pytest.raises(ValueError, match="as it is told") as caught:
            calls(fail, 5)
    assert isinstance(caught.value.__context__, TimeoutError)


def test_closed_it_keeps_no_thread_that_has_no_call() -> None:
    calls = Calls("closing", 4)
    with ThreadPoolExecutor(4) as pool:
        list(pool.map(lambda number: calls(lambda: number, 5.0), range(40)))
    calls.close()
    for thread in [each for each in threading.enumerate() if each.name.startswith("closing_")]:
        thread.join(5.0)
        assert not thread.is_alive()
    assert calls(lambda: 7, 5.0) == 7
