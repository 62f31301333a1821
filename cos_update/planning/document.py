"""A plan or report as JSON: plain containers with a schema number, stable across releases.

Separate from `summary`, whose wording may change.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from cos_update.model.openstack import Project
from cos_update.planning.outcome import Outcome
from cos_update.planning.plan import Action, Notice, NoticeKind, Plan, RackPlan, Verb
from cos_update.planning.report import Report

SCHEMA = 1


def plan_document(plan: Plan, projects: Mapping[str, Project]) -> dict[str, object]:
    """The plan for JSON: templates, racks with their actions in order, notices, held-back removals, totals."""
    return {
        "schema": SCHEMA,
        "templates": [_action(action) for action in (*plan.templates, *plan.last)],
        "racks": [
            _rack_plan(rack_plan, plan, projects)
            for rack_plan in plan.rack_plans
            if rack_plan.actions or rack_plan.notices
        ],
        "notices": [_notice(notice) for notice in plan.notices],
        "held_back": [_action(action) for action in plan.held],
        "totals": {
            **{verb.value: _count(plan.actions, verb) for verb in Verb},
            "held_back": len(plan.held),
            "left_alone": sum(notice.leaves_work for notice in plan.all_notices),
            "in_step": plan.in_step,
        },
    }


def report_document(report: Report) -> dict[str, object]:
    """The report of a pass for JSON."""
    done = report.done
    return {
        "schema": SCHEMA,
        "outcomes": [_outcome(outcome) for outcome in report.outcomes],
        "notices": [_notice(notice) for notice in report.notices],
        "totals": {
            **{verb.past: done[verb] for verb in Verb},
            "refused": len(report.refused),
            "not_done": len(report.undone) - len(report.refused),
            "held_back": report.held,
            "left_alone": len(report.troubles),
            "without_owner": sum(notice.kind is NoticeKind.NO_OWNER for notice in report.notices),
            "in_other_team": sum(notice.kind is NoticeKind.OTHER_OWNER for notice in report.notices),
            "in_step": report.in_step,
        },
        "cloud": report.cloud,
        "seconds": round(report.seconds, 3),
        "exit_code": int(report.exit_code),
    }


def _count(actions: Sequence[Action], verb: Verb) -> int:
    return sum(action.verb is verb for action in actions)


def _rack_plan(rack_plan: RackPlan, plan: Plan, projects: Mapping[str, Project]) -> dict[str, object]:
    project = projects.get(rack_plan.project_id)
    moved = [action for action in plan.first if action.concertim_id == rack_plan.rack_id]
    return {
        "rack": rack_plan.rack_name,
        "concertim_id": rack_plan.rack_id or None,
        "stack_id": rack_plan.stack_id,
        "project_id": rack_plan.project_id,
        "project": project.name if project else None,
        "owner": rack_plan.owner_name,
        "status": rack_plan.status,
        "new": rack_plan.new,
        "actions": [_action(action) for action in (*moved, *rack_plan.actions)],
        "notices": [_notice(notice) for notice in rack_plan.notices],
    }


def _action(action: Action) -> dict[str, object]:
    place = action.device.location if action.device else None
    return {
        "action": action.verb,
        "kind": action.kind.label,
        "name": action.name,
        "rack": action.rack_name or None,
        "openstack_id": action.openstack_id,
        "concertim_id": action.concertim_id or None,
        "changes": [{"field": c.field, "old": c.old, "new": c.new} for c in action.changes],
        "units": [place.start_u, place.end_u] if place else None,
        "why": action.why or None,
    }


def _outcome(outcome: Outcome) -> dict[str, object]:
    record = _action(outcome.action)
    if outcome.record is not None:
        record["concertim_id"] = outcome.record.id
    return {**record, "result": outcome.result, "reason": outcome.reason or None}


def _notice(notice: Notice) -> dict[str, object]:
    return {
        "notice": notice.kind,
        "kind": notice.subject,
        "name": notice.name,
        "openstack_id": notice.openstack_id or None,
        "text": notice.text,
    }
