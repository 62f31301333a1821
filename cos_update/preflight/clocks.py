"""Whether both sides' clocks go with ours."""

from __future__ import annotations

from cos_update.preflight.finding import Finding, ok, warn

SKEW = 5.0
"""Seconds by which clocks may differ before somebody is told."""


def compared(whose: str, ahead: float) -> Finding:
    """What to say of a clock that is `ahead` seconds from ours."""
    if abs(ahead) <= SKEW:
        return ok("clock", f"{whose}'s is within {SKEW:g} s of ours")
    return warn("clock", f"{whose}'s is {ahead:+.0f} s from ours", "let both follow a time server (chrony, ntp)")
