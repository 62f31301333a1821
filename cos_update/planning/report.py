"""The report of an executed plan: the resulting state of Concertim, the totals, and the exit code.

Separate from `outcome`, so that the executor does not depend on reports.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Iterable
from dataclasses import dataclass, replace
from typing import Any

from cos_update.model.concertim import Actual, Device, Rack, Record, Template
from cos_update.model.exit_codes import ExitCode
from cos_update.planning.outcome import Applied, Outcome, Result
from cos_update.planning.plan import REPORTED_ONCE, Action, Notice, NoticeKind, Plan, Verb

_COUNTED = {
    NoticeKind.NO_OWNER: "watched projects without a team",
    NoticeKind.OTHER_OWNER: "racks in another team",
    NoticeKind.DISABLED: "disabled projects",
}


def after(actual: Actual, outcomes: Iterable[Outcome]) -> Actual:
    """`actual` after the outcomes."""
    records: dict[type[Record], dict[str, Any]] = {
        Template: dict(actual.templates),
        Rack: dict(actual.racks),
        Device: dict(actual.devices),
    }
    for outcome in outcomes:
        if outcome.record is not None:
            records[type(outcome.record)][outcome.record.id] = outcome.record
        elif _is_gone(outcome):
            records[type(outcome.action.record)].pop(outcome.action.concertim_id, None)
    return replace(actual, templates=records[Template], racks=records[Rack], devices=records[Device])


def _is_gone(outcome: Outcome) -> bool:
    removed = outcome.action.verb is Verb.REMOVE and outcome.result is Result.DONE
    return removed or outcome.result is Result.STALE


@dataclass(frozen=True, slots=True)
class Report:
    """The report of one pass. `seconds` is its duration."""

    outcomes: tuple[Outcome, ...]
    notices: tuple[Notice, ...]
    held: int
    in_step: int
    seconds: float
    stopped: str = ""
    news: tuple[Notice, ...] = ()
    """The new ones among the notices that are reported once."""
    stale: int = 0
    """The number of racks that another process was posting to, even at the last attempt."""
    cloud: str = ""
    """How the cloud was read, as text."""

    @property
    def done(self) -> Counter[Verb]:
        """The number of actions done, by verb."""
        return Counter(o.action.verb for o in self.outcomes if o.result is Result.DONE)

    @property
    def refused(self) -> tuple[Outcome, ...]:
        """The actions that Concertim rejected."""
        return tuple(o for o in self.outcomes if o.result is Result.REFUSED)

    @property
    def not_stored(self) -> tuple[Outcome, ...]:
        """The creations of which Concertim has not stored everything."""
        return tuple(o for o in self.outcomes if o.result is Result.DONE and o.dropped)

    @property
    def undone(self) -> tuple[Outcome, ...]:
        """The actions that were not done, for whatever reason."""
        return tuple(o for o in self.outcomes if o.result is not Result.DONE)

    @property
    def troubles(self) -> tuple[Notice, ...]:
        """Notices that leave work."""
        return tuple(notice for notice in self.notices if notice.leaves_work)

    @property
    def exit_code(self) -> ExitCode:
        """The exit code of this pass."""
        if self.held:
            return ExitCode.HELD_BACK
        in_part = self.undone or self.not_stored or self.troubles or self.stopped or self.stale
        return ExitCode.IN_PART if in_part else ExitCode.DONE

    @property
    def is_unanswered(self) -> bool:
        """Whether a side gave no usable response for some of it, so that another pass may do what this one could not.

        What Concertim rejects, or what max_deletes holds back, is not of this kind.
        """
        unread = any(notice.kind in (NoticeKind.UNREAD, NoticeKind.UNCONFIRMED) for notice in self.notices)
        undone = any(outcome.result is not Result.REFUSED or outcome.is_fault for outcome in self.undone)
        return bool(unread or undone or self.stopped or self.stale)

    @property
    def is_quiet(self) -> bool:
        """Whether there is nothing to report: nothing was posted, nothing went wrong and nothing is new."""
        return not self.outcomes and not self.news and self.exit_code is ExitCode.DONE

    def __str__(self) -> str:
        done = self.done
        parts = [f"{done[verb]} {verb.past}" for verb in Verb if done[verb]]
        text = f"{sum(done.values())} posted"
        text += f" ({', '.join(parts)})" if parts else ""
        text += f", {len(self.refused)} refused"
        text += f", {len(self.not_stored)} not stored in full" if self.not_stored else ""
        not_done = len(self.undone) - len(self.refused)
        text += f", {not_done} not done" if not_done else ""
        text += f", {self.held} removals held back" if self.held else ""
        text += f", {self.stale} racks left to another process" if self.stale else ""
        kinds = Counter(notice.kind for notice in self.notices)
        for kind, words in _COUNTED.items():
            text += f", {kinds[kind]} {words}" if kinds[kind] else ""
        left = len(self.troubles)
        text += f", {left} left alone" if left else ""
        text += f", in {self.seconds:.1f} s"
        return f"{text}; {self.cloud}" if self.cloud else text


def report(plan: Plan, applied: Applied, seconds: float, reported: Collection[str] = (), cloud: str = "") -> Report:
    """The report of an executed plan; `reported` has the keys of notices in earlier reports."""
    return Report(
        outcomes=applied.outcomes,
        notices=plan.all_notices,
        held=len(plan.held),
        in_step=plan.in_step,
        seconds=seconds,
        stopped=applied.stopped,
        news=tuple(n for n in plan.all_notices if n.kind in REPORTED_ONCE and n.key not in reported),
        stale=len(applied.stale),
        cloud=cloud,
    )


def forecast(plan: Plan) -> str:
    """One line of totals for a plan that was not executed."""
    verbs = Counter(action.verb for action in plan.actions)
    left = sum(notice.leaves_work for notice in plan.all_notices)
    text = f"{verbs[Verb.CREATE]} to create, {verbs[Verb.UPDATE]} to change, {verbs[Verb.REMOVE]} to remove"
    text += f", {len(plan.held)} removals held back" if plan.held else ""
    text += f", {left} left alone" if left else ""
    return f"{text}; {plan.in_step} in step."


def plan_exit_code(plan: Plan) -> ExitCode:
    """The exit code of `diff` for a plan that was not posted."""
    if plan.held:
        return ExitCode.HELD_BACK
    return ExitCode.IN_PART if any(notice.leaves_work for notice in plan.all_notices) else ExitCode.DONE


def merged(first: Applied, second: Applied) -> Applied:
    """Combines two executions: the second one handled what was stale in the first."""
    kept = tuple(outcome for outcome in first.outcomes if outcome.result is not Result.STALE)
    return Applied(kept + second.outcomes, second.stale, first.stopped or second.stopped)


def first_words(report_: Report) -> str:
    """The most important detail of a pass that went wrong, for a cron mail: a rejected object, or a notice."""
    for outcome in (*report_.undone, *report_.not_stored):
        return f"{describe(outcome.action)} ({outcome.reason})"
    heavy = [n for n in report_.notices if n.leaves_work or n.kind is NoticeKind.HELD_BACK]
    for notice in (*heavy, *report_.news):
        return f"{notice.subject} {notice.name}: {notice.text}"
    return ""


def describe(action: Action) -> str:
    """An action's object: kind, name and, for a device, its rack."""
    return f"{action.kind.label} {located(action)}"


def located(action: Action) -> str:
    """The name of an action's object and, for a device, its rack."""
    return f"{action.name} in {action.rack_name}" if action.rack_name else action.name
