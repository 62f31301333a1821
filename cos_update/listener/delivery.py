"""One message as delivered by the broker."""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple

_ENDS = 256

Fingerprint = tuple[int, bytes, bytes]
"""Length and both ends of a body: the start has OpenStack's message id, the end oslo's unique id. A cheap way to tell
the messages of a queue apart."""


class DeliveryTag(NamedTuple):
    """Identifies a delivered message: the number of its channel (channels are counted), and its tag there."""

    generation: int
    tag: int


@dataclass(frozen=True, slots=True)
class Delivery:
    """One message as received."""

    body: bytes
    tag: int
    generation: int
    """The number of its channel."""
    exchange: str
    routing_key: str
    redelivered: bool

    @property
    def delivery_tag(self) -> DeliveryTag:
        """The argument for `ack` when the message is finished."""
        return DeliveryTag(self.generation, self.tag)

    @property
    def fingerprint(self) -> Fingerprint:
        """Identifies the message when it is redelivered on another channel."""
        return len(self.body), self.body[:_ENDS], self.body[-_ENDS:]
