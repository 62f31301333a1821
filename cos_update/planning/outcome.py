"""The outcomes of a plan's actions. Separate from the executor, which reports and observers need not know."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

from cos_update.model.concertim import Record
from cos_update.planning.plan import Action, Change


class Result(StrEnum):
    """The result of an action."""

    DONE = "done"
    REFUSED = "refused"
    """Concertim rejected it; retrying in this pass would not help."""
    STALE = "stale"
    """The object was gone: its rack must be read and planned again."""
    FAILED = "failed"
    """No usable response: it may or may not have been done."""
    SKIPPED = "skipped"
    """Not tried, because a prerequisite was missing or the work was stopped."""


@dataclass(frozen=True, slots=True)
class Outcome:
    """The outcome of one action. `record` is the object's current state in Concertim, if it exists and is known."""

    action: Action
    result: Result
    reason: str = ""
    record: Record | None = None
    dropped: tuple[Change, ...] = ()
    """Values that Concertim has accepted but not stored: from what it shows to what was sent."""
    is_fault: bool = False
    """Whether Concertim failed (5xx) rather than rejected it: another pass may succeed."""


@dataclass(frozen=True, slots=True)
class Applied:
    """All outcomes, and the stacks whose racks must be planned again (`stale`)."""

    outcomes: tuple[Outcome, ...] = ()
    stale: frozenset[str] = frozenset()
    stopped: str = ""
    """Why the rest was skipped, or ""."""
