"""Saved plans: the file format, and the check whether a plan is still current when it is applied.

The file contains the plan in the format of `diff --format json`, for people and scripts. The check uses a digest, which
also covers what that format omits, such as the fields of new records.
"""

from __future__ import annotations

import dataclasses
import hashlib
import json
from collections.abc import Collection, Mapping
from dataclasses import dataclass

from cos_update.model.errors import CosUpdateError
from cos_update.model.openstack import Project
from cos_update.planning.document import plan_document
from cos_update.planning.plan import Plan


@dataclass(frozen=True, slots=True)
class SavedPlan:
    """What must be unchanged when the plan is applied: options, addresses of both sides, and the digest of its actions.

    `openstack` is the address of Keystone, `concertim` that of the app.
    """

    digest: str
    openstack: str
    concertim: str
    projects: tuple[str, ...] = ()
    racks: tuple[str, ...] = ()
    allow_deletes: bool = False
    prune_unwatched: bool = False


def digest(plan: Plan) -> str:
    """A hexadecimal digest of a plan's actions, without notices and counts."""
    text = json.dumps([_plain(action) for action in plan.actions], sort_keys=True, separators=(",", ":"))
    return hashlib.sha256(text.encode()).hexdigest()


def saved_plan_document(saved: SavedPlan, plan: Plan, projects: Mapping[str, Project]) -> dict[str, object]:
    """The contents of the file, for JSON."""
    return {"saved_plan": 1, **dataclasses.asdict(saved), "plan": plan_document(plan, projects)}


def saved_plan_from(document: object) -> SavedPlan:
    """The saved plan from a file's contents. Raises CosUpdateError if it is not a saved plan of this format."""
    match document:
        case {
            "saved_plan": 1,
            "digest": str(found),
            "openstack": str(openstack),
            "concertim": str(concertim),
            "projects": [*projects],
            "racks": [*racks],
            "allow_deletes": bool(allow_deletes),
            "prune_unwatched": bool(prune_unwatched),
        }:
            names = tuple(map(str, projects)), tuple(map(str, racks))
            return SavedPlan(found, openstack, concertim, *names, allow_deletes, prune_unwatched)
    raise CosUpdateError("This is not a plan saved by `cos-update diff --out`.", "Create it with that command.")


def _plain(value: object) -> object:
    """The value for JSON, without the fields of records that are ignored in comparisons."""
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        return {field.name: _plain(getattr(value, field.name)) for field in dataclasses.fields(value) if field.compare}
    if isinstance(value, Mapping):
        return {str(key): _plain(item) for key, item in value.items()}
    if isinstance(value, set | frozenset):
        return sorted(map(str, value))
    if isinstance(value, Collection) and not isinstance(value, str | bytes):
        return [_plain(item) for item in value]
    return value if isinstance(value, str | int | float | None) else str(value)
