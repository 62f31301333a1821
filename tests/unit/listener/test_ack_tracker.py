"""No message is acknowledged before its effect, and every one is eventually."""

from __future__ import annotations

from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule

from cos_update.listener.ack_tracker import Ack, AckTracker, PendingAcks
from cos_update.listener.delivery import DeliveryTag

FIRST, SECOND, THIRD = (DeliveryTag(1, tag) for tag in (1, 2, 3))


def test_a_message_is_released_when_its_key_is_done():
    tracker = AckTracker()
    assert tracker.attach(FIRST, ["a"]) == ()
    tracker.begin("a")
    assert tracker.finish("a") == (FIRST,)
    assert len(tracker) == 0


def test_a_message_that_makes_nothing_dirty_is_released_at_once():
    assert AckTracker().attach(FIRST, []) == (FIRST,)


def test_a_message_with_several_keys_waits_for_the_last_of_them():
    tracker = AckTracker()
    tracker.attach(FIRST, ["a", "b", "a"])
    tracker.begin("a")
    assert tracker.finish("a") == ()
    tracker.begin("b")
    assert tracker.finish("b") == (FIRST,)


def test_a_message_that_comes_while_its_key_is_processed_waits_for_the_next_round():
    tracker = AckTracker()
    tracker.attach(FIRST, ["a"])
    tracker.begin("a")
    tracker.attach(SECOND, ["a"])
    assert tracker.finish("a") == (FIRST,)
    tracker.begin("a")
    assert tracker.finish("a") == (SECOND,)


def test_a_key_that_failed_keeps_its_messages_for_the_next_round():
    tracker = AckTracker()
    tracker.attach(FIRST, ["a"])
    tracker.begin("a")
    tracker.attach(SECOND, ["a"])
    tracker.give_back("a")
    assert tracker.finish("a") == ()
    tracker.begin("a")
    assert tracker.finish("a") == (FIRST, SECOND)


def test_work_that_goes_over_to_other_keys_takes_its_messages_along():
    tracker = AckTracker()
    tracker.attach(FIRST, ["server"])
    tracker.begin("server")
    tracker.pass_on("server", ["stack", "other"])
    assert tracker.finish("server") == ()
    tracker.begin("stack")
    assert tracker.finish("stack") == ()
    tracker.begin("other")
    assert tracker.finish("other") == (FIRST,)


def test_work_that_goes_over_to_a_key_in_hand_waits_for_its_next_round():
    tracker = AckTracker()
    tracker.attach(FIRST, ["server", "stack"])
    tracker.begin("stack")
    tracker.begin("server")
    tracker.pass_on("server", ["stack"])
    assert tracker.finish("stack") == ()
    assert tracker.finish("server") == ()
    tracker.begin("stack")
    assert tracker.finish("stack") == (FIRST,)
    assert len(tracker) == 0


def test_a_message_that_a_failed_key_gets_twice_counts_once():
    tracker = AckTracker()
    tracker.attach(FIRST, ["server", "stack"])
    tracker.begin("stack")
    tracker.begin("server")
    tracker.pass_on("server", ["stack"])
    tracker.finish("server")
    tracker.give_back("stack")
    tracker.begin("stack")
    assert tracker.finish("stack") == (FIRST,)


def test_a_new_channel_makes_the_old_ones_messages_worthless():
    tracker = AckTracker()
    tracker.attach(FIRST, ["a"])
    tracker.attach(SECOND, ["b"])
    tracker.begin("a")
    fresh = DeliveryTag(2, 1)
    tracker.attach(fresh, ["a"])
    assert len(tracker) == 1
    assert tracker.finish("a") == ()
    tracker.begin("a")
    assert tracker.finish("a") == (fresh,)
    assert tracker.attach(THIRD, ["a"]) == ()
    assert len(tracker) == 1 - 1


