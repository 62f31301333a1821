"""The tests publish what OpenStack's services would: messages about exactly the given objects."""

from __future__ import annotations

import pytest
from bus import TYPES, captured, message, notification

from cos_update.model.events import Key
from cos_update.model.kinds import ResourceKind
from cos_update.openstack.notifications import parse

PROJECT = "0123456789abcdef0123456789abcdef"


def of(kind: ResourceKind, number: int = 0) -> Key:
    return Key(kind, f"{kind}-{number}", "" if kind in (ResourceKind.FLAVOR, ResourceKind.PROJECT) else PROJECT)


@pytest.mark.parametrize("bare", [False, True])
@pytest.mark.parametrize(("kind", "event_type"), [(kind, each) for kind, types in TYPES.items() for each in types])
def test_a_message_names_its_object_and_no_other(kind: ResourceKind, event_type: str, bare: bool) -> None:
    event = parse(message(event_type, of(kind), bare=bare).body)
    assert (event.type, event.keys) == (event_type, (of(kind),))


@pytest.mark.parametrize(
    ("event_type", "keys"),
    [
        ("compute.instance.volume.attach", (of(ResourceKind.SERVER), of(ResourceKind.VOLUME))),
        ("instance.volume_detach.end", (of(ResourceKind.SERVER), of(ResourceKind.VOLUME))),
        ("volume.attach.end", (of(ResourceKind.VOLUME), of(ResourceKind.SERVER))),
        ("port.update.end", (of(ResourceKind.SERVER),)),
        ("floatingip.create.end", (of(ResourceKind.SERVER),)),
    ],
)
def test_a_message_may_name_what_is_attached_or_addressed(event_type: str, keys: tuple[Key, ...]) -> None:
    assert parse(message(event_type, *keys).body).keys == keys


def test_a_message_goes_where_its_service_sends_it() -> None:
    assert {
        event_type: (item.exchange, item.routing_key)
        for event_type, item in captured().items()
        if event_type in ("instance.update", "orchestration.stack.create.error", "volume.update.end")
    } == {
        "instance.update": ("nova", "versioned_notifications.info"),
        "orchestration.stack.create.error": ("heat", "notifications.error"),
        "volume.update.end": ("openstack", "notifications.info"),
    }


def test_many_messages_about_an_object_are_of_all_its_types_in_both_envelopes() -> None:
    bodies = [notification(of(ResourceKind.SERVER), number).body for number in range(12)]
    assert {parse(body).type for body in bodies} == set(TYPES[ResourceKind.SERVER])
    assert {b"oslo.message" in body for body in bodies} == {True, False}
