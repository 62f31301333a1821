"""When a possible loss of messages is reported: never without need, never missed, once for a whole series."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cos_update.listener.continuity import LONGEST_WAIT, Continuity

SETTLE = 5.0
OLDEST, NEXT, NEW = [(1, b"%d" % number, b"") for number in range(3)]


@pytest.fixture
def continuity():
    """That of a first connection, at 0.0 s."""
    continuity = Continuity(SETTLE)
    continuity.connected(0.0, provable=True)
    return continuity


def reconnected(continuity, oldest=OLDEST, at=100.0, *, provable=True):
    continuity.disconnected(oldest, at - 1)
    continuity.connected(at, provable=provable)


def test_a_first_connection_proves_nothing_wrong_and_what_it_finds_is_told_at_once(continuity):
    assert continuity.due(0.0) == ""
    continuity.doubt("the listener started", 0.0)
    assert continuity.due(0.0) == "the listener started"
    continuity.reported()
    assert continuity.is_whole


def test_the_oldest_message_in_hand_delivered_again_proves_that_nothing_was_lost(continuity):
    reconnected(continuity)
    assert not continuity.is_whole
    continuity.delivered(OLDEST, 100.0, redelivered=True)
    assert continuity.is_whole
    assert continuity.due(200.0) == ""


def test_acks_that_did_not_arrive_do_not_spoil_the_proof(continuity):
    reconnected(continuity, NEXT)
    continuity.delivered(OLDEST, 100.0, redelivered=True)
    continuity.delivered(NEXT, 100.0, redelivered=True)
    continuity.delivered(NEW, 100.0, redelivered=False)
    assert continuity.due(200.0) == ""


@pytest.mark.parametrize(
    "meanwhile",
    [
        pytest.param(lambda c: reconnected(c, None), id="nothing was in hand"),
        pytest.param(lambda c: reconnected(c, provable=False), id="nothing could be proven"),
        pytest.param(lambda c: reconnected(c), id="nothing comes"),
        pytest.param(
            lambda c: (reconnected(c), c.delivered(NEW, 100.0, redelivered=False)), id="another message comes first"
        ),
        pytest.param(
            lambda c: (reconnected(c), c.delivered(NEXT, 100.0, redelivered=True)), id="only younger ones come again"
        ),
        pytest.param(
            lambda c: (reconnected(c), c.delivered(OLDEST, 100.0, redelivered=False)), id="one that only looks alike"
        ),
        pytest.param(
            lambda c: (reconnected(c, at=99.0), reconnected(c, OLDEST), c.delivered(OLDEST, 100.0, redelivered=True)),
            id="the connection broke before the proof",
        ),
    ],
)
def test_whatever_proves_nothing_is_reported_once_the_connection_has_stood(continuity, meanwhile):
    meanwhile(continuity)
    assert not continuity.is_whole
    assert continuity.due(100.0 + SETTLE - 0.1) == ""
    assert continuity.due(100.0 + SETTLE).startswith("the connection was lost")
    continuity.reported()
    assert continuity.is_whole
    assert continuity.due(200.0) == ""


def test_a_connection_that_comes_and_goes_is_reported_once(continuity):
    losses = []
    for second in range(100, 130, 2):
        reconnected(continuity, None, second)
        losses.append(continuity.due(second))
    losses += [continuity.due(second) for second in range(130, 140)]
    assert [bool(reason) for reason in losses].index(True) > 15
    continuity.reported()
    assert continuity.due(200.0) == ""


def test_one_that_never_stands_is_told_after_a_while_all_the_same(continuity):
    for second in range(100, 100 + int(LONGEST_WAIT) + 1):
        reconnected(continuity, None, second)
    assert continuity.due(100 + LONGEST_WAIT)


@given(
    messages=st.integers(0, 12),
    acked=st.integers(0, 12),
    seen=st.integers(0, 12),
    lost_acks=st.integers(0, 3),
    dropped=st.integers(0, 15),
    new=st.integers(0, 3),
)
def test_no_loss_of_the_oldest_goes_untold(messages, acked, seen, lost_acks, dropped, new):
    """A queue that keeps its order, of which some was seen, some acknowledged, and the oldest dropped meanwhile."""
    seen = min(seen, messages)
    acked = min(acked, seen)
    held = [(1, b"%d" % number, b"") for number in range(messages + new)]
    continuity = Continuity(SETTLE)
    continuity.connected(0.0, provable=True)
    continuity.disconnected(held[acked] if acked < seen else None, 99.0)
    kept_by_broker = max(0, acked - lost_acks)
    left = held[kept_by_broker:][dropped:]
    lost = set(held[acked:]) - set(left)
    continuity.connected(100.0, provable=True)
    for fingerprint in left:
        continuity.delivered(fingerprint, 100.0, redelivered=held.index(fingerprint) < seen)
    assert continuity.due(200.0) if lost else True
