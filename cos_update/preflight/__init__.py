"""Checks every precondition of a working installation by actually using it."""

from cos_update.preflight.finding import Finding, Status
from cos_update.preflight.run import CHECKS, run, unconfigured

__all__ = ["CHECKS", "Finding", "Status", "run", "unconfigured"]
