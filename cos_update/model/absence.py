"""The result of requesting an object that is missing from a listing from OpenStack by id."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

from cos_update.model.openstack import Server


class Presence(StrEnum):
    """Whether an object exists."""

    GONE = "gone"
    """The service returned 404 for the object's id, in the object's own project."""
    EXISTS = "exists"
    UNKNOWN = "unknown"
    """The request failed, or too many objects were missing to request each."""


@dataclass(frozen=True, slots=True)
class AbsenceCheck:
    """Whether one object exists; `reason` tells people why that is unknown."""

    presence: Presence
    reason: str = ""
    soft_deleted: Server | None = None
    """The server, if it is missing from Nova's listing because it was soft-deleted."""
