"""Structured fields of log lines, which `log_format: json` writes in addition to the message.

Pass them to a logger with `extra=extra(facts)`; `of` reads them from the log record.
"""

from __future__ import annotations

import logging
from collections.abc import Mapping

from cos_update.planning.outcome import Outcome
from cos_update.planning.plan import Change, Notice
from cos_update.planning.report import Report
from cos_update.planning.summary import OUTPUTS, value_text

_ATTRIBUTE = "facts"

Facts = Mapping[str, object]


def extra(facts: Facts) -> dict[str, Facts]:
    """The `extra` argument for a logger."""
    return {_ATTRIBUTE: facts}


def of(record: logging.LogRecord) -> Facts:
    """The facts of a record; empty if it has only a message."""
    found: Facts = getattr(record, _ATTRIBUTE, {})
    return found


def outcome_facts(outcome: Outcome) -> Facts:
    """The outcome of an action on one object, with the reason if it failed."""
    action = outcome.action
    return {
        "action": action.verb.value,
        "result": outcome.result.value,
        "kind": action.kind.label,
        "name": action.name,
        "rack": action.rack_name or None,
        "openstack_id": action.openstack_id or None,
        "concertim_id": (outcome.record.id if outcome.record else action.concertim_id) or None,
        "reason": outcome.reason or action.why or None,
        "changes": [_change(change) for change in action.changes],
    }


def notice_facts(notice: Notice) -> Facts:
    """A notice: an object that was left alone or is reported."""
    return {
        "notice": notice.kind.value,
        "kind": str(notice.subject),
        "name": notice.name,
        "openstack_id": notice.openstack_id or None,
        "reason": notice.text,
    }


def report_facts(report: Report) -> Facts:
    """One pass in numbers."""
    return {
        "exit_code": int(report.exit_code),
        "seconds": round(report.seconds, 3),
        **{verb.past: count for verb, count in report.done.items()},
        "refused": len(report.refused),
        "held_back": report.held,
        "left_alone": len(report.troubles),
        "in_step": report.in_step,
    }


def _change(change: Change) -> dict[str, object]:
    """A change, without the values of stack outputs, which may contain passwords."""
    if change.field in OUTPUTS:
        return {"field": change.field}
    return {"field": change.field, "old": value_text(change.old), "new": value_text(change.new)}
