"""Whatever the broker delivers: malformed messages are set aside with a reason, and all others are processed."""

from __future__ import annotations

import json
import random

import pytest
from bus import Message, captured
from deployment import Deployment

pytestmark = pytest.mark.broker

SERVER_UPDATE = "compute.instance.update"
LARGE = 5_000_000


def wrapped(message: object) -> bytes:
    """A message in oslo.messaging's envelope."""
    return json.dumps({"oslo.version": "2.0", "oslo.message": json.dumps(message)}).encode()


def update(**payload: object) -> bytes:
    """A server's update with this payload."""
    return wrapped({"event_type": SERVER_UPDATE, "payload": payload})


MALFORMED = {
    "nothing at all": b"",
    "not JSON": b"{'event_type': 'compute.instance.update'}",
    "half of a message": captured()[SERVER_UPDATE].body[:1000],
    "not UTF-8": b'{"event_type": "\xff\xfe"}',
    "UTF-16": json.dumps({"event_type": SERVER_UPDATE}).encode("utf-16"),
    "a list": b"[1, 2]",
    "a number": b"42",
    "null": b"null",
    "an envelope around no JSON": json.dumps({"oslo.message": "nonsense"}).encode(),
    "an envelope around a list": wrapped([]),
    "an envelope around a number": json.dumps({"oslo.message": 7}).encode(),
    "no type": wrapped({"payload": {}}),
    "a type that is a number": wrapped({"event_type": 7, "payload": {}}),
    "no payload": wrapped({"event_type": SERVER_UPDATE}),
    "a payload that is a text": wrapped({"event_type": SERVER_UPDATE, "payload": "server"}),
    "no id": update(tenant_id="f" * 32),
    "an id that is a list": update(instance_id=["x"], tenant_id="f" * 32),
    "an id that leads elsewhere": update(instance_id="../flavors", tenant_id="f" * 32),
    "an id of 10,000 characters": update(instance_id="x" * 10_000, tenant_id="f" * 32),
    "a project that is an object": update(instance_id="x", tenant_id={"id": "f" * 32}),
    "nested too deeply": b"[" * 100_000 + b"]" * 100_000,
    "5 MB of no JSON": b"x" * LARGE,
}
"""Bodies by what is wrong with them."""
ODD = {
    "an unknown type": wrapped({"event_type": "compute.instance.unheard_of", "payload": {"instance_id": "x"}}),
    "another service's": wrapped({"event_type": "dns.zone.create", "payload": None}),
    "a timestamp of another kind": wrapped({"event_type": "image.update", "timestamp": [1], "payload": {}}),
    "a server of no project": update(instance_id="00000000-0000-4000-8000-000000000000"),
    "a server that is not there": update(instance_id="00000000-0000-4000-8000-000000000000", tenant_id="f" * 32),
    "5 MB about nothing": wrapped({"event_type": "image.update", "payload": {"filler": "x" * LARGE}}),
}
"""Bodies that are well-formed and lead to nothing."""


def test_malformed_messages_are_set_aside_and_the_good_ones_between_them_are_acted_upon(deployment: Deployment) -> None:
    listener = deployment.consume()
    good = deployment.events(deployment.change(20, random.Random(0)))
    bad = [Message("nova", "notifications.info", body) for body in (*MALFORMED.values(), *ODD.values())]
    messages = good + bad
    random.Random(1).shuffle(messages)
    deployment.bus.publish_all(messages)
    deployment.settle()
    deployment.check()
    dead_letters = deployment.world.data_dir / "quarantine.jsonl"
    records = [json.loads(line) for line in dead_letters.read_text().splitlines()]
    assert sorted(record["size"] for record in records) == sorted(len(body) for body in MALFORMED.values())
    assert all(record["reason"] and record["exchange"] == "nova" for record in records)
    assert dead_letters.stat().st_mode & 0o777 == 0o600
    deployment.tell(deployment.change(5, random.Random(2)))
    deployment.settle()
    assert listener.end() == 0


def test_many_malformed_messages_do_not_fill_the_disk(deployment: Deployment) -> None:
    listener = deployment.consume()
    poison = [Message("nova", "notifications.info", b"x" * 60_000 + b"%d" % number) for number in range(400)]
    deployment.bus.publish_all(poison)
    deployment.tell(deployment.change(5, random.Random(3)))
    deployment.settle()
    folder = deployment.world.data_dir
    assert sum(path.stat().st_size for path in folder.glob("quarantine.jsonl*")) <= 10 * 1024 * 1024
    assert listener.end() == 0


def test_thousands_of_malformed_messages_are_a_few_lines_of_the_log(deployment: Deployment) -> None:
    listener = deployment.consume()
    kinds = (b"no JSON", b"[1]", wrapped({"payload": {}}), b"\xff")
    deployment.bus.publish_all(Message("nova", "notifications.info", kinds[number % 4]) for number in range(5000))
    deployment.wait_acked()
    assert listener.end() == 0
    logged = [line for line in deployment.log().splitlines() if "set aside" in line]
    assert len(logged) == 5
    assert "4996 more messages are set aside: 1249 of them: " in logged[-1]
