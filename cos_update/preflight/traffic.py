"""Counts notifications by service for a while."""

from __future__ import annotations

import time
from collections import Counter

import pika

from cos_update.model.errors import MalformedNotification
from cos_update.openstack.notifications import parse
from cos_update.preflight.finding import Finding, ok, warn

_SERVICES = {
    "Nova": {"aggregate", "compute", "compute_task", "flavor", "instance", "keypair", "scheduler", "servergroup"},
    "Heat": {"orchestration"},
    "Cinder": {"backup", "group", "group_snapshot", "snapshot", "volume", "volume_type"},
    "Neutron": {"floatingip", "network", "port", "router", "security_group", "security_group_rule", "subnet"},
    "Keystone": {"identity"},
}
"""The first words of the services' event types, since several services may share an exchange."""
_ROUND = 1.0
"""Seconds to process connection events at a time."""


def traffic(connection: pika.BlockingConnection, queue: str, seconds: float) -> Finding:
    """Consumes `queue` for that long, and reports the number of notifications by service. Raises pika's exceptions."""
    seen: Counter[str] = Counter()
    channel = connection.channel()
    channel.basic_consume(
        queue, lambda _, method, __, body: seen.update([_publisher(method.exchange, body)]), auto_ack=True
    )
    until = time.monotonic() + seconds
    while (left := until - time.monotonic()) > 0:
        connection.process_data_events(time_limit=min(left, _ROUND))
    if not seen:
        fix = "wait longer, while something changes in the cloud; if none arrive, make sure that the services publish"
        return warn("notifications", f"none received in {seconds:g} s", f"{fix} (driver = messagingv2)")
    counts = ", ".join(f"{count} from {publisher}" for publisher, count in seen.most_common())
    return ok("notifications", f"received in {seconds:g} s: {counts}")


def _publisher(exchange: str, body: bytes) -> str:
    """The name of the service that sent a message, or else of its exchange."""
    try:
        word = parse(body).type.partition(".")[0]
    except MalformedNotification:
        return f"the exchange {exchange} (malformed)"
    return next((service for service, words in _SERVICES.items() if word in words), f"the exchange {exchange}")
