"""No message is acknowledged before its effect, and every one is in the end."""

from __future__ import annotations

from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule

from cos_update.listener.ack_tracker import Ack, Ledger, Outstanding, Receipt

FIRST, SECOND, THIRD = (Receipt(1, tag) for tag in (1, 2, 3))


def test_a_message_is_released_when_its_key_is_done():
    ledger = Ledger()
    assert ledger.attach(FIRST, ["a"]) == ()
    ledger.begin("a")
    assert ledger.finish("a") == (FIRST,)
    assert len(ledger) == 0


def test_a_message_that_makes_nothing_dirty_is_released_at_once():
    assert Ledger().attach(FIRST, []) == (FIRST,)


def test_a_message_with_several_keys_waits_for_the_last_of_them():
    ledger = Ledger()
    ledger.attach(FIRST, ["a", "b", "a"])
    ledger.begin("a")
    assert ledger.finish("a") == ()
    ledger.begin("b")
    assert ledger.finish("b") == (FIRST,)


def test_a_message_that_comes_while_its_key_is_processed_waits_for_the_next_round():
    ledger = Ledger()
    ledger.attach(FIRST, ["a"])
    ledger.begin("a")
    ledger.attach(SECOND, ["a"])
    assert ledger.finish("a") == (FIRST,)
    ledger.begin("a")
    assert ledger.finish("a") == (SECOND,)


def test_a_key_that_failed_keeps_its_messages_for_the_next_round():
    ledger = Ledger()
    ledger.attach(FIRST, ["a"])
    ledger.begin("a")
    ledger.attach(SECOND, ["a"])
    ledger.give_back("a")
    assert ledger.finish("a") == ()
    ledger.begin("a")
    assert ledger.finish("a") == (FIRST, SECOND)


def test_work_that_goes_over_to_other_keys_takes_its_messages_along():
    ledger = Ledger()
    ledger.attach(FIRST, ["server"])
    ledger.begin("server")
    ledger.pass_on("server", ["stack", "other"])
    assert ledger.finish("server") == ()
    ledger.begin("stack")
    assert ledger.finish("stack") == ()
    ledger.begin("other")
    assert ledger.finish("other") == (FIRST,)


def test_work_that_goes_over_to_a_key_in_hand_waits_for_its_next_round():
    ledger = Ledger()
    ledger.attach(FIRST, ["server", "stack"])
    ledger.begin("stack")
    ledger.begin("server")
    ledger.pass_on("server", ["stack"])
    assert ledger.finish("stack") == ()
    assert ledger.finish("server") == ()
    ledger.begin("stack")
    assert ledger.finish("stack") == (FIRST,)
    assert len(ledger) == 0


def test_a_message_that_a_failed_key_gets_twice_counts_once():
    ledger = Ledger()
    ledger.attach(FIRST, ["server", "stack"])
    ledger.begin("stack")
    ledger.begin("server")
    ledger.pass_on("server", ["stack"])
    ledger.finish("server")
    ledger.give_back("stack")
    ledger.begin("stack")
    assert ledger.finish("stack") == (FIRST,)


def test_a_new_channel_makes_the_old_ones_messages_worthless():
    ledger = Ledger()
    ledger.attach(FIRST, ["a"])
    ledger.attach(SECOND, ["b"])
    ledger.begin("a")
    fresh = Receipt(2, 1)
    ledger.attach(fresh, ["a"])
    assert len(ledger) == 1
    assert ledger.finish("a") == ()
    ledger.begin("a")
    assert ledger.finish("a") == (fresh,)
    assert ledger.attach(THIRD, ["a"]) == ()
    assert len(ledger) == 1 - 1


class NothingIsReleasedEarlyOrNever(RuleBasedStateMachine):
    """The ledger against the plain rule: for each message, the keys not yet processed after it arrived."""

    KEYS = st.sampled_from("abcd")

    def __init__(self) -> None:
        super().__init__()
        self.ledger = Ledger()
        self.generation = 1
        self.tag = 0
        self.owing = {}
        self.covered = {}

    @rule(keys=st.sets(KEYS, min_size=1))
    def message(self, keys):
        self.tag += 1
        receipt = Receipt(self.generation, self.tag)
        assert self.ledger.attach(receipt, keys) == ()
        self.owing[receipt] = set(keys)

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
            self.ledger.begin(key)
            self.covered[key] = {receipt for receipt, keys in self.owing.items() if key in keys}

    @precondition(lambda self: self.covered)
    @rule(data=st.data())
    def finish(self, data):
        key = data.draw(st.sampled_from(sorted(self.covered)))
        self._finish(key)

    @precondition(lambda self: self.covered)
    @rule(data=st.data())
    def give_back(self, data):
        key = data.draw(st.sampled_from(sorted(self.covered)))
        self.ledger.give_back(key)
        del self.covered[key]

    @invariant()
    def nothing_piles_up(self):
        assert len(self.ledger) == len(self.owing)

    def _finish(self, key):
        expected = []
        for receipt in sorted(self.covered.pop(key)):
            self.owing[receipt].discard(key)
            if not self.owing[receipt]:
                del self.owing[receipt]
                expected.append(receipt)
        assert list(self.ledger.finish(key)) == expected

    def teardown(self):
        for key in sorted(self.covered):
            self._finish(key)
        for key in "abcd":
            self.begin(key)
            self._finish(key)
        assert self.owing == {}
        assert len(self.ledger) == 0


TestNothingIsReleasedEarlyOrNever = NothingIsReleasedEarlyOrNever.TestCase
TestNothingIsReleasedEarlyOrNever.settings = settings(max_examples=200, stateful_step_count=40, deadline=None)


def outstanding(count):
    deliveries = Outstanding()
    for tag in range(1, count + 1):
        deliveries.delivered(tag)
    return deliveries


def test_a_run_from_the_front_is_one_ack_and_what_is_behind_a_gap_is_held():
    deliveries = outstanding(8)
    assert deliveries.settle([3, 1, 2, 5, 7]) == [Ack(3, True)]
    assert (deliveries.held, len(deliveries)) == (2, 5)
    assert deliveries.settle([4]) == [Ack(5, True)]
    assert deliveries.settle([6, 8]) == [Ack(8, True)]
    assert (deliveries.held, len(deliveries)) == (0, 0)


def test_what_is_held_too_long_is_acked_one_by_one_from_the_oldest():
    deliveries = outstanding(5)
    assert deliveries.settle([5, 3, 2]) == []
    assert deliveries.flush() == [Ack(2, False), Ack(3, False), Ack(5, False)]
    assert deliveries.settle([1, 4]) == [Ack(4, True)]


def test_a_tag_is_never_acked_twice_nor_when_it_was_not_delivered():
    deliveries = outstanding(2)
    assert deliveries.settle([1, 1, 9]) == [Ack(1, False)]
    assert deliveries.settle([1]) == []


@given(st.lists(st.tuples(st.lists(st.integers(1, 40)), st.booleans())))
def test_the_acks_mean_exactly_the_settled_tags_to_the_broker(batches):
    deliveries = outstanding(40)
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
