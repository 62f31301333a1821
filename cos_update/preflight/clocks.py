"""Compares both sides' clocks with ours."""

from __future__ import annotations

from cos_update.preflight.finding import Finding, ok, warn

SKEW = 5.0
"""Seconds of clock skew from which a warning is given."""


def compared(whose: str, ahead: float) -> Finding:
    """The finding for a clock that is `ahead` seconds ahead of this machine's."""
    if abs(ahead) <= SKEW:
        return ok("clock", f"{whose}'s is within {SKEW:g} s of ours")
    return warn("clock", f"{whose}'s is {ahead:+.0f} s off from ours", "synchronize both by NTP (chrony, ntpd)")
