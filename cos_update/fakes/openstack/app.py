"""The fake OpenStack: all its services on one port."""

from __future__ import annotations

from aiohttp import web

from cos_update.fakes.openstack.churn import Churn
from cos_update.fakes.openstack.cinder import Cinder
from cos_update.fakes.openstack.heat import Heat
from cos_update.fakes.openstack.keystone import Keystone
from cos_update.fakes.openstack.neutron import Neutron
from cos_update.fakes.openstack.nova import Nova
from cos_update.fakes.openstack.service import Service
from cos_update.fakes.openstack.state import CloudState
from cos_update.fakes.openstack.tokens import Tokens
from cos_update.fakes.wire import CONTROL, Wire

SERVICES: tuple[type[Service], ...] = (Keystone, Tokens, Nova, Heat, Cinder, Neutron)
NAME_OF = {service.prefix: service.name for service in SERVICES}


class OpenStackApp:
    """Serves a cloud's state. In the wire's records its services are keystone, nova, heat, cinder and neutron.

    The state is changed from its own process, or over HTTP: `POST /_sandbox/churn` (see `Churn`).
    """

    name = "openstack"

    def __init__(self, state: CloudState | None = None) -> None:
        self.state = state if state is not None else CloudState()
        self.url = ""
        self.wire = Wire(lambda path: NAME_OF.get("/" + path.split("/")[1], "openstack"))
        self._services = [service(self.state, lambda: self.url) for service in SERVICES]

    @property
    def auth_url(self) -> str:
        """The `auth_url` for clients."""
        return f"{self.url}{Keystone.prefix}/v3"

    def build(self) -> web.Application:
        """A new application over the state."""
        application = self.wire.application()
        for service in self._services:
            service.add_routes(application.router)
        application.router.add_post(CONTROL + "churn", Churn(self.state).serve)
        return application
