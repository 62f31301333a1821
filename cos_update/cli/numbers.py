"""Option callbacks that parse numbers, with plain error messages."""

from __future__ import annotations

import math
from collections.abc import Callable

import click


def seconds(least: float | None = None) -> Callable[[click.Context, click.Parameter, str | None], float | None]:
    """An option's callback: a number of seconds, `least` or more; None: above 0."""

    def read(_: click.Context, __: click.Parameter, value: str | None) -> float | None:
        if value is None:
            return None
        try:
            found = float(value)
        except ValueError:
            found = math.nan
        if math.isfinite(found) and (found > 0 if least is None else found >= least):
            return found
        wanted = "above 0" if least is None else f"of {least:g} or more"
        raise click.BadParameter(f"{value!r} is not a number of seconds {wanted}.")

    return read


def port(_: click.Context, __: click.Parameter, value: str | None) -> int | None:
    """An option's callback: a TCP port."""
    if value is None:
        return None
    if not (value.isascii() and value.isdecimal() and len(value) <= 5 and 1 <= int(value) <= 65535):
        raise click.BadParameter(f"{value!r} is not a port from 1 to 65535.")
    return int(value)
