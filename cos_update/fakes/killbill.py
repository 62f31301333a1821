"""The fake Killbill: custom fields and subscriptions, for looking up orders of racks.

As with the real one, every request identifies the tenant by two headers and a user by basic authentication, and a
search finds custom fields of all types, by any part of their name or value.
"""

from __future__ import annotations

import base64
import uuid
from dataclasses import dataclass, field

from aiohttp import web

from cos_update.fakes.wire import Wire

API = "/1.0/kb"


@dataclass
class Subscription:
    """A subscription; `fields` are its custom fields."""

    id: str
    bundle_id: str
    state: str = "ACTIVE"
    fields: dict[str, str] = field(default_factory=dict)


class KillbillApp:
    """`subscriptions` may be changed at any time, even while it is served. Secrets: admin, password, key, secret."""

    name = "killbill"

    def __init__(self) -> None:
        self.url = ""
        self.wire = Wire(lambda _: self.name)
        self.subscriptions: dict[str, Subscription] = {}

    def order(self, stack_id: str, state: str = "ACTIVE") -> Subscription:
        """Adds the subscription of a stack, as the billing service does."""
        made = Subscription(str(uuid.uuid4()), str(uuid.uuid4()), state, {"openstack_stack_id": stack_id})
        self.subscriptions[made.id] = made
        return made

    @property
    def section(self) -> dict[str, str]:
        """Its section of config.yaml."""
        return {
            "api_host": self.url,
            "username": "admin",
            "password": "password",
            "apikey": "key",
            "apisecret": "secret",
            "plan_name": "openstack-standard-monthly",
        }

    def build(self) -> web.Application:
        """A new application over the state."""
        application = self.wire.application()
        application.router.add_get(API + "/customFields/search/{key}", self._search)
        application.router.add_get(API + "/subscriptions/{id}", self._subscription)
        return application

    async def _search(self, request: web.Request) -> web.Response:
        _admit(request)
        key = request.match_info["key"]
        limit = int(request.query.get("limit", "100"))
        found = [
            {
                "customFieldId": str(uuid.uuid5(uuid.NAMESPACE_OID, f"{item.id} {name}")),
                "objectId": item.id,
                "objectType": "SUBSCRIPTION",
                "name": name,
                "value": value,
                "auditLogs": [],
            }
            for item in self.subscriptions.values()
            for name, value in item.fields.items()
            if key in name or key in value
        ]
        return web.json_response(found[:limit])

    async def _subscription(self, request: web.Request) -> web.Response:
        _admit(request)
        item = self.subscriptions.get(request.match_info["id"])
        if item is None:
            return web.json_response({"message": "Object does not exist"}, status=404)
        return web.json_response({"subscriptionId": item.id, "bundleId": item.bundle_id, "state": item.state})


def _admit(request: web.Request) -> None:
    login = base64.b64encode(b"admin:password").decode()
    tenant = request.headers.get("X-Killbill-ApiKey"), request.headers.get("X-Killbill-ApiSecret")
    if request.headers.get("Authorization") != f"Basic {login}" or tenant != ("key", "secret"):
        raise web.HTTPUnauthorized
