"""Values that the services write in more than one way.

Apart from the services' own modules, which share them.
"""

from __future__ import annotations


def truth(value: object) -> bool | None:
    """A truth value, which Cinder writes as a text; None for whatever is none."""
    if isinstance(value, bool):
        return value
    return {"true": True, "false": False}.get(value.lower()) if isinstance(value, str) else None
