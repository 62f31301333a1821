"""Notifications about servers, derived from real ones of Nova."""

from __future__ import annotations

import json
from collections.abc import Mapping
from datetime import UTC, datetime
from functools import cache
from typing import Any

from .programs import ROOT

FIXTURE = ROOT / "tests" / "fixtures" / "notifications.jsonl"
TYPES = {"compute.instance.update": "notifications.info", "instance.update": "versioned_notifications.info"}
"""Nova's two words for "this server has changed", and the routing key of each."""


def event(server: Mapping[str, str], number: int) -> tuple[str, bytes]:
    """A routing key and a message about a server (its `id` and `project_id`), of the one or the other type by turns."""
    names = list(TYPES)
    name = names[number % len(names)]
    envelope, old_id, old_project = _template(name)
    body = envelope.replace(old_id, server["id"]).replace(old_project, server["project_id"])
    return TYPES[name], body.replace("@now@", f"{datetime.now(UTC):%Y-%m-%d %H:%M:%S.%f}").encode()


@cache
def _template(name: str) -> tuple[str, str, str]:
    """A captured message of that type, with its server's id and project's id."""
    for line in FIXTURE.read_text().splitlines():
        envelope: dict[str, Any] = json.loads(json.loads(line)["body"])
        message: dict[str, Any] = json.loads(envelope["oslo.message"])
        if message["event_type"] == name:
            payload = message["payload"].get("nova_object.data", message["payload"])
            message["timestamp"] = "@now@"
            envelope["oslo.message"] = json.dumps(message)
            return json.dumps(envelope), payload.get("uuid") or payload["instance_id"], payload["tenant_id"]
    raise LookupError(f"{FIXTURE} has no {name}")
