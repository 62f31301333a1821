"""Fakes of OpenStack and Concertim over real HTTP on the loopback interface.

For `cos-update demo`, tests and benchmarks. Needs the extra `sandbox`; only `demo` imports it.
"""

from cos_update.fakes.server import FakeApp, Sandbox
from cos_update.fakes.wire import Fault, FaultKind, Recorded, Wire

__all__ = ["FakeApp", "Fault", "FaultKind", "Recorded", "Sandbox", "Wire"]
