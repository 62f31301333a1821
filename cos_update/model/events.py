"""What a notification says: which object changed, never what it looks like now."""

from __future__ import annotations

from dataclasses import dataclass

from cos_update.model.kinds import ResourceKind


@dataclass(frozen=True, slots=True)
class Key:
    """One object that may have changed. `project_id` is "" where the event does not say it (flavors).

    Of a project the id may be "": any project may have begun or ceased to be watched. Of a floating IP, which leads to
    no server any more, it is the address.
    """

    kind: ResourceKind
    id: str
    project_id: str = ""


@dataclass(frozen=True, slots=True)
class Event:
    """A parsed notification: its type, when it was sent (ISO 8601, as sent) and the keys it makes dirty.

    An event that concerns nothing of ours has no keys. `lags` tells that the object itself shows the change only some
    seconds later: Nova learns of a port's or floating IP's change from Neutron.
    """

    type: str
    timestamp: str = ""
    keys: tuple[Key, ...] = ()
    lags: bool = False
