"""The floor of one event: one GET of a server and one PATCH of its device, repeated in sequence.

Its task, on stdin: `openstack` and `concertim` (where they are), `servers` (ids) and `patches`, [path, body] for each.
Prints the seconds that each round took.
"""

from __future__ import annotations

import json
import sys
import time

from .bare import cloud_client, concertim_client


def main() -> None:
    """Does the task."""
    task = json.load(sys.stdin)
    cloud, _ = cloud_client(task["openstack"])
    concertim = concertim_client(task["concertim"])
    taken = []
    for server, (path, body) in zip(task["servers"], task["patches"], strict=True):
        began = time.perf_counter()
        cloud.get(f"/compute/v2.1/servers/{server}")
        concertim.ask("PATCH", path, json.dumps(body).encode())
        taken.append(time.perf_counter() - began)
    json.dump(taken, sys.stdout)


if __name__ == "__main__":
    main()
