"""Every precondition of a working installation, tried for real."""

from cos_update.checks.finding import Finding, Status
from cos_update.checks.run import run, unconfigured

__all__ = ["Finding", "Status", "run", "unconfigured"]