class NothingIsReleasedEarlyOrNever(RuleBasedStateMachine):
    """The ledger against the plain rule: for each message, the keys not yet processed after it arrived."""

    KEYS = st.sampled_from("abcd")

    def __init__(self) -> None:
        super().__init__()
        self.tracker = AckTracker()
        self.generation = 1
        self.tag = 0
        self.owing = {}
        self.covered = {}

    @rule(keys=st.sets(KEYS, min_size=1))
    def message(self, keys):
        self.tag += 1
        delivery_tag = DeliveryTag(self.generation, self.tag)
        assert self.tracker.attach(delivery_tag, keys) == ()
        self.owing[delivery_tag] = set(keys)

    @rule(keys=st.sets(KEYS, min_size=1))
    def reconnect(self, keys):
        self.generation += 1
        self.tag = 0
        self.owing.clear()
        self.covered = {key: set() for key in self.covered}
        self.message(keys)

    @rule(key=KEYS)
    def begin(self, key):
        if key not in self.covered:
            self.tracker.begin(key)
            self.covered[key] = {delivery_tag for delivery_tag, keys in self.owing.items() if key in keys}

    @precondition(lambda self: self.covered)
    @rule(data=st.data())
    def finish(self, data):
        key = data.draw(st.sampled_from(sorted(self.covered)))
        self._finish(key)

    @precondition(lambda self: self.covered)
    @rule(data=st.data())
    def give_back(self, data):
        key = data.draw(st.sampled_from(sorted(self.covered)))
        self.tracker.give_back(key)
        del self.covered[key]

    @invariant()
    def nothing_piles_up(self):
        assert len(self.tracker) == len(self.owing)

    def _finish(self, key):
        expected = []
        for delivery_tag in sorted(self.covered.pop(key)):
            self.owing[delivery_tag].discard(key)
            if not self.owing[delivery_tag]:
                del self.owing[delivery_tag]
                expected.append(delivery_tag)
        assert list(self.tracker.finish(key)) == expected

    def teardown(self):
        for key in sorted(self.covered):
            self._finish(key)
        for key in "abcd":
            self.begin(key)
            self._finish(key)
        assert self.owing == {}
        assert len(self.tracker) == 0


TestNothingIsReleasedEarlyOrNever = NothingIsReleasedEarlyOrNever.TestCase
TestNothingIsReleasedEarlyOrNever.settings = settings(max_examples=200, stateful_step_count=40)


def pending(count):
    deliveries = PendingAcks()
    for tag in range(1, count + 1):
        deliveries.delivered(tag)
    return deliveries


def test_a_run_from_the_front_is_one_ack_and_what_is_behind_a_gap_is_held():
    deliveries = pending(8)
    assert deliveries.settle([3, 1, 2, 5, 7]) == [Ack(3, True)]
    assert (deliveries.held, len(deliveries)) == (2, 5)
    assert deliveries.settle([4]) == [Ack(5, True)]
    assert deliveries.settle([6, 8]) == [Ack(8, True)]
    assert (deliveries.held, len(deliveries)) == (0, 0)


def test_what_is_held_too_long_is_acked_one_by_one_from_the_oldest():
    deliveries = pending(5)
    assert deliveries.settle([5, 3, 2]) == []
    assert deliveries.flush() == [Ack(2, False), Ack(3, False), Ack(5, False)]
    assert deliveries.settle([1, 4]) == [Ack(4, True)]


def test_a_tag_is_never_acked_twice_nor_when_it_was_not_delivered():
    deliveries = pending(2)
    assert deliveries.settle([1, 1, 9]) == [Ack(1, False)]
    assert deliveries.settle([1]) == []


@given(st.lists(st.tuples(st.lists(st.integers(1, 40)), st.booleans())))
def test_the_acks_mean_exactly_the_settled_tags_to_the_broker(batches):
    deliveries = pending(40)
    unacked = set(range(1, 41))
    wanted = set()
    for batch, flushed in batches:
        wanted.update(batch)
        for tag, multiple in deliveries.settle(batch) + (deliveries.flush() if flushed else []):
            assert tag in unacked
            unacked -= {other for other in unacked if other <= tag} if multiple else {tag}
        assert unacked >= set(range(1, 41)) - wanted
        assert len(deliveries) == len(unacked)
        assert deliveries.held == 0 or not flushed
    deliveries.flush()
    assert len(deliveries) == 40 - len(wanted & set(range(1, 41)))
