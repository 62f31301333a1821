"""Ties notifications to their effects: a message is acknowledged only when all keys that it made dirty are done.

`AckTracker` tracks which messages wait for which keys; `PendingAcks` combines finished messages into few acks.
"""

from __future__ import annotations

import itertools
import threading
from collections.abc import Hashable, Iterable
from typing import Generic, NamedTuple, TypeVar

from cos_update.listener.delivery import DeliveryTag, Fingerprint

K = TypeVar("K", bound=Hashable)


class AckTracker(Generic[K]):
    """Tracks which messages wait for each key; thread-safe.

    Required order: `attach` before the key is added to the queue, and `begin` before the worker reads anything.
    Messages attached later wait for the key's next attempt, since the current one may already have read the object.
    """

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._generation = 0
        self._owing: dict[DeliveryTag, int] = {}
        self._attached: dict[K, set[DeliveryTag]] = {}
        self._in_hand: dict[K, set[DeliveryTag]] = {}

    def attach(self, delivery_tag: DeliveryTag, keys: Iterable[K]) -> tuple[DeliveryTag, ...]:
        """Records that a message waits for these keys; returns it at once if there are none.

        The first tag of a new channel invalidates all older ones (the broker redelivers those messages), so they are
        dropped: this limits the tracker to one channel's prefetch.
        """
        wanted = set(keys)
        with self._lock:
            if delivery_tag.generation < self._generation:
                return ()
            if delivery_tag.generation > self._generation:
                self._generation = delivery_tag.generation
                self._owing.clear()
                self._attached.clear()
                self._in_hand.clear()
            if not wanted:
                return (delivery_tag,)
            self._owing[delivery_tag] = len(wanted)
            for key in wanted:
                self._attached.setdefault(key, set()).add(delivery_tag)
            return ()

    def begin(self, key: K) -> None:
        """A worker starts on a key: this attempt covers the messages attached so far."""
        with self._lock:
            self._move(key, self._attached, self._in_hand)

    def finish(self, key: K) -> tuple[DeliveryTag, ...]:
        """The key is done (or handed to a resync); returns the messages that now wait for nothing."""
        with self._lock:
            return tuple(
                delivery_tag for delivery_tag in sorted(self._in_hand.pop(key, ())) if self._settle(delivery_tag)
            )

    def give_back(self, key: K) -> None:
        """The attempt failed: its messages wait for the key's next attempt."""
        with self._lock:
            self._move(key, self._in_hand, self._attached)

    def pass_on(self, key: K, others: Iterable[K]) -> None:
        """The work on a key passes to other keys: its messages wait for these too.

        If one of them is being processed right now, they wait for its next attempt.
        """
        wanted = set(others) - {key}
        with self._lock:
            for delivery_tag in self._in_hand.get(key, ()):
                for other in wanted:
                    self._owing[delivery_tag] += 1
                    self._put(delivery_tag, self._attached.setdefault(other, set()))

    def __len__(self) -> int:
        """The number of messages that still wait for a key."""
        return len(self._owing)

    def _move(self, key: K, source: dict[K, set[DeliveryTag]], target: dict[K, set[DeliveryTag]]) -> None:
        for delivery_tag in source.pop(key, ()):
            self._put(delivery_tag, target.setdefault(key, set()))

    def _put(self, delivery_tag: DeliveryTag, place: set[DeliveryTag]) -> None:
        if delivery_tag in place:
            self._owing[delivery_tag] -= 1
        place.add(delivery_tag)

    def _settle(self, delivery_tag: DeliveryTag) -> bool:
        self._owing[delivery_tag] -= 1
        if self._owing[delivery_tag]:
            return False
        del self._owing[delivery_tag]
        return True


class Ack(NamedTuple):
    """One `basic.ack`: this tag, and all before it if `multiple`."""

    tag: int
    multiple: bool


class PendingAcks:
    """The unacknowledged deliveries of one channel. Used by one thread; `len` is thread-safe.

    The broker searches for a tag from the oldest on, so acks out of order are expensive (observed: 10 s for 20,000).
    Those at the front are sent as one, at once; those behind a gap are held until it closes, or until `flush`.
    """

    def __init__(self) -> None:
        self._tags: dict[int, Fingerprint | None] = {}
        self._held: set[int] = set()

    def delivered(self, tag: int, fingerprint: Fingerprint | None = None) -> None:
        """A message arrived. Tags rise by one with every delivery on a channel (AMQP 0-9-1)."""
        self._tags[tag] = fingerprint

    @property
    def oldest(self) -> Fingerprint | None:
        """The fingerprint of the oldest unacknowledged message; None if there is none."""
        return next(iter(self._tags.values()), None)

    def settle(self, tags: Iterable[int]) -> list[Ack]:
        """Marks these tags as finished; returns the ack for those at the front, if any.

        Ignores tags that are not outstanding: acknowledging one twice would make the broker close the channel.
        """
        self._held.update(tag for tag in tags if tag in self._tags)
        front = list(itertools.takewhile(self._held.__contains__, self._tags))
        self._forget(front)
        return [Ack(front[-1], multiple=len(front) > 1)] if front else []

    def flush(self) -> list[Ack]:
        """Individual acks for all held tags, oldest first."""
        behind = sorted(self._held)
        self._forget(behind)
        return [Ack(tag, multiple=False) for tag in behind]

    @property
    def held(self) -> int:
        """The number of finished tags that are not acknowledged yet."""
        return len(self._held)

    def _forget(self, tags: Iterable[int]) -> None:
        for tag in tags:
            del self._tags[tag]
            self._held.discard(tag)

    def __len__(self) -> int:
        return len(self._tags)
