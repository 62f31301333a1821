"""The content of a notification: which object changed, never its new state."""

from __future__ import annotations

from dataclasses import dataclass

from cos_update.model.kinds import ResourceKind


@dataclass(frozen=True, slots=True)
class Key:
    """One object that may have changed. `project_id` is "" if the event lacks it (flavors).

    For a project the id may be "": any project may have become watched or unwatched. For a floating IP that no longer
    has a server, it is the address.
    """

    kind: ResourceKind
    id: str
    project_id: str = ""


@dataclass(frozen=True, slots=True)
class Event:
    """A parsed notification: its type, when it was sent (ISO 8601, as sent) and the keys that it makes dirty.

    An irrelevant event has no keys. `lags`: the object shows the change only some seconds later, since Nova learns of
    changed ports and floating IPs from Neutron.
    """

    type: str
    timestamp: str = ""
    keys: tuple[Key, ...] = ()
    lags: bool = False
