"""The queue of dirty keys: every change is processed after it was recorded, by one worker at a time."""

from __future__ import annotations

import threading
import time
from collections import Counter

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule

from cos_update.listener.workqueue import QueueStats, WorkQueue


class FakeClock:
    def __init__(self) -> None:
        self.now = 1000.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def clock():
    return FakeClock()


@pytest.fixture
def queue(clock):
    return WorkQueue(base_delay=1.0, max_delay=60.0, clock=clock)


def take_all(queue):
    keys = []
    while (key := queue.get(timeout=0)) is not None:
        keys.append(key)
    return keys


def test_a_key_added_many_times_is_handed_out_once(queue):
    for key in "abacab":
        queue.add(key)
    assert take_all(queue) == ["a", "b", "c"]


def test_a_key_added_while_it_is_processed_is_handed_out_again_only_when_it_is_done(queue):
    queue.add("a")
    assert queue.get(timeout=0) == "a"
    queue.add("a")
    queue.add("a")
    assert queue.get(timeout=0) is None
    queue.done("a")
    assert take_all(queue) == ["a"]
    queue.done("a")
    assert queue.stats().idle


def test_a_done_key_is_not_handed_out_again(queue):
    queue.add("a")
    queue.get(timeout=0)
    queue.done("a")
    assert queue.get(timeout=0) is None


def fail(queue, clock, key):
    """Waits out one failure; returns how long that took."""
    delay = queue.add_rate_limited(key)
    clock.now += delay
    assert take_all(queue) == [key]
    queue.done(key)
    return delay


def test_the_backoff_of_a_key_doubles_up_to_the_greatest_delay_and_ends_when_forgotten(queue, clock):
    assert [fail(queue, clock, "a") for _ in range(8)] == [1, 2, 4, 8, 16, 32, 60, 60]
    assert queue.add_rate_limited("b") == 1
    assert queue.failures("a") == 8
    queue.forget("a")
    assert queue.add_rate_limited("a") == 1


def test_a_key_that_failed_a_thousand_times_is_still_tried(queue, clock):
    assert [fail(queue, clock, "a") for _ in range(2000)][-1] == 60


def test_a_delayed_key_comes_when_its_time_has_come_and_not_before(queue, clock):
    queue.add_after("late", 5)
    queue.add_after("soon", 2)
    assert take_all(queue) == []
    clock.now += 2
    assert take_all(queue) == ["soon"]
    clock.now += 3
    assert take_all(queue) == ["late"]
    clock.now += 100
    assert take_all(queue) == []


def test_of_several_delays_the_earliest_counts(queue, clock):
    for delay in (9, 3, 6):
        queue.add_after("a", delay)
    clock.now += 3
    assert take_all(queue) == ["a"]
    queue.done("a")
    clock.now += 100
    assert take_all(queue) == []


def test_no_delay_is_now(queue):
    queue.add_after("a", 0)
    assert take_all(queue) == ["a"]


def test_news_of_a_key_in_backoff_is_acted_upon_at_once(queue):
    queue.add_rate_limited("a")
    queue.add("a")
    assert take_all(queue) == ["a"]


def test_failures_that_news_brought_on_do_not_lengthen_the_backoff(queue, clock):
    assert queue.add_rate_limited("a") == 1
    for _ in range(20):
        queue.add("a")
        assert queue.get() == "a"
        queue.add_rate_limited("a")
        queue.done("a")
    assert queue.failures("a") == 1
    clock.now += 1
    assert queue.get(0) == "a"
    assert queue.add_rate_limited("a") == 2


def test_a_key_whose_delay_ends_while_it_is_processed_waits_for_its_worker(queue, clock):
    queue.add("a")
    queue.get(timeout=0)
    queue.add_after("a", 1)
    clock.now += 1
    assert queue.get(timeout=0) is None
    queue.done("a")
    assert take_all(queue) == ["a"]


def test_stats_tell_what_is_to_do_and_for_how_long(queue, clock):
    assert queue.stats() == QueueStats(queued=0, processing=0, waiting=0, oldest=0.0)
    queue.add("a")
    clock.now += 4
    queue.add("b")
    queue.add("a")
    assert queue.stats() == QueueStats(queued=2, processing=0, waiting=0, oldest=4.0)
    assert len(queue) == 2
    queue.get(timeout=0)
    clock.now += 1
    queue.add_rate_limited("a")
    queue.done("a")
    assert queue.stats() == QueueStats(queued=1, processing=0, waiting=1, oldest=5.0)


def test_what_is_due_counts_a_wait_that_is_over_but_not_one_that_is_not(queue, clock):
    assert queue.due() == 0
    queue.add("a")
    queue.add("b")
    queue.get(timeout=0)
    assert queue.due() == 2
    queue.add_after("c", 5)
    assert queue.due() == 2
    clock.now += 5
    assert queue.due() == 3


