"""The creations of a cold pass, as a script that a bare client can repeat against another, empty Concertim."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from copy import deepcopy
from typing import Any

from .bare import Bare

RACK, TEMPLATE = "@rack@", "@template@"
"""What stands in a device's body for ids that are known only when they are made."""


def script_of(recorded: Sequence[Mapping[str, Any]], client: Bare, fresh: Bare) -> dict[str, Any]:
    """The script of the creations among `recorded`, whose ids `client`'s Concertim tells, for `fresh`'s.

    What the pass did besides is left out: it was not necessary. Raises ValueError when something was created twice.
    """
    made = [item for item in recorded if item["method"] == "POST" and item["status"] == 200]
    templates = {item["id"]: _key(item) for item in json.loads(client.get("/api/v1/templates"))}
    racks = {item["id"]: item["metadata"].get("openstack_stack_id") for item in json.loads(client.get("/api/v1/racks"))}
    devices: dict[str, list[tuple[str, str]]] = {stack_id: [] for stack_id in racks.values() if stack_id}
    for body in _bodies(made, "/nodes"):
        location = body["device"]["location"]
        stack_id, key = racks[location["rack_id"]], templates[body["template_id"]]
        location["rack_id"], body["template_id"] = RACK, TEMPLATE
        devices[stack_id].append((key, json.dumps(body)))
    projects = {team["id"]: team["project_id"] for team in json.loads(client.get("/api/v1/teams"))}
    teams = {team["project_id"]: team["id"] for team in json.loads(fresh.get("/api/v1/teams"))}
    plans = []
    for body in _bodies(made, "/racks"):
        rack = body["rack"]
        rack["team_id"] = teams[projects[rack["team_id"]]]
        plans.append({"body": json.dumps(body), "devices": devices.pop(rack["metadata"]["openstack_stack_id"])})
    new = [(_key(body["template"]), json.dumps(body)) for body in _bodies(made, "/templates")]
    known = {_key(item): item["id"] for item in json.loads(fresh.get("/api/v1/templates"))}
    return {"known": known, "templates": _single(new), "racks": plans}


def _bodies(made: Iterable[Mapping[str, Any]], end: str) -> Iterable[dict[str, Any]]:
    return (deepcopy(item["body"]) for item in made if item["path"].endswith(end))


def _key(template: Mapping[str, Any]) -> str:
    return str(template.get("foreign_id") or f"tag:{template.get('tag')}")


def _single(templates: Sequence[tuple[str, str]]) -> Sequence[tuple[str, str]]:
    if len(dict(templates)) != len(templates):
        raise ValueError("a template was created twice")
    return templates
