"""The outcome of each action of a plan, apart from the executor: reports and observers need not know who acts."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

from cos_update.model.concertim import Record
from cos_update.planning.plan import Action, Change


class Result(StrEnum):
    """What became of an action."""

    DONE = "done"
    REFUSED = "refused"
    """Concertim refused it; another try in this pass would not help."""
    STALE = "stale"
    """The object was gone: its rack must be read and planned again."""
    FAILED = "failed"
    """No usable answer: it may or may not have been done."""
    SKIPPED = "skipped"
    """Not tried, because something it needs was not there or the work was stopped."""


@dataclass(frozen=True, slots=True)
class Outcome:
    """One action and what became of it. `record` is the object as Concertim has it now, if it has and we know."""

    action: Action
    result: Result
    reason: str = ""
    record: Record | None = None
    dropped: tuple[Change, ...] = ()
    """What Concertim has accepted and not stored: from what it shows to what was sent."""


@dataclass(frozen=True, slots=True)
class Applied:
    """All outcomes, and the stacks whose racks must be planned again (`stale`)."""

    outcomes: tuple[Outcome, ...] = ()
    stale: frozenset[str] = frozenset()
    stopped: str = ""
    """Why the rest was not tried, or ""."""
