"""Whatever the bus delivers, the result is an event or MalformedNotification, and nothing else."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st

from cos_update.model.errors import MalformedNotification
from cos_update.model.events import Event
from cos_update.openstack.notifications import LONGEST_ID, parse

FIXTURE = Path(__file__).parents[2] / "fixtures" / "notifications.jsonl"
BODIES = [json.loads(line)["body"].encode() for line in FIXTURE.read_text().splitlines()]
TYPES = sorted({parse(body).type for body in BODIES})

JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=30),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=12), inner, max_size=4),
    max_leaves=12,
)
NAMES = st.sampled_from(
    [
        "instance_id",
        "instance_uuid",
        "uuid",
        "tenant_id",
        "project_id",
        "volume_id",
        "volume_attachment",
        "stack_identity",
        "network",
        "subnet",
        "port",
        "floatingip",
        "port_details",
        "device_id",
        "device_owner",
        "floating_ip_address",
        "nova_object.data",
        "request_spec",
        "flavorid",
        "project",
        "resource_info",
        "instance_properties",
        "id",
        "network_id",
        "ports",
    ]
)
PAYLOADS = st.recursive(
    JSON, lambda inner: st.dictionaries(NAMES, inner, max_size=5) | st.lists(inner, max_size=3), max_leaves=15
)


def answers(body: bytes) -> None:
    try:
        event = parse(body)
    except MalformedNotification:
        return
    assert isinstance(event, Event)
    for key in event.keys:
        assert len(key.id) <= LONGEST_ID
        assert not set("/?#%\\\n\0") & set(key.id + key.project_id)
        (key.id + key.project_id).encode()
    (event.type + event.timestamp).encode()
    hash(event)


@settings(max_examples=300)
@given(st.binary(max_size=300))
def test_random_bytes(body: bytes) -> None:
    answers(body)


@settings(max_examples=300)
@given(JSON)
def test_random_json(value: object) -> None:
    answers(json.dumps(value).encode())


@settings(max_examples=500)
@given(st.sampled_from(TYPES), PAYLOADS, st.booleans())
def test_random_payloads_of_real_types(event_type: str, payload: object, wrapped: bool) -> None:
    message = {"event_type": event_type, "payload": payload}
    answers(json.dumps({"oslo.message": json.dumps(message)} if wrapped else message).encode())


def fields(value: Any) -> Iterator[tuple[Any, Any]]:
    """Every container in a message, with each of its keys or indexes."""
    for name in value if isinstance(value, dict) else range(len(value)) if isinstance(value, list) else ():
        yield value, name
        yield from fields(value[name])


@settings(max_examples=500)
@given(
    st.sampled_from(BODIES), st.integers(0), PAYLOADS | st.sampled_from(["", "\0", "a/b", "\ud800", "x" * 300, 10**400])
)
def test_real_messages_with_any_one_field_of_another_kind(body: bytes, number: int, value: object) -> None:
    message = json.loads(json.loads(body)["oslo.message"])
    places = list(fields(message))
    container, name = places[number % len(places)]
    container[name] = value
    answers(json.dumps(message).encode())


@settings(max_examples=500)
@given(st.sampled_from(BODIES), st.lists(st.tuples(st.integers(0), st.integers(0, 7)), min_size=1, max_size=8))
def test_real_messages_with_bits_flipped(body: bytes, flips: list[tuple[int, int]]) -> None:
    broken = bytearray(body)
    for position, bit in flips:
        broken[position % len(broken)] ^= 1 << bit
    answers(bytes(broken))


@settings(max_examples=100)
@given(st.sampled_from(BODIES), st.integers(0))
def test_real_messages_cut_short(body: bytes, end: int) -> None:
    answers(body[: end % len(body)])
