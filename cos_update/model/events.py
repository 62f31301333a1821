"""What a notification says: which object changed, never what it looks like now."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum


class Kind(StrEnum):
    """The kinds of object that a key can name."""

    SERVER = "server"
    STACK = "stack"
    VOLUME = "volume"
    NETWORK = "network"
    FLAVOR = "flavor"
    PROJECT = "project"


@dataclass(frozen=True, slots=True)
class Key:
    """One object that may have changed. `project_id` is "" where the event does not say it (flavors)."""

    kind: Kind
    id: str
    project_id: str = ""


@dataclass(frozen=True, slots=True)
class Event:
    """A parsed notification: its type, when it was sent (ISO 8601, as sent) and the keys it makes dirty.

    An event that concerns nothing of ours has no keys.
    """

    type: str
    timestamp: str = ""
    keys: tuple[Key, ...] = ()
