"""Changes on demand: benchmarks start and stop servers over HTTP."""

from __future__ import annotations

import random

from aiohttp import web

from cos_update.fakes.openstack.records import Server
from cos_update.fakes.openstack.state import CloudState

OTHER = {"active": "stopped", "stopped": "active"}


class Churn:
    """Starts stopped servers and stops active ones, each server once before any of them a second time."""

    def __init__(self, state: CloudState) -> None:
        self._state = state
        self._waiting: list[str] = []

    async def serve(self, request: web.Request) -> web.Response:
        """POST {"count": 100}: changes this many servers across the cloud; the response has the main fields of each."""
        servers = self.turn(int((await request.json())["count"]))
        shown = [
            {"id": item.id, "project_id": item.project_id, "user_id": item.user_id, "name": item.name,
             "state": item.vm_state}
            for item in servers
        ]  # fmt: skip
        return web.json_response({"servers": shown})

    def turn(self, count: int) -> list[Server]:
        """Changes `count` servers, or all that are active or stopped."""
        turned: list[Server] = []
        with self._state.lock:
            if len(self._waiting) < count:
                able = [item.id for item in self._state.servers.values() if item.vm_state in OTHER]
                random.Random(0).shuffle(able)  # noqa: S311
                self._waiting = able
            while self._waiting and len(turned) < count:
                server = self._state.servers.get(self._waiting.pop())
                if server is not None and server.vm_state in OTHER:
                    self._state.set_server_state(server, OTHER[server.vm_state])
                    turned.append(server)
        return turned
