"""When every write fails, nothing more is sent until a trial write shows that the app works again."""

from __future__ import annotations

import threading
from concurrent.futures import ThreadPoolExecutor

import pytest

from cos_update.concertim.brake import BACKOFF, FEW, WriteBrake
from cos_update.model.errors import Unavailable


class App:
    """What the trials find, and the time."""

    def __init__(self, works: bool | None = False) -> None:
        self.works = works
        self.trials = 0
        self.now = 0.0
        self.brake = WriteBrake(self.trial, lambda: self.now)

    def trial(self) -> bool | None:
        self.trials += 1
        return self.works

    def fail(self, times: int = FEW) -> None:
        for _ in range(times):
            self.brake.failed("500 down")


def test_a_few_failures_make_no_trial() -> None:
    app = App()
    app.fail(FEW - 1)
    app.brake.admit()
    assert app.trials == 0


def test_successes_between_them_begin_the_count_anew() -> None:
    app = App()
    for _ in range(5):
        app.fail(FEW - 1)
        app.brake.succeeded()
    app.brake.admit()
    assert app.trials == 0


def test_a_trial_that_succeeds_lets_everything_through() -> None:
    app = App(works=True)
    app.fail()
    for _ in range(10):
        app.brake.admit()
    assert app.trials == 1


def test_after_a_trial_that_fails_nothing_is_sent_until_the_next_one() -> None:
    app = App(works=False)
    app.fail()
    for _ in range(20):
        with pytest.raises(Unavailable, match=f"not sent: .* last {FEW} writes .500 down"):
            app.brake.admit()
    assert app.trials == 1
    app.now += BACKOFF.first
    app.works = True
    app.brake.admit()
    assert app.trials == 2


def test_trials_become_rarer_while_they_fail() -> None:
    app = App(works=False)
    app.fail()
    for _ in range(600):
        with pytest.raises(Unavailable):
            app.brake.admit()
        app.now += 1
    assert 600 / BACKOFF.longest <= app.trials <= 600 / BACKOFF.longest + 5


def test_with_nothing_to_try_it_on_one_write_is_the_trial() -> None:
    app = App(works=None)
    app.fail()
    app.brake.admit()
    with pytest.raises(Unavailable):
        app.brake.admit()
    app.brake.succeeded()
    app.brake.admit()
    app.brake.admit()


def test_threads_make_one_trial_together() -> None:
    app = App(works=False)
    app.fail()
    write_limiter = threading.Barrier(8)

    def write() -> bool:
        write_limiter.wait()
        try:
            app.brake.admit()
        except Unavailable:
            return False
        return True

    with ThreadPoolExecutor(8) as pool:
        assert not any(pool.map(lambda _: write(), range(8)))
    assert app.trials == 1
