"""A process that makes no progress is noticed; one with nothing to do is left alone."""

from __future__ import annotations

import threading

import pytest

from cos_update.listener.watchdog import Check, Stall, Watchdog


class Scene:
    """A check with a limit of 60 seconds, checked every 5."""

    def __init__(self) -> None:
        self.now = 0.0
        self.due = False
        self.requests = 0
        self.check = Check("workers", lambda: self.due, 60.0, clock=lambda: self.now, progress=lambda: self.requests)

    def watch(self, seconds, *, due=False, moving_every=None):
        """The first stall within that time, or None."""
        self.due = due
        for second in range(5, seconds + 1, 5):
            self.now += 5
            if moving_every and second % moving_every == 0:
                self.check.moved()
            stall = self.check.look()
            if stall:
                return stall
        return None


@pytest.fixture
def scene():
    return Scene()


def test_nothing_to_do_is_no_stall(scene):
    assert scene.watch(10_000) is None


def test_something_due_that_does_not_move_is_a_stall_when_the_patience_is_over(scene):
    assert scene.watch(55, due=True) is None
    assert scene.watch(5, due=True) == Stall("workers", 60.0)


def test_whatever_moves_is_no_stall_even_if_it_never_ends(scene):
    assert scene.watch(10_000, due=True, moving_every=50) is None


def test_one_attempt_that_goes_on_asking_is_no_stall(scene):
    """As when a service hangs: each of its requests ends in time, and all of them together take long."""
    for _ in range(100):
        scene.requests += 1
        assert scene.watch(55, due=True) is None
    assert scene.watch(10, due=True) == Stall("workers", 60.0)


def test_a_long_rest_before_something_becomes_due_does_not_count(scene):
    scene.watch(10_000)
    assert scene.watch(55, due=True) is None


def test_time_in_which_the_whole_process_stood_still_does_not_count(scene):
    scene.watch(30, due=True)
    scene.now += 3600
    assert scene.check.look() is None
    assert scene.watch(55, due=True) is None
    assert scene.watch(5, due=True) is not None


def test_a_question_that_fails_counts_as_due(scene, caplog):
    scene.check = Check("workers", lambda: 1 / 0, 60.0, clock=lambda: scene.now)
    assert scene.watch(60) == Stall("workers", 60.0)
    assert "ZeroDivisionError" in caplog.text


def test_the_thread_reports_the_first_stall_once(caplog):
    reported = threading.Semaphore(0)
    stalls = []

    def on_stall(stall):
        stalls.append(stall)
        reported.release()

    checks = [Check("idle", lambda: False, 0.2), Check("stuck", lambda: True, 0.2)]
    Watchdog(checks, on_stall, interval=0.02).start()
    assert reported.acquire(timeout=30)
    assert not reported.acquire(timeout=0.3)
    assert [stall.name for stall in stalls] == ["stuck"]
    assert "stuck: work is due, but nothing has moved" in caplog.text


def test_a_stopped_watchdog_reports_nothing():
    reported = threading.Event()
    watchdog = Watchdog([Check("stuck", lambda: True, 0.2)], lambda _: reported.set(), interval=0.02)
    watchdog.start()
    watchdog.stop()
    assert not reported.wait(0.4)