def test_a_queue_that_is_shut_down_hands_out_what_it_holds_and_takes_nothing_more(queue, clock):
    queue.add("a")
    queue.add_after("delayed", 1)
    queue.shut_down()
    queue.add("b")
    queue.add_after("b", 1)
    clock.now += 10
    assert take_all(queue) == ["a"]
    assert queue.get() is None


def test_a_shut_down_that_discards_leaves_only_what_is_in_hand(queue):
    queue.add("a")
    queue.add("b")
    queue.get(timeout=0)
    queue.add("a")
    queue.shut_down(discard=True)
    assert not queue.wait_idle(0)
    queue.done("a")
    assert queue.get() is None
    assert queue.wait_idle(0)


def test_workers_that_wait_are_woken_by_an_addition_a_delay_and_the_shutdown():
    queue = WorkQueue(base_delay=0.05)
    got = []

    def work():
        while (key := queue.get()) is not None:
            got.append(key)
            queue.done(key)

    workers = [threading.Thread(target=work, daemon=True) for _ in range(3)]
    for worker in workers:
        worker.start()
    queue.add("now")
    queue.add_rate_limited("later")
    assert queue.wait_idle(30)
    assert sorted(got) == ["later", "now"]
    queue.shut_down()
    for worker in workers:
        worker.join(30)
        assert not worker.is_alive()


def test_a_worker_that_becomes_busy_passes_on_the_watch_over_delayed_keys():
    queue = WorkQueue()
    release, got = threading.Event(), threading.Semaphore(0)

    def work():
        while (key := queue.get()) is not None:
            if key == "long":
                release.wait(60)
            else:
                got.release()
            queue.done(key)

    for _ in range(2):
        threading.Thread(target=work, daemon=True).start()
    queue.add_after("delayed", 0.1)
    queue.add("long")
    assert got.acquire(timeout=30), "the second worker slept through"
    release.set()
    queue.shut_down()


def test_a_get_gives_up_when_its_time_is_over():
    began = time.monotonic()
    assert WorkQueue().get(timeout=0.05) is None
    assert time.monotonic() - began > 0.04


def test_many_workers_never_share_a_key_and_see_every_last_change():
    queue = WorkQueue()
    latest = Counter()
    seen = Counter()
    in_hand = set()
    clashes = []

    def work():
        while (key := queue.get()) is not None:
            if key in in_hand:
                clashes.append(key)
            in_hand.add(key)
            seen[key] = latest[key]
            in_hand.discard(key)
            queue.done(key)

    workers = [threading.Thread(target=work) for _ in range(4)]
    for worker in workers:
        worker.start()
    for number in range(10_000):
        key = number % 50
        latest[key] = number
        queue.add(key)
    assert queue.wait_idle(20)
    queue.shut_down()
    for worker in workers:
        worker.join(5)
    assert clashes == []
    assert seen == latest


class EveryChangeIsSeen(RuleBasedStateMachine):
    """Against any order of calls: no key is in two hands, and each is handed out after its last addition."""

    KEYS = st.sampled_from("abcd")

    def __init__(self) -> None:
        super().__init__()
        self.clock = FakeClock()
        self.queue = WorkQueue(base_delay=1.0, max_delay=8.0, clock=self.clock)
        self.in_hand = set()
        self.unseen = set()

    @rule(key=KEYS)
    def add(self, key):
        self.queue.add(key)
        self.unseen.add(key)

    @rule(key=KEYS, delay=st.integers(0, 10))
    def add_after(self, key, delay):
        self.queue.add_after(key, delay)
        self.unseen.add(key)

    @rule()
    def get(self):
        key = self.queue.get(timeout=0)
        if key is not None:
            assert key not in self.in_hand
            self.in_hand.add(key)
            self.unseen.discard(key)

    @precondition(lambda self: self.in_hand)
    @rule(data=st.data(), failed=st.booleans())
    def finish(self, data, failed):
        key = data.draw(st.sampled_from(sorted(self.in_hand)))
        if failed:
            self.queue.add_rate_limited(key)
            self.unseen.add(key)
        else:
            self.queue.forget(key)
        self.in_hand.discard(key)
        self.queue.done(key)

    @rule(seconds=st.integers(1, 5))
    def time_passes(self, seconds):
        self.clock.now += seconds

    @invariant()
    def counts_agree(self):
        stats = self.queue.stats()
        assert stats.processing == len(self.in_hand)
        assert stats.idle == (not self.in_hand and not stats.queued and not stats.waiting)
        assert stats.queued <= len(self.queue) <= 4

    def teardown(self):
        for key in self.in_hand:
            self.queue.done(key)
        self.clock.now += 20
        handed_out = take_all(self.queue)
        assert len(handed_out) == len(set(handed_out))
        assert self.unseen <= set(handed_out)


TestEveryChangeIsSeen = EveryChangeIsSeen.TestCase
TestEveryChangeIsSeen.settings = settings(max_examples=150, stateful_step_count=40)
