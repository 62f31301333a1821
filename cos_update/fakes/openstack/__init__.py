"""A fake OpenStack (as Zed answers): Keystone v3, Nova v2.1, Heat v1, Cinder v3, Neutron v2.0, read-only.

Tests change the `CloudState` directly while an `OpenStackApp` serves it; there are no write calls.
"""

from cos_update.fakes.openstack.app import OpenStackApp
from cos_update.fakes.openstack.state import CloudState

__all__ = ["CloudState", "OpenStackApp"]
