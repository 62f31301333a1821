"""Compares teams with watched projects, which needs both sides. Their checks record what they read."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field

from cos_update.model.concertim import Owner, Rack
from cos_update.model.openstack import Project, Stack
from cos_update.preflight.finding import Finding, ok, warn

_SHOWN = 5
"""Maximum number of projects and racks to list by name."""


@dataclass(slots=True)
class Seen:
    """What the checks of both sides have read; None: not read. `word` is the app's term for owners."""

    projects: Mapping[str, Project] | None = None
    stacks: Mapping[str, Stack] = field(default_factory=dict)
    owners: tuple[Owner, ...] | None = None
    racks: tuple[Rack, ...] = ()
    word: str = "teams"


def owners(seen: Seen) -> Iterator[Finding]:
    """Whether each watched project has a team, and each rack is in the team of its stack's project."""
    if seen.projects is None or seen.owners is None:
        return
    standing = {owner.project_id for owner in seen.owners if owner.project_id}
    missing = sorted(f"{p.name} ({p.id})" for p in seen.projects.values() if p.id not in standing)
    if missing:
        text = f"{len(missing)} of {len(seen.projects)} watched projects have none: {_few(missing)}"
        yield warn(seen.word, text, f"their stacks are not shown: give {seen.word} these project ids")
    elif seen.projects:
        yield ok(seen.word, f"each of {len(seen.projects)} watched projects has its own")
    by_id = {owner.id: owner for owner in seen.owners}
    wrong = sorted(text for rack in seen.racks if (text := _misplaced(rack, by_id, seen)))
    if wrong:
        text = f"{len(wrong)} racks are in another one than their stack's project's: {_few(wrong)}"
        yield warn(seen.word, text, "correct the project ids (were two swapped?); racks cannot change owners")


def _misplaced(rack: Rack, owners_: Mapping[str, Owner], seen: Seen) -> str:
    stack, owner = seen.stacks.get(rack.stack_id), owners_.get(rack.owner_id)
    if stack is None or owner is None or owner.project_id == stack.project_id:
        return ""
    return f"{rack.name} in {owner.name}, which is for {owner.project_id or 'no project'}"


def _few(items: list[str]) -> str:
    more = f" and {len(items) - _SHOWN} more" if len(items) > _SHOWN else ""
    return f"{', '.join(items[:_SHOWN])}{more}"
