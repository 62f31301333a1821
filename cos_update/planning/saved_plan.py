"""A plan that was looked at today and is to be posted tomorrow: its form in a file, and whether it is still the plan.

The file shows the plan to people and scripts as `diff --format json` does. What is compared later is a digest, which
also covers what that form leaves out, such as every field of a record that is to be made.
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
    """What must be the same when it is posted: the options that made it, the two ends, and the digest of its actions.

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
    """What tells the actions of one plan from those of any other, in hexadecimal; notices and counts do not matter."""
    text = json.dumps([_plain(action) for action in plan.actions], sort_keys=True, separators=(",", ":"))
    return hashlib.sha256(text.encode()).hexdigest()


def saved_plan_document(saved: SavedPlan, plan: Plan, projects: Mapping[str, Project]) -> dict[str, object]:
    """The file's contents, as JSON has them."""
    return {"saved_plan": 1, **dataclasses.asdict(saved), "plan": plan_document(plan, projects)}


def saved_plan_from(document: object) -> SavedPlan:
    """What a file holds. Raises CosUpdateError for what is no saved plan of this form."""
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
    raise CosUpdateError("This is no plan that was saved by `cos-update diff --out`.", "Make it with that command.")


def _plain(value: object) -> object:
    """The value in JSON's terms, without the fields of records that do not count when records are compared."""
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        return {field.name: _plain(getattr(value, field.name)) for field in dataclasses.fields(value) if field.compare}
    if isinstance(value, Mapping):
        return {str(key): _plain(item) for key, item in value.items()}
    if isinstance(value, set | frozenset):
        return sorted(map(str, value))
    if isinstance(value, Collection) and not isinstance(value, str | bytes):
        return [_plain(item) for item in value]
    return value if isinstance(value, str | int | float | None) else str(value)
