"""The floor of a pass: only the necessary requests, with the responses discarded.

Its task, on stdin: `openstack` and `concertim` (where they are); `per_stack`, what is asked of Heat for each stack, and
`listings`, what is asked of Concertim (without `per_stack` nothing is read); `script`, a file of what is created (see
`script`); `patches`, what is changed, as [path, body]; and how much goes on at once, `cloud_concurrency` and
`concurrency`. Prints the seconds that the patches took.
"""

from __future__ import annotations

import json
import sys
import time
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

from .bare import Bare, concertim_client, read_cloud, read_concertim, together
from .script import RACK, TEMPLATE


def main() -> None:
    """Does the task."""
    task = json.load(sys.stdin)
    client = concertim_client(task["concertim"])
    if "per_stack" in task:
        together(
            lambda: read_cloud(task["openstack"], tuple(task["per_stack"]), task["cloud_concurrency"]),
            lambda: read_concertim(client, tuple(task["listings"])),
        )
    if "script" in task:
        create(client, json.loads(Path(task["script"]).read_text()), task["concurrency"])
    began = time.perf_counter()
    if "patches" in task:
        patch(client, task["patches"], task["concurrency"])
    json.dump({"patches": time.perf_counter() - began}, sys.stdout)


def create(client: Bare, script: Mapping[str, Any], concurrency: int) -> None:
    """Creates the templates, then the racks concurrently; the devices of each rack in sequence."""
    ids: dict[str, str] = dict(script["known"])
    for key, body in script["templates"]:
        ids[key] = _created(client, "templates", body)

    def rack(plan: Mapping[str, Any]) -> None:
        rack_id = _created(client, "racks", plan["body"])
        for key, body in plan["devices"]:
            client.ask("POST", "/api/v1/nodes", body.replace(RACK, rack_id).replace(TEMPLATE, ids[key]).encode())

    with ThreadPoolExecutor(concurrency) as pool:
        list(pool.map(rack, script["racks"]))


def patch(client: Bare, patches: Sequence[tuple[str, Mapping[str, Any]]], concurrency: int) -> None:
    """Updates existing objects concurrently."""
    with ThreadPoolExecutor(concurrency) as pool:
        list(pool.map(lambda item: client.ask("PATCH", item[0], json.dumps(item[1]).encode()), patches))


def _created(client: Bare, kind: str, body: str) -> str:
    answer, _ = client.ask("POST", f"/api/v1/{kind}", body.encode())
    return str(json.loads(answer)["id"])


if __name__ == "__main__":
    main()
