"""Parsers of values that services write in more than one way, shared by the services' modules."""

from __future__ import annotations


def truth(value: object) -> bool | None:
    """A boolean, which Cinder writes as a string; None for anything else."""
    if isinstance(value, bool):
        return value
    return {"true": True, "false": False}.get(value.lower()) if isinstance(value, str) else None
