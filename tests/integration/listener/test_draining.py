"""A queue counts as drained only when what has left it has also arrived."""

from __future__ import annotations

import contextlib
import socket
import struct
from collections.abc import Iterator
from dataclasses import replace

import pytest
from listener_probe import QUICK
from rabbit import Proxy

pytestmark = pytest.mark.broker

METHOD = 1
"""The type of a frame with a method; a delivery's others have its properties and its body."""
DELIVER, DECLARED = (60, 60), (50, 11)
"""Class and method of `basic.deliver` and of `queue.declare-ok`."""


class Overtaking(Proxy):
    """Deliveries are overtaken by the next `queue.declare-ok`, as may happen in the broker, but by one only."""

    is_on = False

    def _pump(self, source: socket.socket, sink: socket.socket, from_broker: bool) -> None:
        if not from_broker:
            super()._pump(source, sink, from_broker)
            return
        late, is_overtaken, is_delivery = b"", False, False
        with contextlib.suppress(OSError), source.makefile("rb") as stream:
            for kind, frame in _frames(stream):
                method = struct.unpack(">HH", frame[7:11]) if kind == METHOD else None
                if method is not None:
                    is_delivery = self.is_on and method == DELIVER
                if is_delivery:
                    late += frame
                    continue
                if late and is_overtaken:
                    sink.sendall(late)
                    late, is_overtaken = b"", False
                is_overtaken = bool(late) and method == DECLARED
                sink.sendall(frame)


def _frames(stream) -> Iterator[tuple[int, bytes]]:  # type: ignore[no-untyped-def]
    """The frames of AMQP 0-9-1, each with its type."""
    while len(head := stream.read(7)) == 7:
        kind, _, size = struct.unpack(">BHI", head)
        yield kind, head + stream.read(size + 1)


def test_messages_that_a_response_has_overtaken_are_waited_for(broker, services, listen):
    services.declare("nova")
    with Overtaking(broker.port) as proxy:
        listener = listen(port=proxy.port, acking=False, timing=replace(QUICK, depth_poll=3600)).ready()
        assert listener.consumer.drained()
        proxy.is_on = True
        services.publish(b"server")
        assert not listener.consumer.drained()
        listener.wait_bodies([b"server"])
