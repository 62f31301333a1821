"""Stand-ins for OpenStack and Concertim over real HTTP on the loopback interface.

For `cos-update demo`, the tests and the benchmarks. Needs the extra `sandbox`; the product never imports it.
"""

from cos_update.fakes.server import Sandbox, StandIn
from cos_update.fakes.wire import Fault, FaultKind, Recorded, Wire

__all__ = ["Fault", "FaultKind", "Recorded", "Sandbox", "StandIn", "Wire"]
