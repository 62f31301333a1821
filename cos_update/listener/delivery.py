"""One message as the broker handed it over."""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple

_ENDS = 256

Fingerprint = tuple[int, bytes, bytes]
"""Length and both ends of a body: OpenStack's message id stands in the first, oslo's unique id in the last. Only there
to tell one message from the next on a queue, at no cost worth naming."""


class DeliveryTag(NamedTuple):
    """One delivered message: the number of the channel it came by, counted up with every channel, and its tag there."""

    generation: int
    tag: int


@dataclass(frozen=True, slots=True)
class Delivery:
    """One message, as it came."""

    body: bytes
    tag: int
    generation: int
    """The number of the channel that it came by."""
    exchange: str
    routing_key: str
    redelivered: bool

    @property
    def delivery_tag(self) -> DeliveryTag:
        """What to give to `ack` when the message is done with."""
        return DeliveryTag(self.generation, self.tag)

    @property
    def fingerprint(self) -> Fingerprint:
        """What the message is known by when it is delivered once more, by another channel."""
        return len(self.body), self.body[:_ENDS], self.body[-_ENDS:]
