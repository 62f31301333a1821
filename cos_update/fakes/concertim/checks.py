"""The validations of Rails that the app uses."""

from __future__ import annotations

import re
from decimal import Decimal

from cos_update.fakes.concertim.problems import Errors, plain
from cos_update.fakes.concertim.values import inspect, number

_WHOLE = re.compile(r"[+-]?\d+")


def check_number(
    errors: Errors,
    field: str,
    raw: object,
    *,
    whole: bool = False,
    above: int | None = None,
    at_least: int | None = None,
    below: int | None = None,
) -> None:
    """Check a value as sent. Whole numbers may be strings, but not "20.0"."""
    value = number(raw)
    if value is None:
        errors.add(field, "not_a_number", value=raw)
        return
    if whole and not _WHOLE.fullmatch(raw if isinstance(raw, str) else inspect(raw)):
        errors.add(field, "not_an_integer", value=raw)
        return
    if above is not None and value <= above:
        errors.add(field, "greater_than", value=plain(value), count=above)
    if at_least is not None and value < at_least:
        errors.add(field, "greater_than_or_equal_to", value=plain(value), count=at_least)
    if below is not None and value >= below:
        errors.add(field, "less_than", value=plain(value), count=below)


def check_cost(errors: Errors, raw: object, cast: Decimal | None) -> None:
    """Check the cost of a rack, device or team: null passes here, and fails in the database."""
    if cast is not None or raw not in (None, ""):
        check_number(errors, "cost", raw, at_least=0)


def check_length(errors: Errors, field: str, value: str | None, limit: int) -> None:
    """Check the length of a text."""
    if value is not None and len(value) > limit:
        errors.add(field, "too_long", count=limit)


def is_blank(value: str | None) -> bool:
    """Whether Rails considers a string blank."""
    return value is None or not value.strip()


def sentence(words: tuple[str, ...]) -> str:
    """`a, b or c`; nothing for no words."""
    return f"{', '.join(words[:-1])} or {words[-1]}" if words else ""
