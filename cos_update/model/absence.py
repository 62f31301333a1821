"""What asking OpenStack for an object by its id has shown, when it was missing from a listing."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

from cos_update.model.openstack import Server


class Presence(StrEnum):
    """Whether an object is there."""

    GONE = "gone"
    """The service answered 404 to the object's own id, in the object's own project."""
    EXISTS = "exists"
    UNKNOWN = "unknown"
    """It could not be asked, or too many were missing to ask for each."""


@dataclass(frozen=True, slots=True)
class AbsenceCheck:
    """Whether one object is there; `reason` tells people why that is not known."""

    presence: Presence
    reason: str = ""
    soft_deleted: Server | None = None
    """The server itself, when it is there, and missing from Nova's listing because it was soft-deleted."""
